"""The log as uplinks see it (gateway.batch.Feed), in memory: real bodies in a real chain, no disk."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from drivers.contract import Sample
from gateway.batch import FIRST_PREV, Batch, digest, encode
from gateway.reading import Event, Reading

GATEWAY = "lyu-gas-017"
START_MS = 1_764_000_000_000


class MemoryLog:
    """Commits are at once. `remembered` is how many batches `committed_after` can still give."""

    def __init__(self, remembered: int = 1000, stream: str = "01JD9QAAAA", padding: int = 0) -> None:
        self.stream = stream
        self.batches: OrderedDict[int, Batch] = OrderedDict()
        self.settled: dict[str, list[int]] = {}
        self.aside: dict[str, dict[int, str]] = {}
        self.gone: list[tuple[int, int]] = []
        self.now_ms = START_MS
        self._settled: dict[str, set[int]] = {}
        self._recovered: dict[str, asyncio.Event] = {}
        self._remembered = remembered
        self._padding = "x" * padding
        self._newest = 0
        self._seq = 0
        self._prev = FIRST_PREV
        self._committed = asyncio.Event()
        self.under_way: asyncio.Future[None] | None = None

    def commit(self, count: int = 1, every_ms: int = 1000, events: Sequence[Event] = ()) -> list[Batch]:
        """So many batches of one reading, `every_ms` apart."""
        return [self._commit(every_ms, events) for _ in range(count)]

    def _commit(self, every_ms: int, events: Sequence[Event]) -> Batch:
        self.now_ms += every_ms
        self._seq += 1
        self._newest += 1
        reading = Reading("cems-1", ("so2", "text"), self.now_ms - 100, 20, Sample((self._seq / 8, self._padding)))
        body = encode(GATEWAY, self.stream, self._seq, self._prev, self.now_ms, "synced", [reading], (), events)
        self._prev = digest(body)
        batch = Batch(self._newest, self.stream, self._seq, self.now_ms, body)
        self.batches[batch.position] = batch
        self._committed.set()
        self._committed = asyncio.Event()
        return batch

    def evict(self, count: int) -> None:
        """Drop the oldest."""
        for _ in range(count):
            _, batch = self.batches.popitem(last=False)
            self.gone.append((batch.created_ms - 999, batch.created_ms + 1))

    def newest(self) -> int:
        return self._newest

    async def committed_after(self, position: int) -> Sequence[Batch]:
        while self._newest <= position:
            await self._committed.wait()
        first = max(position, self._newest - self._remembered)
        return [self.batches[at] for at in range(first + 1, self._newest + 1) if at in self.batches]

    async def undelivered(self, uplink: str, before: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        done, aside = self._settled.get(uplink, set()), self.aside.get(uplink, {})
        found = []
        first = max(after + 1, next(iter(self.batches), 1))
        for at in range(first, min(before, self._newest + 1)):
            if at in self.batches and at not in done and at not in aside:
                found.append(self.batches[at])
                if len(found) == limit:
                    break
        return found

    def needs(self, uplink: str, position: int) -> bool:
        return position not in self._settled.get(uplink, set()) and position not in self.aside.get(uplink, {})

    def settle(self, uplink: str, position: int) -> None:
        self.settled.setdefault(uplink, []).append(position)
        self._settled.setdefault(uplink, set()).add(position)

    def set_aside(self, uplink: str, position: int, reason: str) -> None:
        self.aside.setdefault(uplink, {})[position] = reason

    def backlog(self, uplink: str) -> tuple[int, int | None]:
        done = self._settled.get(uplink, set()) | self.aside.get(uplink, {}).keys()
        open_ = [batch.created_ms for at, batch in self.batches.items() if at not in done]
        return len(open_), open_[0] if open_ else None

    def committing(self) -> asyncio.Future[None] | None:
        return self.under_way

    def recovered(self, uplink: str) -> asyncio.Event:
        return self._recovered.setdefault(uplink, asyncio.Event())

    def unsettle(self, uplink: str, position: int) -> None:
        """As a batch that was salvaged from a damaged file."""
        self._settled[uplink].discard(position)
        self.recovered(uplink).set()

    async def between(self, from_ms: int, to_ms: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        await asyncio.sleep(0)
        found = [b for b in self.batches.values() if from_ms <= b.created_ms < to_ms and b.position > after]
        return found[:limit]

    async def evicted(self, from_ms: int, to_ms: int) -> Sequence[tuple[int, int]]:
        clipped = [(max(low, from_ms), min(high, to_ms)) for low, high in self.gone]
        return [(low, high) for low, high in clipped if low < high]
