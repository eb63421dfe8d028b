"""What has been added and is not committed yet, cut into batches; bounded, and what does not fit is counted."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.reading import Event, Reading, Window

SPAN_MS = 1000
"""design.md: a batch holds at most one second of readings."""

BATCH_WEIGHT = 1 << 20
"""A fuller batch is cut: about 26,000 points, half a MiB of JSON, which brokers with a limit of 1 MiB accept."""

READING_WEIGHT, POINT_WEIGHT, OTHER_WEIGHT = 240, 40, 1024
"""Bytes of memory of a reading, of each of its points (a float and its place in a tuple), of an event or window."""


def weight(reading: Reading) -> int:
    """About how many bytes the reading takes."""
    return READING_WEIGHT + POINT_WEIGHT * len(reading.points)


@dataclass(slots=True)
class Segment:
    """The content of one batch to be. `kept`: state that counts everything up to and including this batch, which
    therefore takes nothing more. `committed` is set when all of it is in the log."""

    readings: list[Reading] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    weight: int = 0
    committed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def open(self) -> bool:
        """Whether anything may be added."""
        return not self.kept and self.weight < BATCH_WEIGHT

    def takes(self, reading: Reading) -> bool:
        """Whether the reading is within a second of the first one, and there is room."""
        if not self.open:
            return False
        return not self.readings or abs(reading.ts_ms - self.readings[0].ts_ms) <= SPAN_MS

    def put(self, reading: Reading) -> None:
        """Add a reading that it `takes`."""
        self.readings.append(reading)
        self.weight += weight(reading)


@dataclass(slots=True)
class Losses:
    """What could not be kept while commits failed."""

    by_instrument: dict[str, int] = field(default_factory=dict)
    from_ms: int = 0
    to_ms: int = 0
    windows: int = 0
    events: int = 0

    def __bool__(self) -> bool:
        return bool(self.by_instrument or self.windows or self.events)

    def count(self, reading: Reading) -> None:
        """One reading is lost."""
        first = not self.by_instrument
        self.by_instrument[reading.instrument] = self.by_instrument.get(reading.instrument, 0) + 1
        self.from_ms = reading.ts_ms if first else min(self.from_ms, reading.ts_ms)
        self.to_ms = reading.ts_ms if first else max(self.to_ms, reading.ts_ms)

    def join(self, earlier: "Losses") -> None:
        """Count those of `earlier` too."""
        if earlier.by_instrument:
            apart = not self.by_instrument
            self.from_ms = earlier.from_ms if apart else min(self.from_ms, earlier.from_ms)
            self.to_ms = earlier.to_ms if apart else max(self.to_ms, earlier.to_ms)
        for instrument, count in earlier.by_instrument.items():
            self.by_instrument[instrument] = self.by_instrument.get(instrument, 0) + count
        self.windows += earlier.windows
        self.events += earlier.events

    def data(self, reason: str) -> dict[str, Any]:
        """The `data` of the event log.lost."""
        return {
            "reason": reason,
            "readings": sum(self.by_instrument.values()),
            "from": self.from_ms,
            "to": self.to_ms,
            "instruments": dict(self.by_instrument),
            "windows": self.windows,
            "events": self.events,
        }


class Pending:
    """Segments in the order in which they will be committed; the last one is being gathered."""

    def __init__(self, most_bytes: int, on_lost: Callable[[Reading], None]) -> None:
        self.segments: deque[Segment] = deque()
        self.losses = Losses()
        self.weight = 0
        self.full = False  # a whole batch is waiting: there is no point in gathering longer
        self.lost = 0
        self._most = most_bytes
        self._on_lost = on_lost
        self.window_lost: Callable[[Window], None] = lambda window: None

    def __bool__(self) -> bool:
        return bool(self.segments)

    def add(self, reading: Reading) -> None:
        """Into the batch being gathered, or a new one."""
        segment = self.segments[-1] if self.segments else None
        if segment is None or not segment.takes(reading):
            segment = Segment()
            self.segments.append(segment)
        segment.put(reading)
        self.weight += weight(reading)
        if self.weight >= BATCH_WEIGHT:
            self.full = True
            if self.weight > self._most:
                self._lose_oldest()

    def add_event(self, event: Event) -> None:
        """Into the batch being gathered, or a new one."""
        self._other().events.append(event)

    def add_window(self, window: Window) -> None:
        """Into the batch being gathered, or a new one."""
        self._other().windows.append(window)

    def _other(self) -> Segment:
        if self.weight + OTHER_WEIGHT > self._most:
            self._lose_oldest()
        if not self.segments or not self.segments[-1].open:
            self.segments.append(Segment())
        self.segments[-1].weight += OTHER_WEIGHT
        self.weight += OTHER_WEIGHT
        return self.segments[-1]

    def keep(self, name: str, value: bytes) -> Segment:
        """With the last of what is pending, or alone."""
        if not self.segments:
            self.segments.append(Segment())
        self.segments[-1].kept[name] = value
        return self.segments[-1]

    @property
    def keeping(self) -> bool:
        """Whether state waits to be kept."""
        return any(segment.kept for segment in self.segments)

    def take(self, most_weight: int) -> list[Segment]:
        """The oldest segments, up to that weight, at least one if there is any."""
        taken: list[Segment] = []
        total = 0
        while self.segments and (not taken or total + self.segments[0].weight <= most_weight):
            segment = self.segments.popleft()
            total += segment.weight
            taken.append(segment)
        self.weight -= total
        self.full = self.weight >= BATCH_WEIGHT
        return taken

    def put_back(self, taken: Iterable[Segment]) -> None:
        """What was taken could not be committed: it comes first again."""
        for segment in reversed(list(taken)):
            self.segments.appendleft(segment)
            self.weight += segment.weight
        while self.weight > self._most and self.segments:
            self._lose_oldest()

    def _lose_oldest(self) -> None:
        """Make room by a sixteenth of the bound: readings and windows first, events only when nothing else is left."""
        goal = self._most - self._most // 16
        for spare_events in (True, False):
            for segment in list(self.segments):
                if self.weight <= goal:
                    return
                self._lose(segment, spare_events)

    def _lose(self, segment: Segment, spare_events: bool) -> None:
        before = segment.weight
        for reading in segment.readings:
            self.lost += 1
            self.losses.count(reading)
            self._on_lost(reading)
        self.losses.windows += len(segment.windows)
        for window in segment.windows:
            self.window_lost(window)
        segment.readings, segment.windows = [], []
        if not spare_events:
            self.losses.events += len(segment.events)
            segment.events = []
        segment.weight = OTHER_WEIGHT * len(segment.events)
        self.weight += segment.weight - before
        if not segment.events and not segment.kept:
            self.segments.remove(segment)
