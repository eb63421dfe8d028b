"""Local time, and diaries: what happens in which day, found from the day's number alone. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from drivers.simulator.happening import Span
from drivers.simulator.smooth import ramp

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A place's clock, `utc_offset_s` ahead of UTC the whole year."""

    utc_offset_s: float

    def day(self, t_s: float) -> int:
        """Local days since 1970."""
        return int((t_s + self.utc_offset_s) // DAY_S)

    def second(self, t_s: float) -> float:
        """Seconds since local midnight."""
        return (t_s + self.utc_offset_s) % DAY_S

    def at(self, day: int, second: float) -> float:
        """Unix seconds of a second of a local day."""
        return day * DAY_S - self.utc_offset_s + second

    def works(self, day: int) -> bool:
        """Monday to Friday; 1970 began with a Thursday."""
        return (day + 3) % 7 < 5

    def sun(self, t_s: float) -> float:
        """-1 at 3 in the night, 1 at 15."""
        return math.sin(2 * math.pi * ((t_s + self.utc_offset_s) / DAY_S - 9 / 24))

    def peak(self, t_s: float, hour: float, width_h: float) -> float:
        """A bell over the day: 1 at the hour, next to nothing two widths from it, the same each day."""
        away_h = abs(self.second(t_s) / 3600 - hour)
        return math.exp(-((min(away_h, 24 - away_h) / width_h) ** 2))

    def daylight(self, t_s: float) -> float:
        """0 from 18 to 6, 1 at noon."""
        return max(0.0, math.sin(math.pi * (self.second(t_s) / DAY_S * 2 - 0.5)))


class Diary:
    """Spans by the number of their period; each begins within its period and ends before the next but one begins."""

    def __init__(self, of: Callable[[int], Iterable[Span]], every_s: float = DAY_S, offset_s: float = 0.0) -> None:
        """Period n begins at `n * every_s - offset_s`; `of` gives its spans in order, the same each time."""
        self.of = lru_cache(maxsize=64)(lambda number: tuple(of(number)))
        """The spans of one period."""
        self._every_s = every_s
        self._offset_s = offset_s

    def near(self, t_s: float) -> Iterator[Span]:
        """What may still show at `t_s`: of its period and the one before."""
        number = self._number(t_s)
        yield from self.of(number - 1)
        yield from self.of(number)

    def at(self, t_s: float) -> Span | None:
        """The span that lasts at `t_s`."""
        return next((span for span in self.near(t_s) if span.from_s <= t_s < span.until_s), None)

    def share(self, t_s: float, rise_s: float, fall_s: float) -> float:
        """0 outside, 1 inside, eased over `rise_s` from a begin on and over `fall_s` from an end on."""
        return max(
            (ramp(t_s, span.from_s, rise_s) - ramp(t_s, span.until_s, fall_s) for span in self.near(t_s)), default=0.0
        )

    def between(self, from_s: float, until_s: float) -> Iterator[Span]:
        """Every span that lasts at some instant from `from_s` to before `until_s`."""
        for number in range(self._number(from_s) - 1, self._number(until_s) + 1):
            yield from (span for span in self.of(number) if span.meets(from_s, until_s))

    def _number(self, t_s: float) -> int:
        return int((t_s + self._offset_s) // self._every_s)


def daily(local: LocalTime, of: Callable[[int], Iterable[Span]]) -> Diary:
    """A diary of local days."""
    return Diary(of, DAY_S, local.utc_offset_s)
