"""Counting the samples of one point in a stretch of time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.windows import SEVERITY

_INT64 = 1 << 63


@dataclass(slots=True)
class Tally:
    """Counted samples of one point: how many, their sum, the extremes, and the flags of those that do not count.

    The sum is compensated (Neumaier), so that its rounding does not depend on how many samples there are; of whole
    numbers it is exact. An extreme is None where there is none, or where it went with a reading that was lost.
    """

    valid: int = 0
    high_part: float = 0
    low_part: float = 0
    low: float | None = None
    high: float | None = None
    flags: dict[str, int] = field(default_factory=dict)
    unsure: bool = False
    levels: dict[int, int] = field(default_factory=dict)
    """Distribution of the counted values, for points that are sound levels (domain/noise.py)."""

    def add(self, value: float) -> None:
        """Count a value whose flag is N."""
        if self.valid:
            if self.low is not None and value < self.low:
                self.low = value
            if self.high is not None and value > self.high:
                self.high = value
        elif not self.unsure:
            self.low = self.high = value
        self.valid += 1
        self._sum(value)

    def _sum(self, value: float) -> None:
        total = self.high_part + value
        if abs(self.high_part) >= abs(value):
            self.low_part += (self.high_part - total) + value
        else:
            self.low_part += (value - total) + self.high_part
        self.high_part = total

    def take_back(self, value: float) -> None:
        """A counted value was lost before its commit."""
        self.valid -= 1
        self._sum(-value)
        if not self.valid:
            self.low = self.high = None
            self.high_part = self.low_part = 0
            return
        # which value comes next to a lost extreme is not known any more
        if self.low is None or value <= self.low:
            self.low, self.unsure = None, True
        if self.high is None or value >= self.high:
            self.high, self.unsure = None, True

    def flag(self, flag: str, times: int = 1) -> None:
        """Count a value that is not to be counted."""
        count = self.flags.get(flag, 0) + times
        if count:
            self.flags[flag] = count
        else:
            self.flags.pop(flag, None)

    def join(self, other: "Tally") -> None:
        """Count all that the other has counted."""
        if other.valid:
            unknown = other.unsure or self.unsure
            self.low = _extreme(min, self.low, other.low, self.valid, unknown)
            self.high = _extreme(max, self.high, other.high, self.valid, unknown)
            self.unsure = unknown
            self._sum(other.high_part)
            self.low_part += other.low_part
            self.valid += other.valid
        for flag, count in other.flags.items():
            self.flag(flag, count)
        for one, count in other.levels.items():
            self.level(one, count)

    def level(self, one: int, times: int = 1) -> None:
        """Count a value in the distribution; `one` is its step."""
        count = self.levels.get(one, 0) + times
        if count:
            self.levels[one] = count
        else:
            self.levels.pop(one, None)

    @property
    def sum(self) -> float:
        """Sum of the counted values; of whole numbers a whole number, as far as 64 bits go."""
        total = self.high_part + self.low_part
        return float(total) if abs(total) >= _INT64 else total

    @property
    def mean(self) -> float | None:
        """Mean of the counted values."""
        return self.sum / self.valid if self.valid else None

    def row(self) -> list[Any]:
        """For a kept state."""
        row = [self.valid, self.high_part, self.low_part, self.low, self.high, self.flags, self.unsure]
        return [*row, list(self.levels.items())] if self.levels else row


def _extreme(choose: Any, mine: float | None, its: float | None, count: int, unknown: bool) -> float | None:
    if unknown and (its is None or (mine is None and count)):
        return None
    return its if mine is None else mine if its is None else choose(mine, its)


def joined(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    whole = Tally()
    for tally in tallies:
        whole.join(tally)
    return whole


def commonest(flags: dict[str, int]) -> str:
    """The most frequent flag, of equally frequent ones the worst; B (nothing came) without any."""
    return min(flags, key=lambda flag: (-flags[flag], SEVERITY.index(flag))) if flags else "B"
