"""A boiler with its emission monitoring: firing and rest, start-up and shut-down, calibration at night.

While the boiler rests the duct holds air (21 % oxygen); while it starts, oxygen is high and carbon monoxide and
dust peak, which is why HJ 75 counts start-up and shut-down apart.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.calibration import Calibration
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, changes, told
from drivers.simulator.inside_analyser import inside
from drivers.simulator.scene import Curve, Known, has, with_quantity
from drivers.simulator.smooth import chance, drift, ramp, wander

_DAY_S = 86_400
_START_S, _STOP_S = 4.5 * 3600, 23 * 3600  # local time; the night's heat comes from the store
_HEAT_UP_S, _RUN_DOWN_S = 2400, 1200
_BYPASS_S = 600  # the first minutes go past the filter
_CALIBRATION_S, _GAS_S = 2 * 3600, 600  # at 02:00, ten minutes of zero gas, ten of span gas
SPAN: dict[str, tuple[float, str]] = {
    "so2": (240.0, "mg/m3"), "nox": (240.0, "mg/m3"), "no": (160.0, "mg/m3"), "no2": (40.0, "mg/m3"),
    "co": (800.0, "mg/m3"), "o2_dry": (20.9, "%"), "o2_wet": (20.9, "%"),
}  # fmt: skip
"""Concentration of the span gas: 80 % of the usual range; air for oxygen."""


class BoilerHouse:
    """The scene of one boiler."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._calibration = Calibration(seed, self._local, _CALIBRATION_S, _GAS_S, SPAN)
        self._runs: Diary = daily(self._local, self._run)
        self._bypasses: Diary = daily(self._local, self._bypass)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Flue gas and what goes with it."""
        measured: dict[str, Callable[[float, float], float]] = {
            "so2": lambda t, load: (62 + 14 * self._of("so2", t)) * load,
            "nox": lambda t, load: (118 + 18 * self._of("nox", t)) * load**1.2,
            "no": lambda t, load: (72 + 11 * self._of("nox", t)) * load**1.2,
            "no2": lambda t, load: (7 + 2 * self._of("nox", t)) * load,
            "co": lambda t, load: 25 * load + 420 * self._starting(t),
            "o2_dry": self._oxygen,
            "o2_wet": lambda t, load: 0.91 * self._oxygen(t, load),
        }
        duct: dict[str, tuple[Curve, str]] = {
            "co2": (lambda t: 0.04 + (20.9 - self._oxygen(t, self.load(t))) * 0.85, "%"),
            "dust": (lambda t: 0.4 + (6 + 2 * self._of("dust", t)) * self.load(t) + 28 * self._starting(t), "mg/m3"),
            "flue_gas_temperature": (lambda t: 22 + 118 * self.load(t) + 3 * self._of("heat", t), "°C"),
            "flue_gas_pressure": (lambda t: -0.02 - 0.35 * self.load(t) + 0.02 * self._of("draught", t), "kPa"),
            "flue_gas_humidity": (lambda t: 1.5 + 7.5 * self.load(t) + 0.4 * self._of("moisture", t), "%"),
            "flue_gas_velocity": (lambda t: 0.6 + 9.5 * self.load(t) + 0.4 * self._of("draught", t), "m/s"),
            "flue_gas_flow": (lambda t: (0.6 + 9.5 * self.load(t)) * 1.8, "m3/s"),
            "furnace_temperature_1": (lambda t: 60 + 840 * self.load(t) + 15 * self._of("fire", t), "°C"),
            "damper_position": (lambda t: 100.0 * self._open(t), "%"),
        }
        quantity = point.quantity or ""
        if quantity in measured:
            of = measured[quantity]
            return self._calibration.shown(quantity, lambda t: of(t, self.load(t)))
        if quantity == "damper_open":
            return self._open, None
        if has(instrument, *SPAN) and (
            own := self._calibration.contact(point) or inside(self._seed, instrument, point)
        ):
            return own
        return duct.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C while an analyser of gases calibrates."""
        return self._calibration.condition(instrument)

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from self._calibration.happenings(instruments, from_s, until_s)
        runs = self._runs.between(from_s - _RUN_DOWN_S, until_s)
        yield from changes(runs, ("start_up", _HEAT_UP_S), ("shut_down", _RUN_DOWN_S), from_s, until_s)
        dampers = with_quantity(instruments, "damper_open", "damper_position")
        yield from told("bypass_open", self._bypasses.between(from_s, until_s), dampers)

    def load(self, t_s: float) -> float:
        """0 at rest to about 1; follows the day's demand."""
        firing = self._runs.share(t_s, _HEAT_UP_S, _RUN_DOWN_S)
        second = self._local.second(t_s)
        demand = 0.8 + 0.12 * math.cos(4 * math.pi * (second / _DAY_S - 7 / 24))  # most at 7 and 19
        return firing * (demand + 0.05 * drift(t_s, 600, self._seed, "demand"))

    def _oxygen(self, t_s: float, load: float) -> float:
        return 20.9 - 13.5 * min(1.0, load * 1.2) + 0.5 * self._of("o2", t_s) * load

    def _starting(self, t_s: float) -> float:
        """1 in the middle of the heating up, 0 otherwise."""
        second = self._local.second(t_s)
        return ramp(second, _START_S - 300, 900) - ramp(second, _START_S + 900, 1500)

    def _open(self, t_s: float) -> bool:
        return self._bypasses.at(t_s) is not None

    def _run(self, day: int) -> Iterable[Span]:
        start_s = _START_S + 1200 * (chance(self._seed, "start", day) - 0.5)
        stop_s = _STOP_S + 1200 * (chance(self._seed, "stop", day) - 0.5)
        yield Span(self._local.at(day, start_s), self._local.at(day, stop_s))

    def _bypass(self, day: int) -> Iterable[Span]:
        yield Span(self._local.at(day, _START_S), self._local.at(day, _START_S + _BYPASS_S))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "boiler", name)
