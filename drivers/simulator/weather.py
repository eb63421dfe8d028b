"""The weather over a site: days and seasons, rain in spells, strong wind now and then."""

import math
from collections.abc import Iterable
from functools import lru_cache

from drivers.contract import Value
from drivers.simulator.counter import YEAR_S
from drivers.simulator.days import Diary, LocalTime
from drivers.simulator.happening import Span
from drivers.simulator.scene import Known
from drivers.simulator.smooth import chance, drift, ramp, wander

SPELL_S = 21_600
"""At most one rain in six hours."""
_EASE_S = 600  # a rain begins and ends over ten minutes
_HEAVIEST_MM_H = 8.0  # most rains are light
_SEASONS_S = 31_556_952


class Rain:
    """Rain in spells; `seed` decides."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._spell = lru_cache(maxsize=2048)(self._spell_of)
        self.diary = Diary(self._spell, SPELL_S)
        self._year = lru_cache(maxsize=2)(self._sums)

    def mm_per_h(self, t_s: float) -> float:
        """How hard it rains."""
        return sum(
            float(span.data["mm_per_h"] or 0)
            * (ramp(t_s, span.from_s, _EASE_S) - ramp(t_s, span.until_s - _EASE_S, _EASE_S))
            for span in self.diary.near(t_s)
        )

    def mm(self, t_s: float) -> float:
        """What a rain gauge has counted since its year began; it rises while it rains and never falls."""
        year, within_s = divmod(t_s, YEAR_S)
        spell = int(within_s // SPELL_S)
        number = int(year) * (YEAR_S // SPELL_S) + spell
        fallen = sum(_until(span, t_s) for span in self._spell(number))
        return self._year(int(year))[spell] + fallen

    def wet(self, t_s: float, run_off_s: float, dry_s: float, spells: int = 8) -> float:
        """0..about 1: what the last rains have left; it rises within a rain and `run_off_s`, falls slowly."""
        spell = int(t_s // SPELL_S)
        left = 0.0
        for number in range(spell - spells, spell + 1):
            for span in self._spell(number):
                if t_s >= span.from_s:
                    length_s = span.until_s - span.from_s - _EASE_S
                    after_s = max(0.0, t_s - span.from_s - length_s)
                    grown = ramp(t_s, span.from_s, length_s + run_off_s)
                    # gone for good when its spell is no longer looked at
                    fading = max(0.0, 1 - after_s / ((spells - 1) * SPELL_S)) * math.exp(-after_s / dry_s)
                    left += float(span.data["strength"] or 0) * grown * fading
        return left

    def _spell_of(self, number: int) -> tuple[Span, ...]:
        key = (self._seed, "rain", number)
        if chance(*key) >= 0.25:
            return ()
        begin_s = number * SPELL_S + 10_000 * chance(*key, "begin")
        length_s, strength = 1800 + 7200 * chance(*key, "length"), chance(*key, "strength")
        mm_per_h = _HEAVIEST_MM_H * strength**3
        data: dict[str, Value] = {"strength": strength, "mm_per_h": mm_per_h, "mm": mm_per_h * length_s / 3600}
        return (Span(begin_s, begin_s + length_s + _EASE_S, data),)

    def _sums(self, year: int) -> list[float]:
        sums = [0.0]
        first = year * (YEAR_S // SPELL_S)
        for number in range(first, first + YEAR_S // SPELL_S):
            sums.append(sums[-1] + sum(float(span.data["mm"] or 0) for span in self._spell(number)))
        return sums


def _until(span: Span, t_s: float) -> float:
    """mm of one rain that have fallen until `t_s`: the integral of its ramp up less that of its ramp down."""
    up, down = (_under(t_s - start_s) for start_s in (span.from_s, span.until_s - _EASE_S))
    return float(span.data["mm_per_h"] or 0) / 3600 * (up - down)


def _under(since_s: float) -> float:
    """Area under an eased ramp of _EASE_S, in seconds."""
    share = min(1.0, max(0.0, since_s / _EASE_S))
    return _EASE_S * (share**3 - share**4 / 2) + max(0.0, since_s - _EASE_S)


class Weather:
    """Everything that a weather station shows, and what other instruments feel of it."""

    def __init__(self, seed: int, local: LocalTime) -> None:
        self._seed = seed
        self._local = local
        self.rain = Rain(seed)
        self.storms = Diary(self._storm)

    def temperature_c(self, t_s: float) -> float:
        """Of the air: coldest in January, warmest in July; most at 15, cooler in rain."""
        season = 14.5 - 13.5 * math.cos(2 * math.pi * (t_s / _SEASONS_S - 0.055))
        clear = 1 - 0.5 * min(1.0, self.rain.mm_per_h(t_s) / 4)
        return season + 4.5 * self._local.sun(t_s) * clear + 3 * drift(t_s, 172_800, self._seed, "front")

    def humidity_percent(self, t_s: float) -> float:
        """Relative: high at night and in rain."""
        dry = 60 - 16 * self._local.sun(t_s) + 6 * drift(t_s, 14_400, self._seed, "moisture")
        return min(99.0, dry + 30 * min(1.0, self.rain.mm_per_h(t_s) / 2))

    def pressure_kpa(self, t_s: float) -> float:
        """Falls before rain and storm."""
        low = 0.3 * min(1.0, self.rain.mm_per_h(t_s + 3600) / 4) + 0.3 * self.storms.share(t_s, 1800, 1800)
        return 101.2 + 0.8 * drift(t_s, 172_800, self._seed, "pressure") - low

    def wind_m_s(self, t_s: float) -> float:
        """Freshens by day, blows in gusts; a storm is well above 5 m/s."""
        mean = 1.7 + 0.6 * self._local.sun(t_s) + 0.8 * drift(t_s, 10_800, self._seed, "wind")
        mean += 6.5 * self.storms.share(t_s, 1200, 1800)
        return max(0.0, mean * (1 + 0.25 * wander(t_s, self._seed, "gusts")))

    def wind_from_degrees(self, t_s: float) -> float:
        """Turns slowly, flutters about."""
        return (200 + 140 * drift(t_s, 21_600, self._seed, "vane") + 12 * wander(t_s, self._seed, "flutter")) % 360

    def radiation_w_m2(self, t_s: float) -> float:
        """Global radiation on the ground."""
        clouds = 0.25 + 0.2 * drift(t_s, 3600, self._seed, "clouds")
        return 820 * self._local.daylight(t_s) * (1 - clouds) * (1 - 0.6 * min(1.0, self.rain.mm_per_h(t_s) / 2))

    def curves(self) -> dict[str, Known]:
        """What a weather station has, by quantity."""
        return {
            "air_temperature": (self.temperature_c, "°C"),
            "air_humidity": (self.humidity_percent, "%"),
            "air_pressure": (self.pressure_kpa, "kPa"),
            "wind_speed": (self.wind_m_s, "m/s"),
            "wind_direction": (self.wind_from_degrees, "°"),
            "rain": (self.rain.mm, "mm"),
            "rain_rate": (self.rain.mm_per_h, "mm/h"),
            "solar_radiation": (self.radiation_w_m2, "W/m2"),
        }

    def _storm(self, day: int) -> Iterable[Span]:
        key = (self._seed, "storm", day)
        if chance(*key) < 0.3:
            begin_s = day * 86_400 + 60_000 * chance(*key, "begin")
            yield Span(begin_s, begin_s + 3600 + 9000 * chance(*key, "length"))
