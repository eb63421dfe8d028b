"""A station at a river: days and nights, rain that muddies and dilutes, analysers that work in batches."""

import math
from collections.abc import Callable

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.smooth import chance, ramp, wander

_SPELL_S = 21_600  # at most one rain in six hours
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
        self._utc_offset_s = utc_offset_s

    def curve(self, instrument: InstrumentSpec, point: Point) -> tuple[Callable[[float], Value], str | None] | None:
        """Water quality, flow, weather."""
        quantity = point.quantity or ""
        if quantity in _BATCHED:
            return (lambda t_s: self._batch(quantity, t_s)), "mg/L"
        if set((getattr(point, "states", None) or {}).values()) >= {"waiting", "measuring"}:
            return (lambda t_s: "measuring" if t_s % _BATCH_S >= _BATCH_S - _MEASURING_S else "waiting"), None
        river: dict[str, tuple[Callable[[float], Value], str | None]] = {
            "water_temperature": (self.temperature_c, "°C"),
            "ph": (lambda t: 7.7 + 0.2 * self._sun(t) + 0.08 * self._of("ph", t) - 0.25 * self.wet(t), "pH"),
            "dissolved_oxygen": (lambda t: self._saturation(t) / 100 * _solubility(self.temperature_c(t)), "mg/L"),
            "dissolved_oxygen_saturation": (self._saturation, "%"),
            "turbidity": (lambda t: 12 + 4 * self._of("turbidity", t) + 260 * self.wet(t), "NTU"),
            "suspended_solids": (lambda t: 15 + 5 * self._of("turbidity", t) + 300 * self.wet(t), "mg/L"),
            "conductivity": (lambda t: self._salts(t) * (1 + 0.019 * (self.temperature_c(t) - 25)), "uS/cm"),
            "specific_conductivity": (self._salts, "uS/cm"),
            "tds": (lambda t: 0.65 * self._salts(t), "mg/L"),
            "salinity": (lambda t: 0.0005 * self._salts(t), "ppt"),
            "orp": (lambda t: 210 + 15 * self._of("orp", t) - 40 * self.wet(t), "mV"),
            "water_velocity": (lambda t: 0.7 + 0.06 * self._of("flow", t) + 0.9 * self.wet(t), "m/s"),
            "water_flow": (lambda t: 900 + 60 * self._of("flow", t) + 2400 * self.wet(t), "L/s"),
            "flow": (lambda t: 3240 + 216 * self._of("flow", t) + 8640 * self.wet(t), "m3/h"),
            "water_level": (lambda t: 2.1 + 0.02 * self._of("flow", t) + 0.6 * self.wet(t), "m"),
            "sound_speed": (lambda t: 1403 + 4.6 * self.temperature_c(t), "m/s"),
            "signal_quality": (lambda t: round(88 + 6 * self._of("signal", t) - 20 * self.wet(t)), None),
            "rain_rate": (lambda t: 14 * self._raining(t), "mm/h"),
            "chlorophyll": (lambda t: 6 + 2 * self._of("algae", t) + 1.5 * self._sun(t), "ug/L"),
        }
        return river.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """The probes measure all the time."""
        return lambda t_s: Flag.NORMAL

    def temperature_c(self, t_s: float) -> float:
        """Of the water: follows the day with two hours' delay."""
        return 16.5 + 1.1 * self._sun(t_s - 7200) + 0.4 * self._of("water", t_s) - 1.2 * self.wet(t_s)

    def wet(self, t_s: float) -> float:
        """0..about 1: how much of the last rain is in the river; rises within the hour, falls over half a day."""
        spell = int(t_s // _SPELL_S)
        return sum(self._runoff(earlier, t_s) for earlier in range(spell - 8, spell + 1))

    def _runoff(self, spell: int, t_s: float) -> float:
        begin_s, length_s, strength = self._rain(spell)
        if not strength or t_s < begin_s:
            return 0.0
        after_s = max(0.0, t_s - begin_s - length_s)
        return strength * ramp(t_s, begin_s, length_s + 1800) * math.exp(-after_s / 28_800)

    def _raining(self, t_s: float) -> float:
        begin_s, length_s, strength = self._rain(int(t_s // _SPELL_S))
        inside = ramp(t_s, begin_s, 600) - ramp(t_s, begin_s + length_s, 600)
        return strength * inside

    def _rain(self, spell: int) -> tuple[float, float, float]:
        """Begin (unix s), length (s) and strength (0..1) of the rain in one spell; strength 0: it stays dry."""
        key = (self._seed, "rain", spell)
        strength = chance(*key, "strength") if chance(*key) < 0.25 else 0.0
        return spell * _SPELL_S + 10_000 * chance(*key, "begin"), 1800 + 7200 * chance(*key, "length"), strength

    def _batch(self, quantity: str, t_s: float) -> float:
        """The last finished analysis."""
        sampled_s = t_s // _BATCH_S * _BATCH_S - _MEASURING_S
        middle, width, washed = _BATCHED[quantity]
        return middle + width * self._of(quantity, sampled_s) + washed * self.wet(sampled_s)

    def _saturation(self, t_s: float) -> float:
        """Algae by day, respiration by night."""
        return 94 + 9 * self._sun(t_s) + 2 * self._of("oxygen", t_s) - 6 * self.wet(t_s)

    def _salts(self, t_s: float) -> float:
        return (520 + 15 * self._of("salts", t_s)) / (1 + 0.5 * self.wet(t_s))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "river", name)

    def _sun(self, t_s: float) -> float:
        return math.sin(2 * math.pi * ((t_s + self._utc_offset_s) / 86_400 - 9 / 24))


def _solubility(temperature_c: float) -> float:
    """mg/L of oxygen in fresh water at 101.325 kPa, by the usual cubic fit between 0 and 40 °C."""
    t = temperature_c
    return 14.652 - 0.41022 * t + 0.007991 * t**2 - 0.000077774 * t**3
