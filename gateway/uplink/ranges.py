"""Ranges that somebody asked to have again (the command `backfill`): sent, and answered part by part."""

import asyncio
from collections import deque
from collections.abc import Container, Sequence

import orjson

from gateway.batch import Batch, plain

AT_ONCE = 2
"""Ranges under way; each may take as long as its range is."""
LONGEST_COMMIT_MS = 60_000
"""Longest `commit_every`: so much later the last samples of a range may have been committed."""
SENT, NEVER, EVICTED = "sent", "never measured", "evicted"


class TooManyRanges(Exception):
    """So many ranges are under way that no further one is taken."""


class Range:
    """One range, [from_ms, to_ms) in UTC ms. `answered` is set when every batch of it was acknowledged.

    `quiet_ms` is the longest time between two batches of a site that is running.
    """

    def __init__(self, from_ms: int, to_ms: int, quiet_ms: int) -> None:
        self.from_ms = from_ms
        self.to_ms = to_ms
        self.after = 0
        """Position after which batches are still to be sent."""
        self.answered = asyncio.Event()
        self._quiet_ms = quiet_ms
        self.again: set[int] = set()
        """Positions of sent batches that did not get through."""
        self._open: set[int] = set()
        self._all_sent = False
        self._last: Batch | None = None
        self._beyond: int | None = None
        self._covered: list[tuple[int, int]] = []

    @property
    def until_ms(self) -> int:
        """Creation time before which all batches with samples of the range lie."""
        return self.to_ms + LONGEST_COMMIT_MS

    def begin(self, on_their_way: Container[int]) -> None:
        """Go on, perhaps over another connection: what was sent and is no longer on its way is sent again."""
        lost = {position for position in self._open if position not in on_their_way}
        self.again |= lost
        self._open -= lost

    def sent_again(self, position: int) -> None:
        """A batch of `again` is on its way."""
        self.again.discard(position)
        self._open.add(position)

    def take(self, batch: Batch) -> bool:
        """Whether this batch, the next by position, belongs to the range."""
        self.after = batch.position
        if batch.created_ms >= self.to_ms:
            if self._beyond is None:
                self._beyond = batch.position
            if batch.position != self._beyond:
                return False
        self._open.add(batch.position)
        if self._last is None or batch.position > self._last.position:
            self._cover(batch)
        return True

    def settled(self, position: int) -> None:
        """A batch is through (or set aside for good, or gone)."""
        self._open.discard(position)
        self.again.discard(position)
        self._check()

    def refused(self, position: int) -> None:
        """A batch is to be sent again."""
        if position in self._open:
            self._open.discard(position)
            self.again.add(position)

    def all_sent(self) -> None:
        """There is no further batch."""
        self._all_sent = True
        self._check()

    def intervals(self, evicted: Sequence[tuple[int, int]]) -> list[dict[str, int | str]]:
        """The whole range in parts, each sent, never measured or evicted; `evicted` as Feed.evicted says."""
        parts: list[dict[str, int | str]] = []
        at = self.from_ms
        for start, end in [*self._covered, (self.to_ms, self.to_ms)]:
            start, end = min(max(start, at), self.to_ms), min(max(end, at), self.to_ms)
            for gone_start, gone_end in evicted:
                low, high = max(gone_start, at), min(gone_end, start)
                if low < high:
                    _part(parts, at, low, NEVER)
                    _part(parts, low, high, EVICTED)
                    at = high
            # a batch tells of the time since the one before it, which may lie outside the range or be evicted
            told = end > start and start - at <= self._quiet_ms
            _part(parts, at, start, SENT if told else NEVER)
            _part(parts, start, end, SENT)
            at = max(at, end)
        return parts

    def _check(self) -> None:
        if self._all_sent and not self._open and not self.again:
            self.answered.set()

    def _cover(self, batch: Batch) -> None:
        """Note what a batch covers: the time since the one before it, or since its own first sample."""
        last, self._last = self._last, batch
        follows = last is not None and (batch.stream, batch.seq) == (last.stream, last.seq + 1)
        if last is not None and follows and 0 <= batch.created_ms - last.created_ms <= self._quiet_ms:
            start = self._covered[-1][0]
            self._covered[-1] = (start, max(batch.created_ms + 1, self._covered[-1][1]))
        else:
            self._covered.append((_first_ms(batch), batch.created_ms + 1))


class Ranges:
    """The ranges asked of one uplink, one after the other."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        """Set while there is something to send."""
        self._ranges: deque[Range] = deque()

    async def fulfil(self, request: Range) -> None:
        """Wait until all of it is acknowledged. Raises TooManyRanges."""
        if len(self._ranges) >= AT_ONCE:
            raise TooManyRanges(f"{AT_ONCE} ranges are being sent already")
        self._ranges.append(request)
        self.waiting.set()
        try:
            await request.answered.wait()
        finally:
            self._ranges.remove(request)
            if not self._ranges:
                self.waiting.clear()

    def current(self) -> Range | None:
        """The first that is not answered; without one there is nothing to wait for."""
        found = next((request for request in self._ranges if not request.answered.is_set()), None)
        if found is None:
            self.waiting.clear()
        return found

    def settled(self, position: int) -> None:
        """A batch is through."""
        for request in self._ranges:
            request.settled(position)

    def refused(self, position: int) -> None:
        """A batch is not through."""
        for request in self._ranges:
            request.refused(position)


def _first_ms(batch: Batch) -> int:
    samples: list[dict[str, int]] = orjson.loads(plain(batch.body))["samples"]
    return min([batch.created_ms, *(sample["ts"] - sample["lag"] for sample in samples)])


def _part(parts: list[dict[str, int | str]], start: int, end: int, answer: str) -> None:
    if start >= end:
        return
    if parts and parts[-1]["answer"] == answer and parts[-1]["to"] == start:
        parts[-1]["to"] = end
    else:
        parts.append({"from": start, "to": end, "answer": answer})
