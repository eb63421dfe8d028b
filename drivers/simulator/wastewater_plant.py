"""The outlet of a wastewater plant: the town's day, rain in the sewers, blowers that follow the load, batch analysers.

Rain doubles the flow within the hour, dilutes what is dissolved, and washes some solids through. Ammonia and the need
for air follow the morning and the evening of the town with some hours' delay.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.batches import Batches
from drivers.simulator.counter import Counter, totaliser
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, has, with_quantity
from drivers.simulator.smooth import wander
from drivers.simulator.water_physics import solubility_mg_l, sound_speed_m_s
from drivers.simulator.weather import Weather

_BATCH_S, _MEASURING_S = 7_200, 2_700  # COD and the others every two hours, 45 min of it reaction
_CALIBRATION_S, _CALIBRATING_S = 7800, 2400  # standard solution at 02:10, between two batches
_BATCHED = {
    # mg/L: middle, half width, what follows the load; all of it is diluted by rain
    "cod": (24.0, 3.0, 7.0), "ammonia_nitrogen": (0.9, 0.3, 1.2), "total_phosphorus": (0.22, 0.05, 0.08),
    "total_nitrogen": (8.5, 0.9, 2.2), "nitrate_nitrogen": (6.2, 0.6, 1.0), "bod5": (6.0, 0.8, 1.5),
}  # fmt: skip
_CALIBRATES, _MEASURES = 0b0001, 0b1000
_CHANNEL_M2 = 0.42


class WastewaterPlant:
    """The scene of one outlet."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)
        self._batches = Batches(_BATCH_S, _MEASURING_S, {name: self._concentration(name) for name in _BATCHED})
        self._calibrations: Diary = daily(self._local, self._calibration)
        self._passed = Counter(lambda t_s: self._inflow(t_s) / 3600)
        self._worked = Counter(lambda t_s: self._blowers(t_s) / 3600)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Flow, water, analysers, blowers."""
        quantity = point.quantity or ""
        if quantity in _BATCHED:
            return self._batches.curve(quantity)
        if quantity == "state" and has(instrument, *_BATCHED):
            return self._state, None
        outlet: dict[str, Known] = {
            "flow": (self.flow_m3_h, "m3/h"),
            "water_flow": (self.flow_m3_h, "m3/h"),
            "water_velocity": (lambda t: self.flow_m3_h(t) / 3600 / _CHANNEL_M2, "m/s"),
            "water_volume": (totaliser(self._passed, instrument, point), "m3"),
            "water_volume_reverse": (lambda t: 0.0, "m3"),
            "sound_speed": (lambda t: sound_speed_m_s(self.temperature_c(t)), "m/s"),
            "signal_quality": (lambda t: round(90 + 5 * self._of("signal", t)), None),
            "water_temperature": (self.temperature_c, "°C"),
            "dissolved_oxygen": (self.oxygen_mg_l, "mg/L"),
            "dissolved_oxygen_saturation": (
                lambda t: 100 * self.oxygen_mg_l(t) / solubility_mg_l(self.temperature_c(t)), "%",
            ),
            "ph": (lambda t: 7.2 + 0.08 * self._of("ph", t) - 0.1 * self.wet(t), "pH"),
            "suspended_solids": (lambda t: 5 + 1.2 * self._of("solids", t) + 9 * self.wet(t), "mg/L"),
            "turbidity": (lambda t: 3 + 0.8 * self._of("solids", t) + 6 * self.wet(t), "NTU"),
            "active_power": (self.blowers_kw, "kW"),
            "active_energy": (self._worked.at, "kWh"),
            "voltage": (lambda t: 231 + 3 * self._of("grid", t), "V"),
            "current": (lambda t: self.blowers_kw(t) * 1000 / (math.sqrt(3) * 400 * 0.88), "A"),
        }  # fmt: skip
        return outlet.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C while the analysers measure a standard solution."""
        if not has(instrument, *_BATCHED):
            return always_normal
        return lambda t_s: Flag.NORMAL if self._calibrations.at(t_s) is None else Flag.CALIBRATION

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from self._batches.happenings(instruments, from_s, until_s)
        analysers = with_quantity(instruments, *_BATCHED)
        yield from told("calibration", self._calibrations.between(from_s, until_s), analysers)
        yield from told("rain", self._weather.rain.diary.between(from_s, until_s))

    def wet(self, t_s: float) -> float:
        """0..about 1: how much rain is in the sewers."""
        return self._weather.rain.wet(t_s, run_off_s=1800, dry_s=10_800, spells=4)

    def flow_m3_h(self, t_s: float) -> float:
        """Through the outlet."""
        return self._inflow(t_s) * (1 + 0.02 * self._of("flow", t_s))

    def blowers_kw(self, t_s: float) -> float:
        """Electric power of the blowers: the control follows the need for air."""
        return self._blowers(t_s) * (1 + 0.02 * self._of("blowers", t_s))

    def load(self, t_s: float) -> float:
        """What the town sends that must be treated, about 0 to 1: three hours behind its mornings and evenings."""
        return 0.1 + 0.75 * self._local.peak(t_s, 11, 2.6) + 0.8 * self._local.peak(t_s, 23, 2.6)

    def oxygen_mg_l(self, t_s: float) -> float:
        """The control holds it; a high load draws it down."""
        return 6.8 - 1.1 * self.load(t_s) + 0.25 * self._of("oxygen", t_s) + 0.4 * min(1.0, self.wet(t_s))

    def temperature_c(self, t_s: float) -> float:
        """Sewage is warm; rain cools it."""
        return 17.5 + 0.5 * self._local.sun(t_s - 10_800) + 0.2 * self._of("water", t_s) - 2.2 * min(1.0, self.wet(t_s))

    def _inflow(self, t_s: float) -> float:
        return 620 + 430 * self.load(t_s) + 1100 * self.wet(t_s)

    def _blowers(self, t_s: float) -> float:
        return 38 + 64 * self.load(t_s - 1800)

    def _concentration(self, quantity: str) -> Callable[[float], float]:
        middle, width, follows = _BATCHED[quantity]

        def at(t_s: float) -> float:
            diluted = 1 + 0.9 * self.wet(t_s)
            return (middle + width * self._of(quantity, t_s) + follows * (self.load(t_s) - 0.4)) / diluted

        return at

    def _state(self, t_s: float) -> int:
        """Bits of the analysers' state word: 0 calibrates, 3 has a sample in work."""
        calibrates = _CALIBRATES if self._calibrations.at(t_s) is not None else 0
        return calibrates | (_MEASURES if self._batches.measures(t_s) else 0)

    def _calibration(self, day: int) -> Iterable[Span]:
        begin_s = self._local.at(day, _CALIBRATION_S)
        yield Span(begin_s, begin_s + _CALIBRATING_S, {})

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "sewage", name)
