"""A reservoir with its intake and waterworks: days and nights, demand of the town, rain that muddies.

What the town draws lowers the reservoir, what rain brings in fills it within days. Turbid raw water takes more chlorine
and leaves a little of its turbidity behind the filters.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import DAY_S, LocalTime
from drivers.simulator.happening import Happening, told
from drivers.simulator.scene import Known, always_normal, has
from drivers.simulator.smooth import drift, wander
from drivers.simulator.water_physics import conductivity_us_cm, ph_potential_mv, solubility_mg_l
from drivers.simulator.weather import Weather

_PARAMETERS = {"do_parameter": 20, "tds_parameter": 13, "ph_parameter": 17, "conductivity_parameter": 9}
"""What a probe calls its parameters (In-Situ manual, list of parameter ids)."""
_LAYERED_K = 6.0  # the bottom is so much colder than the top


class DrinkingWaterSource:
    """The scene of one reservoir."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Raw water at the intake, the reservoir's level, treated water behind the works."""
        if point.quantity == "state":
            number = _PARAMETERS.get(point.id, 0 if point.id.endswith("_quality") else None)
            return None if number is None else ((lambda t_s: number), None)
        treated = has(instrument, "residual_chlorine")
        if treated and point.quantity == "turbidity":
            return self.treated_turbidity, "NTU"
        deep = has(instrument, "water_level")
        raw: dict[str, tuple[Callable[[float], Value], str | None]] = {
            "water_level": (self.level_m, "m"),
            "water_temperature": ((self._bottom_c if deep else self.temperature_c), "°C"),
            "dissolved_oxygen": (lambda t: self._saturation(t) / 100 * solubility_mg_l(self.temperature_c(t)), "mg/L"),
            "dissolved_oxygen_saturation": (self._saturation, "%"),
            "ph": (self._ph, "pH"),
            "ph_potential": (lambda t: ph_potential_mv(self._ph(t), self.temperature_c(t)), "mV"),
            "orp": (lambda t: 320 + 12 * self._of("orp", t) - 60 * self.mud(t), "mV"),
            "tds": (lambda t: (0.65 if point.unit != "ppt" else 0.00065) * self._salts(t), point.unit),
            "specific_conductivity": (self._salts, "uS/cm"),
            "conductivity": (lambda t: conductivity_us_cm(self._salts(t), self.temperature_c(t)), "uS/cm"),
            "resistivity": (lambda t: 1e6 / conductivity_us_cm(self._salts(t), self.temperature_c(t)), "ohm.cm"),
            "turbidity": (self.raw_turbidity, "NTU"),
            "chlorophyll": (lambda t: 4 + 1.5 * self._of("algae", t) + self._local.sun(t), "ug/L"),
            "residual_chlorine": (self.chlorine_mg_l, "mg/L"),
            "flow": (self.outflow_m3_h, "m3/h"),
            "water_flow": (self.outflow_m3_h, "m3/h"),
        }
        return raw.get(point.quantity or "")

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """The probes measure all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        return told("rain", self._weather.rain.diary.between(from_s, until_s))

    def mud(self, t_s: float) -> float:
        """0..about 1: how much of the last rains is at the intake; it comes with the brook, and settles over a day."""
        return self._weather.rain.wet(t_s, run_off_s=7200, dry_s=64_800, spells=16)

    def raw_turbidity(self, t_s: float) -> float:
        """NTU at the intake."""
        return 2.5 + 0.8 * self._of("turbidity", t_s) + 55 * self.mud(t_s)

    def treated_turbidity(self, t_s: float) -> float:
        """NTU behind the filters, some hours later."""
        return 0.12 + 0.03 * self._of("filters", t_s) + 0.012 * self.raw_turbidity(t_s - 14_400)

    def chlorine_mg_l(self, t_s: float) -> float:
        """Free chlorine: held at its set point; turbid water eats it before the dosing follows."""
        return 0.62 + 0.04 * self._of("dosing", t_s) - 0.18 * min(1.0, self.mud(t_s - 14_400))

    def outflow_m3_h(self, t_s: float) -> float:
        """What the town draws: least at 4, most at 8 and at 20."""
        day = 0.45 + 0.3 * self._local.peak(t_s, 13, 6)
        peaks = 0.4 * self._local.peak(t_s, 8, 1.9) + 0.36 * self._local.peak(t_s, 20, 2.2)
        return 1500 * (day + peaks + 0.03 * wander(t_s, self._seed, "town"))

    def level_m(self, t_s: float) -> float:
        """Above the reference level. A day's draw shows as millimetres, rain as decimetres."""
        filled = 0.35 * self._weather.rain.wet(t_s, run_off_s=21_600, dry_s=259_200, spells=48)
        drawn = 0.012 * math.sin(2 * math.pi * (self._local.second(t_s) / DAY_S - 0.02))  # highest at the end of night
        return 36.2 + 0.25 * drift(t_s, 10 * DAY_S, self._seed, "reservoir") + filled + drawn

    def temperature_c(self, t_s: float) -> float:
        """Near the surface, half a day behind the air."""
        air = self._weather.temperature_c(t_s - 21_600)
        return max(3.0, 14 + 0.12 * (air - 14) + 0.3 * self._local.sun(t_s - 10_800) + 0.1 * self._of("water", t_s))

    def _bottom_c(self, t_s: float) -> float:
        return self.temperature_c(t_s - 86_400) - _LAYERED_K

    def _ph(self, t_s: float) -> float:
        return 7.9 + 0.12 * self._local.sun(t_s) + 0.05 * self._of("ph", t_s) - 0.2 * min(1.0, self.mud(t_s))

    def _salts(self, t_s: float) -> float:
        return (310 + 6 * self._of("salts", t_s)) / (1 + 0.25 * self.mud(t_s))

    def _saturation(self, t_s: float) -> float:
        return 95 + 5 * self._local.sun(t_s) + 1.5 * self._of("oxygen", t_s) - 5 * self.mud(t_s)

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "source", name)
