"""A set of positions kept as runs: what an uplink has settled is a few runs, however many batches there are."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import orjson


class Intervals:
    """Whole numbers as disjoint, non-adjacent runs (first, last), rising."""

    __slots__ = ("_firsts", "_lasts", "total")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.total = 0  # how many numbers are in it
        for first, last in runs:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Intervals({list(self)})"

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._lasts[index]

    def copy(self) -> "Intervals":
        """The same runs, apart from this set."""
        twin = Intervals()
        twin._firsts, twin._lasts, twin.total = self._firsts.copy(), self._lasts.copy(), self.total
        return twin

    def add(self, first: int, last: int | None = None) -> None:
        """Put first..last in (one number without `last`)."""
        last = first if last is None else last
        if last < first:
            return
        start = bisect_right(self._lasts, first - 2)  # runs before it end at first - 2 or earlier: not even adjacent
        end = bisect_right(self._firsts, last + 1)
        if start < end:
            first = min(first, self._firsts[start])
            last = max(last, self._lasts[end - 1])
            for i in range(start, end):
                self.total -= self._lasts[i] - self._firsts[i] + 1
        self._firsts[start:end] = [first]
        self._lasts[start:end] = [last]
        self.total += last - first + 1

    def remove(self, first: int, last: int | None = None) -> None:
        """Take first..last out, whether or not they are in."""
        last = first if last is None else last
        start = bisect_right(self._lasts, first - 1)
        end = bisect_right(self._firsts, last)
        if last < first or start >= end:
            return
        left, right = self._firsts[start], self._lasts[end - 1]
        kept = [(left, first - 1)] if left < first else []
        kept += [(last + 1, right)] if right > last else []
        self.total -= sum(self._lasts[i] - self._firsts[i] + 1 for i in range(start, end))
        self._firsts[start:end] = [run[0] for run in kept]
        self._lasts[start:end] = [run[1] for run in kept]
        self.total += sum(run[1] - run[0] + 1 for run in kept)

    def within(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The runs of the set that lie in first..last, clipped to it."""
        for index in range(bisect_right(self._lasts, first - 1), len(self._firsts)):
            if self._firsts[index] > last:
                return
            yield max(first, self._firsts[index]), min(last, self._lasts[index])

    def gaps(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The runs of first..last that are not in the set."""
        for start, end in self.within(first, last):
            if start > first:
                yield first, start - 1
            first = end + 1
        if first <= last:
            yield first, last

    def common(self, other: "Intervals") -> "Intervals":
        """What is in both."""
        both = Intervals()
        for first, last in self:
            for run in other.within(first, last):
                both.add(*run)
        return both

    def shed(self, most: int) -> None:
        """Forget the shortest runs beyond `most` of them; the first run is never forgotten."""
        while len(self._firsts) > most:
            index = min(range(1, len(self._firsts)), key=lambda i: self._lasts[i] - self._firsts[i])
            self.remove(self._firsts[index], self._lasts[index])

    def written(self) -> bytes:
        """As JSON: [[first, last], …]."""
        return orjson.dumps(list(self))

    @classmethod
    def read(cls, text: bytes) -> "Intervals":
        """What `written` wrote. Raises ValueError for anything else."""
        runs = orjson.loads(text)
        try:
            return cls((int(first), int(last)) for first, last in runs)
        except TypeError as error:
            raise ValueError(f"no list of runs: {text[:80]!r}") from error
