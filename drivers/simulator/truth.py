"""What simulated instruments really served, for tests that compare it with what was delivered."""

from collections import deque
from collections.abc import Callable

from drivers.contract import Value


class Truth:
    """The last answered reads of each point. `most` bounds what is kept of each; the oldest goes first.

    `told`, if given, is told of every one: instrument, point, unix ms, value.
    """

    def __init__(self, most: int = 4096, told: Callable[[str, str, int, Value], None] | None = None) -> None:
        self._most = most
        self._told = told
        self._served: dict[tuple[str, str], deque[tuple[int, Value]]] = {}

    def note(self, instrument: str, point: str, ts_ms: int, value: Value) -> None:
        """One point was in an answer that left at `ts_ms` (unix)."""
        kept = self._served.get((instrument, point))
        if kept is None:
            kept = self._served[instrument, point] = deque(maxlen=self._most)
        kept.append((ts_ms, value))
        if self._told is not None:
            self._told(instrument, point, ts_ms, value)

    def served(self, instrument: str, point: str) -> list[tuple[int, Value]]:
        """(unix ms, value) of every answer still kept, in order."""
        return list(self._served.get((instrument, point), ()))

    def between(self, instrument: str, point: str, from_ms: int, to_ms: int) -> list[Value]:
        """Values served with from_ms <= time <= to_ms: a poll's value is one of those between its begin and `ts`."""
        return [value for ts_ms, value in self.served(instrument, point) if from_ms <= ts_ms <= to_ms]
