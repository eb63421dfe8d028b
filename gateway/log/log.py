"""The log as the rest of the gateway sees it.

    add, add_event, add_window ─► Writer ─► database's thread ─► Shelf ─► committed_after ─► uplinks
                                    ▲                              │
                  keep, cursors ────┘         settle ◄─ uplinks ◄──┴── undelivered (from disk)

Events of the log itself: `log.started`, `log.evicted` and `log.checkpoint` (contract.md §2), `log.released`
(holding.py), and `log.lost`, which says what could not be kept while commits failed: {"reason": the trouble in
words, "readings": n, "from": ms, "to": ms, "instruments": {id: n}, "windows": n, "events": n}. A batch that a broker
refuses for good is told as `log.evicted` with the reason `refused` and the broker's words in `detail`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from drivers.measure import Histogram
from gateway.batch import Batch
from gateway.clock import Clock
from gateway.log import reader, times
from gateway.log.access import Access
from gateway.log.holding import boot_id
from gateway.log.intervals import Intervals
from gateway.log.options import LogSettings, Options, Signer
from gateway.log.work import KEPT
from gateway.log.writer import Writer
from gateway.reading import Event, Reading, Window

PENDING_BYTES = 16 << 20
"""Memory for what cannot be committed: at 2,000 points a second about three minutes of a full disk."""

EXTEND_S = 15.0
"""How much more time is asked of the service manager, every third of it, while opening takes long."""

REPLAY_ATTEMPTS = 5
"""How often `replay` has the log opened anew before `run`."""

REPLAY_ROWS = 64
"""Batches read at once by `replay`."""


logger = logging.getLogger("fieldgate.log")


class Log:
    """Opened by `Log.open`. `run` must run while things are added; `close` ends the log cleanly."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._shelf = writer.shelf
        self._access = Access(writer)

    @classmethod
    async def open(
        cls,
        settings: LogSettings,
        gateway_id: str,
        uplinks: Sequence[str],
        clock: Clock,
        signer: Signer | None,
        release_ms: int = 0,
        *,
        hold_s: float = 600.0,
        hold_until: str = "plausible",
        pending_bytes: int = PENDING_BYTES,
        boot: str | None = None,
        extend_start: Callable[[float], None] = lambda seconds: None,
    ) -> "Log":
        """Take the lock and open the file; a damaged one is moved aside, and `run` salvages it in the background.

        `release_ms`: no clock before this release's date is believed. `hold_s`, `hold_until`: the site file's clock
        section. `boot`: this boot's id. `extend_start` is called with seconds while opening takes long. Raises
        LogLocked, LogTooNew, LogMisplaced. A disk that is full or fails raises nothing: `trouble` names it and
        `run` goes on trying.
        """
        options = Options(
            gateway_id, tuple(uplinks), release_ms, hold_s, hold_until, pending_bytes,
            await asyncio.to_thread(boot_id) if boot is None else boot,
        )  # fmt: skip
        writer = Writer(settings, options, clock, signer)
        opening = asyncio.create_task(writer.heal(), name="open log")
        try:
            while not (await asyncio.wait({opening}, timeout=EXTEND_S / 3))[0]:
                extend_start(EXTEND_S)
            opening.result()
        except BaseException:
            opening.cancel()
            writer.release()
            raise
        return cls(writer)

    async def run(self) -> None:
        """Commit what is added, until cancelled; a commit under way is finished all the same."""
        await self._writer.run()

    def seal(self) -> None:
        """Sign what is committed by now, so that the signature can still be delivered before `close`."""
        self._writer.seal()

    async def close(self) -> None:
        """Commit what is left with a signed checkpoint, and leave a mark that nothing is missing."""
        await self._writer.close()

    # What goes in

    def add(self, reading: Reading) -> None:
        """A reading, into the batch being gathered (or aside, while the time is not known)."""
        self._writer.add(reading)

    def add_event(self, event: Event) -> None:
        """An event, into the batch being gathered, which is then committed at once."""
        self._writer.pending.add_event(event)
        self._writer.wake()

    def add_window(self, window: Window) -> None:
        """A closed window, into the batch being gathered."""
        self._writer.pending.add_window(window)
        self._writer.gathering()

    def keep(self, name: str, value: bytes) -> None:
        """State to be saved in the transaction of the last thing added: it counts everything up to there, no more."""
        self._writer.pending.keep(name, value)
        self._writer.gathering()

    async def save(self, name: str, value: bytes, until_ms: int = 0) -> None:
        """`keep`, at once, and return when no power cut can take it back. Waits as long as the disk fails.

        `until_ms`: how long it matters; the latest of these outlives the log's file (`saved_until_ms`).
        """
        self._writer.matters_until(until_ms)
        segment = self._writer.pending.keep(name, value)
        self._writer.wake()
        await segment.committed.wait()

    def committed(self) -> asyncio.Event:
        """Set when no power cut can take back what was added last; call it right after adding, before anything else."""
        waiting = self._writer.waiting
        pending = waiting.aside if self.holding and waiting.aside.segments else waiting.pending
        if pending.segments:
            return pending.segments[-1].committed
        done = asyncio.Event()
        done.set()
        return done

    def kept(self, name: str) -> tuple[int, bytes] | None:
        """What was kept last and the position it counts up to; `replay` goes on from there."""
        return self._writer.commits.states.get(KEPT + name)

    @property
    def saved_until_ms(self) -> int:
        """Until when something matters that was saved in this log, also where its file is lost."""
        return self._writer.tail.saved_until_ms

    def on_entered(self, call: Callable[[Reading], None]) -> None:
        """Call with each reading as it takes its place in the sequence, with its final stamp: when it is added or,
        if it was held back under an implausible clock, when it is released. It may add events and windows."""
        self._writer.entered = call

    def on_lost(self, call: Callable[[Reading], None]) -> None:
        """Call with each reading that had entered and could not be kept while commits failed."""
        self._writer.lost = call

    def on_window_lost(self, call: Callable[[Window], None]) -> None:
        """Call with each window that could not be kept while commits failed."""
        self._writer.pending.window_lost = call

    async def replay(self, after_position: int) -> AsyncIterator[Batch]:
        """All sound batches beyond a position, in order, as they stand on disk. Ends early where it cannot be read at
        start: a disk that fails must not keep the gateway from polling."""
        last, failures = self._shelf.newest, 0
        while after_position < last:
            runs = list(self._shelf.cursors.gone.gaps(after_position + 1, min(last, after_position + REPLAY_ROWS)))
            found = await self._access.read(runs, REPLAY_ROWS) if runs else reader.Found()
            if found is None:
                failures += 1
                if failures >= REPLAY_ATTEMPTS and not self._writer.running:
                    logger.warning("the log cannot be read on from position %d", after_position)
                    return
                continue
            if found.bad:
                await self._access.missing(found)
            for batch in found.batches:
                yield batch
            if found.cut:
                after_position = found.batches[-1].position
            elif not runs:
                ahead = next(self._shelf.cursors.gone.gaps(after_position + 1, last), (last + 1, 0))
                after_position = ahead[0] - 1
            else:
                after_position = runs[-1][1]

    # What comes out: Feed

    def newest(self) -> int:
        """Position of the last committed batch, 0 if there is none."""
        return self._shelf.newest

    async def committed_after(self, position: int) -> Sequence[Batch]:
        """Wait for a newer commit; what of it is in memory, in order."""
        return await self._shelf.newer(position)

    async def undelivered(self, uplink: str, before: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        """Oldest batches that the uplink still needs. Waits while the log cannot be read."""
        while True:
            runs = self._wanted(uplink, before, after, limit)
            if not runs:
                return ()
            in_memory = self._shelf.in_memory(runs, limit)
            found = reader.Found(in_memory) if in_memory is not None else await self._access.read(runs, limit)
            if found is None:
                continue
            if found.bad:
                await self._access.missing(found)
            if found.batches:
                return found.batches

    async def between(self, from_ms: int, to_ms: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        """Batches, settled or not, created in [from_ms, to_ms), beyond position `after`, by position. Waits while the
        log cannot be read."""
        while True:
            gone, newest = self._shelf.cursors.gone.copy(), self._shelf.newest
            wanted = (self._writer.tail.turns, gone, newest, from_ms, to_ms, after, limit)
            page = await self._access.ask(times.between, *wanted)
            if page is None:
                continue
            if page.found.bad and await self._access.changing():
                continue
            if page.found.bad:
                await self._access.missing(page.found)
            if page.found.batches or not page.more:
                return page.found.batches
            after = page.after

    async def evicted(self, from_ms: int, to_ms: int) -> Sequence[tuple[int, int]]:
        """The parts of [from_ms, to_ms) whose batches were removed or lost, as (from, to) in ms, rising and apart."""
        gone_times: Intervals | None = None
        while gone_times is None:
            gone, since_ms = self._shelf.cursors.gone.copy(), int(self._writer.salvaging.origin.get("since", 0))
            gone_times = await self._access.ask(times.gone_times, gone, self._shelf.newest, since_ms)
        return [(first, last + 1) for first, last in gone_times.within(from_ms, to_ms - 1)]

    def needs(self, uplink: str, position: int) -> bool:
        """Whether the uplink has neither settled nor set aside this one."""
        return self._shelf.cursors.needs(uplink, position)

    def settle(self, uplink: str, position: int) -> None:
        """The uplink has it; durable with the next commit."""
        self._shelf.cursors.settle(uplink, position)

    def set_aside(self, uplink: str, position: int, reason: str) -> None:
        """The uplink's broker refuses it for good: not offered again, and told."""
        self._writer.telling.refused.append((uplink, position, reason))
        self._shelf.cursors.settle(uplink, position)
        self._writer.wake()

    def backlog(self, uplink: str) -> tuple[int, int | None]:
        """How many batches the uplink still needs, and when the oldest was created."""
        return self._shelf.backlog(uplink)

    def committing(self) -> "asyncio.Future[Any] | None":
        """The commit under way, if any."""
        return self._writer.committing

    def recovered(self, uplink: str) -> asyncio.Event:
        """Set when old batches have become undelivered again (salvaged from a damaged file)."""
        return self._shelf.recovered[uplink]

    def _wanted(self, uplink: str, before: int, after: int, limit: int) -> list[tuple[int, int]]:
        runs: list[tuple[int, int]] = []
        for first, last in self._shelf.cursors.undelivered(uplink, after, min(before, self._shelf.newest + 1)):
            runs.append((first, min(last, first + limit - 1)))
            limit -= runs[-1][1] - first + 1
            if limit <= 0:
                break
        return runs

    # What health reads

    @property
    def stream(self) -> str:
        """The stream that is being written, "" while the log could not be opened yet."""
        return self._writer.tail.end.stream

    async def opened(self) -> int:
        """Wait for the first opening, which a failing disk may delay; the newest position in the file then.

        Until then `kept` knows nothing.
        """
        await self._writer.healing.opened.wait()
        return self._writer.healing.opened_at

    @property
    def is_open(self) -> bool:
        """Whether the file was opened; a failing disk may delay that."""
        return self._writer.healing.opened.is_set()

    @property
    def last_before_ms(self) -> int:
        """When the newest batch was made that the log held at its opening, 0 without one."""
        return self._writer.healing.last_before_ms

    @property
    def seq(self) -> int:
        """Seq of the newest batch."""
        return self._writer.tail.end.seq

    @property
    def batches(self) -> int:
        """How many batches the log holds."""
        return self._shelf.batches

    @property
    def bytes(self) -> int:
        """All files of the log together."""
        return self._writer.upkeep.bytes

    @property
    def written_bytes(self) -> int:
        """Written to the disk by this process, WAL and all (store.py says how it is measured)."""
        return self._writer.upkeep.written_bytes

    @property
    def commit_seconds(self) -> Histogram:
        """How long commits took."""
        return self._writer.commits.seconds

    @property
    def evicted_batches(self) -> Counter[str]:
        """Batches that are gone, by reason: size, age, damage, refused."""
        return self._writer.telling.gone

    @property
    def last_commit_s(self) -> float:
        """When the last commit returned, on the boot clock."""
        return self._writer.commits.last_s

    @property
    def trouble(self) -> str | None:
        """What commits fail with, None while they do not."""
        return self._writer.faults.trouble

    @property
    def holding(self) -> bool:
        """Whether readings are held back until the time is known."""
        return self._writer.holding.active

    @property
    def losses(self) -> int:
        """Readings that could not be kept, since the start."""
        return self._writer.pending.lost
