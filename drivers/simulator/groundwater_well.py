"""An observation well: a water table that rises weeks after rain, a neighbour's pump that draws it down, constant cold.

Drawdown grows and recovers with the logarithm of time (Theis); the earth's tides move it by millimetres.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import DAY_S, Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal
from drivers.simulator.smooth import chance, drift, wander
from drivers.simulator.water_physics import conductivity_us_cm, solubility_mg_l
from drivers.simulator.weather import Rain

_TIDE_S = 44_714  # 12.42 h, the moon's half day
_PUMPS = 0.5  # of all days the neighbour waters the fields
_DRAWDOWN_M = 0.35
_QUICK_S = 600.0  # the well feels the pump after some minutes
_FELT_DAYS = 10  # then nothing is left of a pumping


class GroundwaterWell:
    """The scene of one well."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._rain = Rain(seed)
        self._pumpings: Diary = daily(self._local, self._pumping)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Level, temperature, quality."""
        well: dict[str, Known] = {
            "water_level": (self.level_m, "m"),
            "water_temperature": (self.temperature_c, "°C"),
            "conductivity": (lambda t: conductivity_us_cm(self._salts(t), self.temperature_c(t)), "uS/cm"),
            "specific_conductivity": (self._salts, "uS/cm"),
            "tds": (lambda t: 0.65 * self._salts(t), "mg/L"),
            "salinity": (lambda t: 0.0005 * self._salts(t), "ppt"),
            "dissolved_oxygen_saturation": (self._saturation, "%"),
            "dissolved_oxygen": (lambda t: self._saturation(t) / 100 * solubility_mg_l(self.temperature_c(t)), "mg/L"),
            "ph": (lambda t: 7.3 + 0.02 * self._of("ph", t), "pH"),
            "orp": (lambda t: 120 + 8 * self._of("orp", t), "mV"),
        }
        return well.get(point.quantity or "")

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """The probes measure all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from told("rain", self._rain.diary.between(from_s, until_s))
        yield from told("pumping", self._pumpings.between(from_s, until_s))

    def level_m(self, t_s: float) -> float:
        """Height of the water table: rain arrives over days, the pump draws within hours."""
        recharge = 0.5 * self._rain.wet(t_s, run_off_s=172_800, dry_s=864_000, spells=120)
        tide = 0.004 * math.sin(2 * math.pi * t_s / _TIDE_S)
        season = 0.3 * drift(t_s, 30 * DAY_S, self._seed, "table")
        return 24.1 + season + recharge + tide - self.drawdown_m(t_s)

    def drawdown_m(self, t_s: float) -> float:
        """By the neighbour's pump: of each pumping its beginning, less its end as if water were put back."""
        today = self._local.day(t_s)
        spans = [span for number in range(today - _FELT_DAYS, today + 1) for span in self._pumpings.of(number)]
        drawn = 0.0
        for span in spans:
            left = max(0.0, 1 - max(0.0, t_s - span.until_s) / ((_FELT_DAYS - 1) * DAY_S))
            drawn += left * (_theis(t_s - span.from_s) - _theis(t_s - span.until_s))
        return _DRAWDOWN_M * drawn

    def temperature_c(self, t_s: float) -> float:
        """The year's mean, with a year's breath of some hundredths."""
        return 14.6 + 0.03 * drift(t_s, 40 * DAY_S, self._seed, "depth") + 0.01 * self._of("water", t_s)

    def _salts(self, t_s: float) -> float:
        """The pump draws a little deeper water, which has more salts."""
        return 705 + 4 * self._of("salts", t_s) + 30 * self.drawdown_m(t_s)

    def _saturation(self, t_s: float) -> float:
        return 22 + 1.5 * self._of("oxygen", t_s)

    def _pumping(self, day: int) -> Iterable[Span]:
        key = (self._seed, "pump", day)
        if chance(*key) < _PUMPS:
            begin_s = self._local.at(day, 5 * 3600 + 14_400 * chance(*key, "begin"))
            yield Span(begin_s, begin_s + 5400 + 12_600 * chance(*key, "length"))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "well", name)


def _theis(since_s: float) -> float:
    """Share of the drawdown that a pump makes in a day, `since_s` after it was switched on; 0 before."""
    return math.log1p(max(0.0, since_s) / _QUICK_S) / math.log1p(DAY_S / _QUICK_S)
