"""How long to leave a unit alone that does not answer. Pure; times are monotonic seconds, passed in."""

from collections.abc import Hashable

STEP_S = 0.5
LONGEST_S = 10.0
"""Steps of 0.5 s up to 10 s: a dead unit costs its line one timeout in ten seconds, and is back within ten."""
LONGEST_ALONE_S = 3.0
"""A unit with nobody to protect on its line, or on a network line, is tried more often (contract.md §3: 5 s)."""


class Silence:
    """Growing waits of the units of one line; the first success resets."""

    __slots__ = ("_failures", "_longest_s", "_until")

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._failures: dict[Hashable, int] = {}
        self._until: dict[Hashable, float] = {}

    def failed(self, unit: Hashable, now_s: float) -> int:
        """Count one poll without an answer; returns how many there were in a row."""
        failures = self._failures.get(unit, 0) + 1
        self._failures[unit] = failures
        self._until[unit] = now_s + min(STEP_S * (failures - 1), self._longest_s)
        return failures

    def answered(self, unit: Hashable) -> int:
        """Forget the unit's silence; returns how many polls in a row had failed."""
        if not self._failures:
            return 0
        self._until.pop(unit, None)
        return self._failures.pop(unit, 0)

    def until(self, unit: Hashable) -> float:
        """Monotonic second from which the unit is tried again; 0.0 when it is not silent."""
        return self._until.get(unit, 0.0)

    def failures(self, unit: Hashable) -> int:
        """Polls without an answer in a row."""
        return self._failures.get(unit, 0)
