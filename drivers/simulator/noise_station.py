"""A noise station in a quarter: day and night, single vehicles, sirens and building sites, rain and wind."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, with_quantity
from drivers.simulator.smooth import chance, ramp, wander
from drivers.simulator.traffic import Traffic
from drivers.simulator.weather import Weather

_ROAD_DB = 16.0  # the way from the road takes so much
_LOUD = 4  # events of a day


class NoiseStation:
    """The scene of one station."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)
        self._traffic = Traffic(seed, self._local, busy=0.6)
        self._events: Diary = daily(self._local, self._loud)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Level and weather."""
        if point.quantity == "noise":
            return self.level_db, "dB"
        return self._weather.curves().get(point.quantity or "")

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """A sound level meter measures all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        meters = with_quantity(instruments, "noise")
        yield from told("noise_event", self._events.between(from_s, until_s), meters)
        yield from told("rain", self._weather.rain.diary.between(from_s, until_s))
        yield from told("strong_wind", self._weather.storms.between(from_s, until_s))

    def level_db(self, t_s: float) -> float:
        """A-weighted, fast: energies add."""
        people = 33 + 9 * self._local.peak(t_s, 14, 7) + 1.5 * wander(t_s, self._seed, "people")
        parts = [people, *self._weather_db(t_s), *self._event_db(t_s)]
        return 10 * math.log10(sum(10 ** (part / 10) for part in parts) + self._traffic.energy(t_s, _ROAD_DB))

    def _weather_db(self, t_s: float) -> Iterator[float]:
        """Rain on roofs, wind in the trees and at the microphone."""
        rain = self._weather.rain.mm_per_h(t_s)
        if rain > 0:
            yield 30 + 12 * math.log10(1 + 5 * rain)
        yield 18 + 5 * self._weather.wind_m_s(t_s)

    def _event_db(self, t_s: float) -> Iterator[float]:
        for span in self._events.near(t_s):
            loud = ramp(t_s, span.from_s, 4) - ramp(t_s, span.until_s - 4, 4)
            if loud > 0:
                yield float(span.data["dB"] or 0) + 20 * math.log10(loud) + 2 * wander(t_s, self._seed, "machine")

    def _loud(self, day: int) -> Iterable[Span]:
        """Sirens of half a minute, hammering of half an hour; by day on working days more than at night."""
        for number in range(_LOUD):
            key = (self._seed, "loud", day, number)
            by_day = chance(*key, "when") < 0.8
            if by_day and not self._local.works(day):
                continue
            begin_s = self._local.at(day, (7 + 10 * chance(*key) if by_day else 5 * chance(*key)) * 3600)
            length_s = 20 + 40 * chance(*key, "length") if chance(*key, "kind") < 0.6 or not by_day else 1800.0
            yield Span(begin_s, begin_s + length_s, {"dB": 70 + 12 * chance(*key, "level")})
