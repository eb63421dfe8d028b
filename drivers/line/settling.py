"""Which units settle, and until when: a late answer must not be taken for the next one (contract.md §3). Pure.

After a timeout, a wrong answer or a cancellation nothing is sent to a unit until its settling time has passed since
its last request or byte. How late its answers come is measured; a unit whose answers come later than its settling
time covers gets a longer one, up to `MOST` of what is set: who answers later than that needs a longer timeout.
Times are seconds of one clock, passed in.
"""

from collections.abc import Hashable

TIMEOUTS = 3
"""Default settling time in timeouts (contract.md §3)."""
MARGIN = 1.5
"""A settling time is this much longer than the latest answer that was seen."""
TELLING = 1.25
"""A settling time that has grown by so much is told; an instrument that babbles makes it longer with every byte."""
MOST = 4
"""Longest settling, in settling times as set: noise on a line must not keep its units silent for ever."""


class Settling:
    """The units of one line. `until` has those that settle or did so last; `late_s` how late each was at worst."""

    __slots__ = ("_asked", "_base", "_longer", "_told", "late_s", "until")

    def __init__(self) -> None:
        self.until: dict[Hashable, float] = {}
        self.late_s: dict[Hashable, float] = {}
        self._asked: dict[Hashable, float] = {}
        self._base: dict[Hashable, float] = {}
        self._longer: dict[Hashable, float] = {}
        self._told: dict[Hashable, float] = {}

    def begin(self, unit: Hashable, asked_s: float, base_s: float) -> None:
        """The unit owes an answer to a question that ended at `asked_s`; `base_s` is its settling time as set."""
        self._asked[unit] = asked_s
        self._base[unit] = base_s
        self.until[unit] = asked_s + max(base_s, self._longer.get(unit, 0.0))

    def heard(self, unit: Hashable, now_s: float) -> float | None:
        """A byte or frame that may be its late answer: measure it, and let it settle on from here.

        Returns its new settling time where it has become so much longer that people should know.
        """
        if unit not in self.until:
            return None
        base_s, late_s = self._base[unit], now_s - self._asked[unit]
        if late_s > MOST * base_s:
            return None  # whatever this is, it is no answer to that question
        self.late_s[unit] = max(late_s, self.late_s.get(unit, 0.0))
        before_s = max(base_s, self._longer.get(unit, 0.0))
        settle_s = max(before_s, min(late_s * MARGIN, MOST * base_s))
        self._longer[unit] = settle_s
        self.until[unit] = min(now_s + settle_s, self._asked[unit] + MOST * base_s)
        told_s = self._told.get(unit)
        if settle_s <= (base_s if told_s is None else TELLING * told_s):
            return None
        self._told[unit] = settle_s
        return settle_s

    def at(self, now_s: float) -> list[Hashable]:
        """The units that settle now."""
        return [unit for unit, until_s in self.until.items() if until_s > now_s]

    def end(self, unit: Hashable) -> None:
        """It has settled, or may be asked for another reason."""
        self.until.pop(unit, None)

    def clear(self) -> None:
        """Nobody settles any more."""
        self.until.clear()
