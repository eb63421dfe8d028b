"""Committed batches as the uplinks see them: the newest in memory, and for each uplink what it still needs."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from gateway.batch import Batch
from gateway.log.cursors import Cursors
from gateway.log.intervals import Intervals

MEMORY_BYTES = 4 << 20
"""Bodies of the newest batches, kept in memory while some uplink needs them: a live one reads nothing from disk."""


class Shelf:
    """What is committed. It is filled by the writer only."""

    def __init__(self, uplinks: Sequence[str]) -> None:
        self.newest = 0
        self.cursors = Cursors(uplinks)
        self.recovered = {uplink: asyncio.Event() for uplink in uplinks}
        """By uplink: old batches have become undelivered again. Cleared by the uplink when it looks for them."""
        self._recent: deque[Batch] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._oldest: dict[str, tuple[int, int]] = {}  # by uplink: its first undelivered position, when created

    @property
    def batches(self) -> int:
        """How many batches the log holds."""
        return self.newest - self.cursors.gone.total

    def load(self, newest: int, gone: Intervals, settled: Mapping[str, Intervals]) -> None:
        """Take over what an opened log holds."""
        self.newest = newest
        self.cursors.load(gone, dict(settled))

    def put(self, batches: Iterable[Batch]) -> None:
        """These are committed; whoever waits is woken."""
        for batch in batches:
            self.newest = batch.position
            self._recent.append(batch)
            self._bytes += len(batch.body)
            while len(self._recent) > 1 and (self._bytes > MEMORY_BYTES or self._had(self._recent[0].position)):
                self._bytes -= len(self._recent.popleft().body)
        self._news.set()
        self._news = asyncio.Event()

    def _had(self, position: int) -> bool:
        """Whether every uplink has had this batch."""
        return all(position in settled for settled in self.cursors.settled.values())

    def found(self, positions: Intervals, settled: Mapping[str, Intervals]) -> None:
        """These are in the log after all (salvaged); `settled` says who had them. Uplinks that lack some are woken."""
        for run in positions:
            self.cursors.find(*run, settled)
            for uplink, woken in self.recovered.items():
                if any(self.cursors.settled[uplink].gaps(*run)):
                    woken.set()
        self._oldest.clear()  # what was known of the oldest may be wrong

    async def newer(self, position: int) -> Sequence[Batch]:
        """Wait for something newer than `position`; what of it is in memory, in order."""
        while self.newest <= position:
            await self._news.wait()
        # from the newest back: what is asked for is the last few of thousands
        found = list(takewhile(lambda batch: batch.position > position, reversed(self._recent)))
        return found[::-1]

    def in_memory(self, runs: Sequence[tuple[int, int]], limit: int) -> list[Batch] | None:
        """The first `limit` batches of the runs, if all of them are in memory."""
        if not self._recent or runs[0][0] < self._recent[0].position:
            return None
        wanted = Intervals(runs)
        found = [batch for batch in self._recent if batch.position in wanted][:limit]
        return found if len(found) == min(limit, wanted.total) else None

    def backlog(self, uplink: str) -> tuple[int, int | None]:
        """How many batches the uplink still needs, and when the oldest was created.

        Until a look at the disk has told that (with the next commit), the last oldest known is named.
        """
        count = self.cursors.backlog(uplink, self.newest)
        if count <= 0:
            return 0, None
        self._look(uplink)
        known = self._oldest.get(uplink)
        return count, known[1] if known else (self._recent[0].created_ms if self._recent else None)

    def unknown(self) -> list[int]:
        """Positions whose time `backlog` needs and memory does not have."""
        return [first for uplink in self.cursors.settled if (first := self._look(uplink)) is not None]

    def learn(self, created: Mapping[int, int]) -> None:
        """Times read from disk for what was `unknown`."""
        for uplink in self.cursors.settled:
            first = next(self.cursors.undelivered(uplink, 0, self.newest + 1), None)
            if first is not None and first[0] in created:
                self._oldest[uplink] = first[0], created[first[0]]

    def _look(self, uplink: str) -> int | None:
        """Bring the uplink's oldest up to date from memory; the position that is not there."""
        first = next(self.cursors.undelivered(uplink, 0, self.newest + 1), None)
        if first is None:
            return None
        if uplink in self._oldest and self._oldest[uplink][0] == first[0]:
            return None
        if self._recent and first[0] >= self._recent[0].position:
            for batch in self._recent:
                if batch.position == first[0]:
                    self._oldest[uplink] = first[0], batch.created_ms
                    return None
        return first[0]
