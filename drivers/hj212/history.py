"""Which periods of history are still to be asked for. Pure.

Periods are counted: number n begins n lengths after 1970 on the sender's clock. Whatever lies between the period that
was asked for last and the newest one was missed while the line was down, the sender silent or nobody asked.
"""

from collections import deque

DAY_S, HOUR_S, MINUTE_S = 86400, 3600, 60


class History:
    """The periods of one command of one sender; what is kept is bounded by `most`, the oldest are given up first."""

    def __init__(self, length_s: int, offset_s: float, most: int, at_start: int = 0) -> None:
        """`offset_s`: the sender's clock against UTC; `at_start`: periods before the newest that a first poll lacks."""
        self._length_s, self._offset_s = length_s, offset_s
        self._missed: deque[int] = deque(maxlen=most)
        self._newest: int | None = None
        self._at_start = at_start

    def newest(self, now_s: float) -> int:
        """The last whole period at that unix second; those since the one before are missed from now on."""
        number = int((now_s + self._offset_s) // self._length_s) - 1
        before = number - self._at_start - 1 if self._newest is None else self._newest
        # what lies further back than is ever asked for need not be counted up
        first = max(before + 1, number - (self._missed.maxlen or 0))
        self._missed.extend(range(first, number))
        self._newest = max(number, before)
        return number

    def begin_s(self, number: int) -> float:
        """Unix second at which a period begins."""
        return number * self._length_s - self._offset_s

    def missed(self) -> int | None:
        """The oldest one that was missed; None when nothing was."""
        return self._missed[0] if self._missed else None

    def lacks(self, number: int) -> None:
        """It was asked for and did not come."""
        if number not in self._missed:
            self._missed.append(number)

    def done(self, number: int) -> None:
        """It came, or the sender does not have it."""
        if number in self._missed:
            self._missed.remove(number)
