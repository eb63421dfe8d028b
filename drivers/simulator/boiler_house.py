"""A boiler with its emission monitoring: firing and rest, start-up and shut-down, calibration at night.

While the boiler rests the duct holds air (21 % oxygen); while it starts, oxygen is high and carbon monoxide and
dust peak, which is why HJ 75 counts start-up and shut-down apart.
"""

import math
from collections.abc import Callable

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.smooth import chance, drift, ramp, wander

_DAY_S = 86_400
_START_S, _STOP_S = 4.5 * 3600, 23 * 3600  # local time; the night's heat comes from the store
_HEAT_UP_S, _RUN_DOWN_S = 2400, 1200
_BYPASS_S = 600  # the first minutes go past the filter
_CALIBRATION_S, _GAS_S = 2 * 3600, 600  # at 02:00, ten minutes of zero gas, ten of span gas
_SPAN = {"so2": 240.0, "nox": 240.0, "no": 160.0, "no2": 40.0, "co": 800.0, "o2_dry": 20.9, "o2_wet": 20.9}
"""Concentration of the span gas: 80 % of the usual range; air for oxygen."""


class BoilerHouse:
    """The scene of one boiler."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._utc_offset_s = utc_offset_s

    def curve(self, instrument: InstrumentSpec, point: Point) -> tuple[Callable[[float], Value], str | None] | None:
        """Flue gas and what goes with it."""
        gas: dict[str, tuple[Callable[[float], Value], str | None]] = {
            "so2": (self._measured("so2", lambda t, load: (62 + 14 * self._of("so2", t)) * load), "mg/m3"),
            "nox": (self._measured("nox", lambda t, load: (118 + 18 * self._of("nox", t)) * load**1.2), "mg/m3"),
            "no": (self._measured("no", lambda t, load: (72 + 11 * self._of("nox", t)) * load**1.2), "mg/m3"),
            "no2": (self._measured("no2", lambda t, load: (7 + 2 * self._of("nox", t)) * load), "mg/m3"),
            "co": (self._measured("co", lambda t, load: 25 * load + 420 * self._starting(t)), "mg/m3"),
            "o2_dry": (self._measured("o2_dry", self._oxygen), "%"),
            "o2_wet": (self._measured("o2_wet", lambda t, load: 0.91 * self._oxygen(t, load)), "%"),
            "co2": (lambda t: 0.04 + (20.9 - self._oxygen(t, self.load(t))) * 0.85, "%"),
            "dust": (lambda t: 0.4 + (6 + 2 * self._of("dust", t)) * self.load(t) + 28 * self._starting(t), "mg/m3"),
            "flue_gas_temperature": (lambda t: 22 + 118 * self.load(t) + 3 * self._of("heat", t), "°C"),
            "flue_gas_pressure": (lambda t: -0.02 - 0.35 * self.load(t) + 0.02 * self._of("draught", t), "kPa"),
            "flue_gas_humidity": (lambda t: 1.5 + 7.5 * self.load(t) + 0.4 * self._of("moisture", t), "%"),
            "flue_gas_velocity": (lambda t: 0.6 + 9.5 * self.load(t) + 0.4 * self._of("draught", t), "m/s"),
            "flue_gas_flow": (lambda t: (0.6 + 9.5 * self.load(t)) * 1.8, "m3/s"),
            "furnace_temperature_1": (lambda t: 60 + 840 * self.load(t) + 15 * self._of("fire", t), "°C"),
            "damper_open": (self._bypass, None),
            "damper_position": (lambda t: 100.0 * self._bypass(t), "%"),
        }
        return gas.get(point.quantity or "")

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C while an analyser of gases calibrates."""
        if not any(point.quantity in _SPAN for point in instrument.points):
            return lambda t_s: Flag.NORMAL
        return lambda t_s: Flag.NORMAL if self._gas(t_s) is None else Flag.CALIBRATION

    def load(self, t_s: float) -> float:
        """0 at rest to about 1; follows the day's demand."""
        second = self._second(t_s)
        day = self._day(t_s)
        start_s = _START_S + 1200 * (chance(self._seed, "start", day) - 0.5)
        stop_s = _STOP_S + 1200 * (chance(self._seed, "stop", day) - 0.5)
        firing = ramp(second, start_s, _HEAT_UP_S) - ramp(second, stop_s, _RUN_DOWN_S)
        demand = 0.8 + 0.12 * math.cos(4 * math.pi * (second / _DAY_S - 7 / 24))  # most at 7 and 19
        return firing * (demand + 0.05 * drift(t_s, 600, self._seed, "demand"))

    def _oxygen(self, t_s: float, load: float) -> float:
        return 20.9 - 13.5 * min(1.0, load * 1.2) + 0.5 * self._of("o2", t_s) * load

    def _measured(self, name: str, of: Callable[[float, float], float]) -> Callable[[float], Value]:
        """The gas in the duct, or in the calibration line."""

        def at(t_s: float) -> Value:
            span = self._gas(t_s)
            if span is None:
                return max(0.0, of(t_s, self.load(t_s)))
            return max(0.0, span * _SPAN[name] + 0.3 * self._of(name, t_s))

        return at

    def _gas(self, t_s: float) -> float | None:
        """Share of span gas while it calibrates (0 is zero gas), None while it measures."""
        since_s = self._second(t_s) - _CALIBRATION_S
        if not 0 <= since_s < 2 * _GAS_S:
            return None
        return ramp(since_s, _GAS_S, 60)

    def _starting(self, t_s: float) -> float:
        """1 in the middle of the heating up, 0 otherwise."""
        second = self._second(t_s)
        return ramp(second, _START_S - 300, 900) - ramp(second, _START_S + 900, 1500)

    def _bypass(self, t_s: float) -> bool:
        since_s = self._second(t_s) - _START_S
        return 0 <= since_s < _BYPASS_S

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "boiler", name)

    def _day(self, t_s: float) -> int:
        return int((t_s + self._utc_offset_s) // _DAY_S)

    def _second(self, t_s: float) -> float:
        """Seconds since local midnight."""
        return (t_s + self._utc_offset_s) % _DAY_S
