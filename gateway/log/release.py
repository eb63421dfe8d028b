"""Rows of held readings on their way into the sequence: which are due, and the segments they become."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.clock import Clock, ClockState
from gateway.log.gathering import Segment
from gateway.log.holding import RELEASED, Holding, read, redated
from gateway.reading import Event, Reading

ROWS_AT_ONCE = 16
"""Rows of one release: each holds at most what one commit put aside."""


@dataclass(slots=True)
class Released:
    """Held rows as segments with their final stamps, kept until they are committed."""

    ids: list[int]
    segments: list[Segment]
    clock: ClockState
    damaged: list[str]


class Releases:
    """The rows of the table `held`, oldest first."""

    def __init__(self, clock: Clock, boot: str) -> None:
        self._clock = clock
        self._boot = boot
        self._rows: deque[tuple[int, str]] = deque()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def load(self, rows: Iterable[tuple[int, str]]) -> None:
        """Id and boot of all rows, oldest first."""
        self._rows = deque(rows)

    def put(self, rows: Iterable[tuple[int, str]]) -> None:
        """These were just put aside."""
        self._rows.extend(rows)

    def newest(self) -> int:
        """Id of the newest row, 0 without any."""
        return self._rows[-1][0] if self._rows else 0

    def due(self, holding: Holding) -> list[int]:
        """Ids of the next rows to release: of an earlier boot at once, of this one after the hold."""
        if not self._rows:
            return []
        boot = self._rows[0][1]
        if self._own(boot) and holding.active:
            return []
        due: list[int] = []
        for number, other in self._rows:
            if other != boot or len(due) == ROWS_AT_ONCE:
                break
            due.append(number)
        return due

    def done(self, released: Released) -> None:
        """They are committed with a seq."""
        gone = set(released.ids)
        self._rows = deque(row for row in self._rows if row[0] not in gone)

    def segments(
        self, rows: Iterable[tuple[int, str, int, bytes]], holding: Holding, entered: Callable[[Reading], None]
    ) -> Released:
        """The rows as segments; `entered` is told of each reading with its final stamp."""
        known = holding.known()
        released = Released([], [], ClockState.UNSET, [])
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
        for row in rows:
            released.ids.append(row[0])
            try:
                held = read(row)
            except ValueError as error:
                released.damaged.append(str(error))
                continue
            redate = known and self._own(held.boot)
            if redate:
                released.clock = holding.state()
            self._fill(released, held.readings, (now_ms, now_s) if redate else None, entered)
        return released

    def _own(self, boot: str) -> bool:
        """Whether the boot clock of then is the boot clock of now."""
        return bool(boot) and boot == self._boot

    def _fill(
        self,
        released: Released,
        readings: Iterable[Reading],
        now: tuple[int, float] | None,
        entered: Callable[[Reading], None],
    ) -> None:
        segment: Segment | None = None
        moved: list[int] = []
        for reading in readings:
            final = redated(reading, *now) if now else reading
            if segment is None or not segment.takes(final):
                if segment is not None:
                    segment.events.append(self._event(segment, moved, now is not None))
                segment = Segment()
                moved = []
                released.segments.append(segment)
            segment.put(final)
            moved.append(final.ts_ms - reading.ts_ms)
            entered(final)
        if segment is not None:
            segment.events.append(self._event(segment, moved, now is not None))

    def _event(self, segment: Segment, moved: list[int], redate: bool) -> Event:
        stamps = [reading.ts_ms for reading in segment.readings]
        data = {
            "readings": len(stamps),
            "redated": redate,
            "by_ms": moved[-1] if redate else None,
            "from": min(stamps),
            "to": max(stamps),
        }
        return Event(self._clock.now_ms(), RELEASED, data)
