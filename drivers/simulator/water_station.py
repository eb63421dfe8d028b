"""A station at a river: days and nights, rain that muddies and dilutes, analysers that work in batches."""

from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.batches import Batches
from drivers.simulator.counter import Counter, totaliser
from drivers.simulator.days import LocalTime
from drivers.simulator.happening import Happening, told
from drivers.simulator.scene import Known, always_normal
from drivers.simulator.smooth import wander
from drivers.simulator.water_physics import conductivity_us_cm, solubility_mg_l, sound_speed_m_s
from drivers.simulator.weather import Rain

_BATCH_S = 14_400  # a surface-water cabinet measures every four hours (HJ 915-2017)
_MEASURING_S = 2_700  # of which the reaction takes about 45 min
_BATCHED = {
    "permanganate_index": (3.6, 0.8, 1.5), "ammonia_nitrogen": (0.35, 0.15, 0.25), "total_nitrogen": (2.1, 0.5, 0.9),
    "total_phosphorus": (0.09, 0.03, 0.08), "nitrate_nitrogen": (1.3, 0.3, 0.3), "cod": (14, 4, 8), "toc": (4.5, 1, 2),
}  # fmt: skip
"""mg/L: middle, half width, what rain adds."""


class WaterStation:
    """The scene of one river section."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self.rain = Rain(seed)
        self._passed = Counter(lambda t_s: (3240 + 8640 * self.wet(t_s)) / 3600)
        self._batches = Batches(_BATCH_S, _MEASURING_S, {name: self._concentration(name) for name in _BATCHED})

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Water quality, flow, weather."""
        quantity = point.quantity or ""
        if quantity in _BATCHED:
            return self._batches.curve(quantity)
        if set((getattr(point, "states", None) or {}).values()) >= {"waiting", "measuring"}:
            return (lambda t_s: "measuring" if self._batches.measures(t_s) else "waiting"), None
        river: dict[str, Known] = {
            "water_temperature": (self.temperature_c, "°C"),
            "ph": (lambda t: 7.7 + 0.2 * self._local.sun(t) + 0.08 * self._of("ph", t) - 0.25 * self.wet(t), "pH"),
            "dissolved_oxygen": (lambda t: self._saturation(t) / 100 * solubility_mg_l(self.temperature_c(t)), "mg/L"),
            "dissolved_oxygen_saturation": (self._saturation, "%"),
            "turbidity": (lambda t: 12 + 4 * self._of("turbidity", t) + 260 * self.wet(t), "NTU"),
            "suspended_solids": (lambda t: 15 + 5 * self._of("turbidity", t) + 300 * self.wet(t), "mg/L"),
            "conductivity": (lambda t: conductivity_us_cm(self._salts(t), self.temperature_c(t)), "uS/cm"),
            "specific_conductivity": (self._salts, "uS/cm"),
            "tds": (lambda t: 0.65 * self._salts(t), "mg/L"),
            "salinity": (lambda t: 0.0005 * self._salts(t), "ppt"),
            "orp": (lambda t: 210 + 15 * self._of("orp", t) - 40 * self.wet(t), "mV"),
            "water_velocity": (lambda t: 0.7 + 0.06 * self._of("flow", t) + 0.9 * self.wet(t), "m/s"),
            "water_flow": (lambda t: 900 + 60 * self._of("flow", t) + 2400 * self.wet(t), "L/s"),
            "flow": (lambda t: 3240 + 216 * self._of("flow", t) + 8640 * self.wet(t), "m3/h"),
            "water_level": (lambda t: 2.1 + 0.02 * self._of("flow", t) + 0.6 * self.wet(t), "m"),
            "sound_speed": (lambda t: sound_speed_m_s(self.temperature_c(t)), "m/s"),
            "water_volume": (totaliser(self._passed, instrument, point), "m3"),
            "water_volume_reverse": (lambda t: 0.0, "m3"),
            "signal_quality": (lambda t: round(88 + 6 * self._of("signal", t) - 20 * self.wet(t)), None),
            "rain_rate": (self.rain.mm_per_h, "mm/h"),
            "chlorophyll": (lambda t: 6 + 2 * self._of("algae", t) + 1.5 * self._local.sun(t), "ug/L"),
        }
        return river.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """The probes measure all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from self._batches.happenings(instruments, from_s, until_s)
        yield from told("rain", self.rain.diary.between(from_s, until_s))

    def temperature_c(self, t_s: float) -> float:
        """Of the water: follows the day with two hours' delay."""
        return 16.5 + 1.1 * self._local.sun(t_s - 7200) + 0.4 * self._of("water", t_s) - 1.2 * self.wet(t_s)

    def wet(self, t_s: float) -> float:
        """0..about 1: how much of the last rain is in the river; rises within the hour, falls over half a day."""
        return self.rain.wet(t_s, run_off_s=1800, dry_s=28_800)

    def _concentration(self, quantity: str) -> Callable[[float], float]:
        middle, width, washed = _BATCHED[quantity]
        return lambda t_s: middle + width * self._of(quantity, t_s) + washed * self.wet(t_s)

    def _saturation(self, t_s: float) -> float:
        """Algae by day, respiration by night."""
        return 94 + 9 * self._local.sun(t_s) + 2 * self._of("oxygen", t_s) - 6 * self.wet(t_s)

    def _salts(self, t_s: float) -> float:
        return (520 + 15 * self._of("salts", t_s)) / (1 + 0.5 * self.wet(t_s))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "river", name)
