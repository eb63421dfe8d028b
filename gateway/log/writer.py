"""The writer: the only task that writes to the log. It gathers, commits, and heals what the disk does to it.

idle ── something added ──► gathering ── commit_every, an event, a full batch ──► commit ──► idle
                                                                                   │ error: outcome unknown
commit again, or not ◄── is it there? ◄── complete checkpoint ◄── reopen ◄─────────┘
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from drivers.measure import Histogram
from gateway.batch import FIRST_PREV, digest
from gateway.clock import Clock, ClockState
from gateway.errors import LogError
from gateway.log import eviction, reader
from gateway.log.database import PAGE_SIZE, is_damage, truncate
from gateway.log.eviction import Report, Room
from gateway.log.files import DAMAGED, Files
from gateway.log.gathering import Losses, Pending, Segment
from gateway.log.holding import Holding
from gateway.log.intervals import Intervals
from gateway.log.lock import Lock
from gateway.log.mark import Mark, Noted
from gateway.log.opening import Opening, open_store
from gateway.log.release import Released, Releases
from gateway.log.salvage import STATE as SALVAGE
from gateway.log.salvage import Salvage
from gateway.log.shelf import Shelf
from gateway.log.store import Store
from gateway.log.stream import began_ms, new_stream
from gateway.log.times import MOST_TURNS, TURNS, read_turns, written_turns
from gateway.log.work import CURSOR, GONE, KEPT, Done, End, Work, commit
from gateway.reading import Event, Reading
from gateway.signing import checkpoint_text

logger = logging.getLogger("fieldgate.log")

TRANSACTION_WEIGHT = 4 << 20
"""Content of one transaction at most, so that a long wait is worked off in steps and the WAL stays small."""

RETRY_S = (0.1, 0.2, 0.5, 1.0)
"""Waits between attempts while the disk fails; the last is repeated."""

CHECKPOINT_S = 3600.0
"""contract.md §2: a signed checkpoint hourly."""

AGE_CHECK_S = 60.0
"""How often batches older than max_age are looked for."""

SALVAGE_BYTES = 2 << 20
"""How much over its bound the log may be while a damaged file is looked through, which is cut as it goes."""

COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class LogSettings(Protocol):
    """The keys of the site file's `log` section that the log reads."""

    @property
    def path(self) -> str:
        """The database."""

    @property
    def max_size(self) -> int:
        """Bytes of all files together."""

    @property
    def max_age_s(self) -> float:
        """Older batches are removed."""

    @property
    def commit_every_s(self) -> float:
        """Longest wait of a reading for its commit."""

    @property
    def compression(self) -> str:
        """none or zlib."""


class Signer(Protocol):
    """Signs checkpoints: `key` is the public key in hex."""

    @property
    def key(self) -> str:
        """64 hex digits."""

    def sign(self, data: bytes) -> str:
        """The signature in hex."""


@dataclass(frozen=True, slots=True)
class Options:
    """What does not stand in the log's own section of the site file."""

    gateway: str
    uplinks: tuple[str, ...]
    release_ms: int
    hold_s: float
    hold_until: str
    pending_bytes: int
    boot: str


def _ignore(reading: Reading) -> None:
    """Nobody has asked to be told."""


class Writer:
    """State and counters of the log; `Log` is its face."""

    def __init__(self, settings: LogSettings, options: Options, clock: Clock, signer: Signer | None) -> None:
        self.settings, self.options, self.clock, self.signer = settings, options, clock, signer
        self.bytes = self.written_bytes = 0
        self.commit_seconds = Histogram(COMMIT_BOUNDS_S)
        self.evicted_batches: Counter[str] = Counter()
        self.last_commit_s = clock.monotonic()
        self.last_before_ms = 0
        self.trouble: str | None = None
        self.entered: Callable[[Reading], None] = _ignore
        self.lost: Callable[[Reading], None] = _ignore

        self.shelf = Shelf(options.uplinks)
        self.end = End(0, "", 0, FIRST_PREV)
        self.states: dict[str, tuple[int, bytes]] = {}
        self.store: Store | None = None
        self.ready = asyncio.Event()  # the store is open
        self.committing: asyncio.Task[None] | None = None
        self.gone_changed = False
        self.origin: Mapping[str, Any] = {}
        self.turns: list[int] = []  # times.py
        self.refused: list[tuple[str, int, str]] = []  # uplink, position, reason
        self.holding = Holding(clock, options.hold_s, options.hold_until, options.release_ms, None)

        self._files = Files(Path(settings.path))
        self._lock, self._mark = Lock(self._files.lock), Mark(self._files.mark)
        self._wal_bytes = min(2 << 20, max(64 << 10, settings.max_size // 8))
        self._broken: Exception | None = None
        self._failures = 0
        self._attempt: Work | None = None  # the last commit, while its outcome is unknown
        self._started: dict[str, Any] = {}  # data of this stream's log.started
        self._before = Noted(True, "", 0, 0, options.boot)
        self._opened = False
        self._pending = Pending(options.pending_bytes, lambda reading: self.lost(reading))
        self._aside = Pending(options.pending_bytes, _ignore)
        self._own: list[Event] = []
        self._losses = Losses()  # those told in the commit under way
        self._releases = Releases(clock, options.boot)
        self._released: Released | None = None
        self._salvage: Salvage | None = None
        self._wake = asyncio.Event()
        self._saved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._room = 0  # bytes that should leave
        self._give_back = 0  # free pages to return to the file system
        self._written_before = 0
        self._age_checked_s = self._checkpoint_s = float("-inf")

    # Gathering

    def add(self, reading: Reading) -> None:
        """Into the batch being gathered, or aside while the time is not known."""
        if self.holding.active and not self.holding.ends():
            self._aside.add(reading)
        else:
            self._pending.add(reading)
            self.entered(reading)
        if self._pending.full:
            self._wake.set()
        elif self._timer is None:
            self.gather()

    def add_own(self, event: Event) -> None:
        """An event of the log itself: it comes first in the next batch, which is committed at once."""
        self._own.append(event)
        self._wake.set()

    def report(self, report: Report, detail: str | None = None) -> None:
        """Batches are gone, or refused, for some uplinks: say so."""
        self.evicted_batches[report.reason] += report.batches
        data = report.data() | ({} if detail is None else {"detail": detail})
        self.add_own(Event(self.clock.now_ms(), eviction.KIND, data))

    def gather(self) -> None:
        """The first thing after a commit: it waits for `commit_every`, and others join it."""
        self._timer = asyncio.get_running_loop().call_later(self.settings.commit_every_s, self._wake.set)

    def wake(self) -> None:
        """Commit now."""
        self._wake.set()

    async def saved(self, name: str, value: bytes) -> None:
        """Wait until this state is committed."""
        while self.states.get(name, (0, b""))[1] != value:
            await self._saved.wait()

    @property
    def pending(self) -> Pending:
        """What waits for its commit; after adding to it call `gathering` or `wake`."""
        return self._pending

    def gathering(self) -> None:
        """Something was added that may wait."""
        if self._timer is None:
            self.gather()

    # The task

    async def run(self) -> None:
        """Commit what is added, for ever. Cancelling it never stops a commit half-way."""
        while True:
            if self.store is None or self._broken is not None:
                await self._heal_or_wait()
                continue
            if self._salvage is not None and not self._wake.is_set():
                await self._salvage_step(self.store, self._salvage)
                continue
            await self._wake.wait()
            self._wake.clear()
            await self.commit()

    async def _salvage_step(self, store: Store, salvage: Salvage) -> None:
        """One slice of a damaged file; at its end, what could not be had from it is told, and then it is put away."""
        cursors = self.shelf.cursors
        over = self.bytes - self.settings.max_size
        try:
            slice_ = await store.call(salvage.step, cursors.gone.copy(), over)
            for run in slice_.found:
                cursors.find(*run, salvage.settled)
            if slice_.found:
                self.shelf.told()
            if not slice_.finished:
                return
            for report in salvage.missing(cursors.gone, self.options.uplinks, self.clock.now_ms()):
                self.report(report)
            await self.commit()
            if self._own or self._broken is not None:
                return  # the reports are not committed: the next start looks through the end of the file again
            salvage.close()
            await asyncio.to_thread(self._files.salvaged, salvage.path)
            await self._next_salvage(store)
        except (sqlite3.Error, OSError) as error:
            self.broke(error)

    async def _next_salvage(self, store: Store) -> None:
        """The oldest damaged file that is still to be looked through."""
        self._salvage = None
        waiting = await asyncio.to_thread(self._files.aside, DAMAGED)
        if waiting:
            progress = self.states.get(SALVAGE, (0, None))[1]
            self._salvage = await asyncio.to_thread(Salvage, waiting[0], self.origin, progress)
            logger.warning("salvaging batches from %s", waiting[0])

    async def _heal_or_wait(self) -> None:
        try:
            await self.heal()
        except LogError as error:  # another file than ours lies there now; it may be put right
            self._trouble(error)
        if self.store is None:
            # a real wait: nothing tells when a disk has space again
            await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S)) - 1])

    async def heal(self) -> None:
        """Open the log, or open it again after an error. A disk's trouble is noted; raises LogError."""
        damage = isinstance(self._broken, sqlite3.Error) and is_damage(self._broken)
        if self.store is not None:
            store, self.store = self.store, None
            self.ready.clear()
            self._written_before = self.written_bytes
            await store.abandon()
        running = self.end if self._opened else None
        try:
            await asyncio.to_thread(self._lock.take)
            opening = await open_store(
                self._files, self._mark, self._wal_bytes, self.options.gateway, self.options.boot,
                self.clock.now_ms(), running, str(self._broken) if damage else "",
            )  # fmt: skip
            try:
                held = await opening.store.call(reader.held)
                before = self._mark_at_opening(opening)
                await asyncio.to_thread(self._mark.write, before, durable=True)
            except BaseException:
                await opening.store.abandon()
                raise
        except (sqlite3.Error, OSError) as error:
            self._trouble(error)
            return
        self._adopt(opening, held, before)
        try:
            if self._salvage is not None:
                self._salvage.close()
            await self._next_salvage(opening.store)
        except OSError as error:
            logger.warning("a damaged log cannot be read now, its batches stay in it: %s", error)
        self._broken = None
        self._failures = 0
        self.ready.set()
        self._wake.set()

    def _trouble(self, error: Exception) -> None:
        self._failures += 1
        text = f"{type(error).__name__}: {error}"
        if self.trouble is None:
            logger.warning("the log cannot be written: %s; readings are kept in memory meanwhile", text)
        self.trouble = text

    def broke(self, error: Exception) -> None:
        """The store failed: it is opened anew before anything else."""
        if self._broken is None:
            self._broken = error
            self._wake.set()

    def _mark_at_opening(self, opening: Opening) -> Noted:
        """The newest batch; before a stream's first one, a mark with which the next start would begin it anew."""
        newest, noted, boot = opening.standing.newest, opening.noted, self.options.boot
        if opening.reason is None and newest is not None:
            return Noted(True, newest.stream, newest.seq, newest.position, boot)
        if newest is not None and noted is not None and noted.position > newest.position:
            return replace(noted, running=True)  # it knows of batches that are missing
        return Noted(True, "", 0, newest.position if newest else int(opening.origin["begins"]) - 1, boot)

    def _adopt(self, opening: Opening, held: list[tuple[int, str]], before: Noted) -> None:
        """Go on from what was found."""
        standing, newest = opening.standing, opening.standing.newest
        attempt, self._attempt = self._attempt, None
        self.origin = opening.origin
        position = newest.position if newest else int(opening.origin["begins"]) - 1
        self.states = standing.states
        gone, settled = _runs(standing.states, GONE), {}
        for name in self.options.uplinks:
            settled[name] = _runs(standing.states, CURSOR + name)
        if standing.oldest_position:
            gone.add(1, standing.oldest_position - 1)
        self.turns = read_turns(standing.states[TURNS][1]) if TURNS in standing.states else []
        self.shelf.load(max(position, self.shelf.newest), gone, settled)
        if attempt is not None:
            if opening.reason is None and self._is_there(attempt, position, standing.held):
                self._settle_attempt(attempt)
            else:
                self._return(attempt)
        if opening.reason is not None:
            self._begin(position, opening)
        elif newest is not None:
            self.end = End(newest.position, newest.stream, newest.seq, digest(newest.body), newest.created_ms)
        if not self._opened:
            self.last_before_ms = newest.created_ms if newest else 0
            self.holding = Holding(
                self.clock, self.options.hold_s, self.options.hold_until, self.options.release_ms,
                newest.created_ms if newest else None,
            )  # fmt: skip
        self._releases.load(held)
        self._before = before
        self._opened = True
        self.store = opening.store
        self._states_saved()

    def _begin(self, position: int, opening: Opening) -> None:
        """A new stream; its first event says why."""
        newest = opening.standing.newest
        created_ms = newest.created_ms if newest is not None else 0
        self.end = End(position, new_stream(self.clock.now_ms()), 0, FIRST_PREV, created_ms)
        self._started = {"reason": opening.reason, "previous": opening.previous}
        logger.info("stream %s begins: %s", self.end.stream, opening.reason)
        self._tell_tail(opening)

    def _tell_tail(self, opening: Opening) -> None:
        """Batches that the mark knows and the file has not; those of a file moved aside are told after its salvage."""
        noted, newest, uplinks = opening.noted, opening.standing.newest, self.options.uplinks
        if noted is None or not noted.seq or self._files.aside(DAMAGED) or not uplinks:
            return
        first, from_ms = 1, began_ms(noted.stream)
        if newest is not None:
            if newest.stream != noted.stream or newest.seq >= noted.seq:
                return
            first, from_ms = newest.seq + 1, newest.created_ms
        now, lost = self.clock.now_ms(), noted.seq - first + 1
        self.report(Report(noted.stream, first, noted.seq, lost, from_ms, max(now, from_ms), uplinks, "damage"))

    def _noted(self, running: bool) -> Noted:
        """The mark for the newest batch."""
        if self.end.seq == 0:
            return self._before
        return Noted(running, self.end.stream, self.end.seq, self.end.position, self.options.boot)

    # Committing

    async def commit(self, final: bool = False) -> None:
        """Commit what is pending; what is added meanwhile waits for the next time."""
        if self.committing is not None and not self.committing.done():
            await asyncio.wait({self.committing})
        store = self.store
        if store is None or self._broken is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._name_refused(store)
            work = await self._release(store) or self._work(final)
        except (sqlite3.Error, OSError) as error:
            self.broke(error)
            return
        if not work:
            return
        self.committing = asyncio.create_task(self._execute(store, work), name="log commit")
        await asyncio.shield(self.committing)
        if self._urgent():
            self._wake.set()
        elif self._pending or self._aside:
            self.gathering()

    def _urgent(self) -> bool:
        return bool(
            self._own
            or self._pending.full
            or self._releases.due(self.holding)
            or any(segment.events for segment in self._pending.segments)
        )

    def _work(self, final: bool) -> Work:
        """Everything that waits, as far as one transaction takes it."""
        work = self._around(self._pending.take(TRANSACTION_WEIGHT), self.holding.state(), final)
        work.aside = self._aside.take(TRANSACTION_WEIGHT)
        return work

    async def _release(self, store: Store) -> Work | None:
        """The next held readings that are due; they go before anything newer."""
        if self._released is None:
            due = self._releases.due(self.holding)
            if not due or self._aside:
                return None
            rows = await store.call(reader.held_rows, due)
            self._released = self._releases.segments(rows, self.holding, self.entered)
            for damaged in self._released.damaged:
                self._own.append(Event(self.clock.now_ms(), "log.lost", {"reason": damaged}))
        work = self._around(self._released.segments, self._released.clock, final=False)
        work.released = self._released.ids
        return work

    def _around(self, segments: Sequence[Segment], state: ClockState, final: bool) -> Work:
        """The segments with what the log itself has to say and to save."""
        now_ms = self.clock.now_ms()
        events = list(self._own)
        self._own = []
        generated: list[Event] = []
        if self.end.seq == 0:
            generated.append(Event(now_ms, "log.started", self._started))
        elif self._checkpoint_due(bool(segments or events), final):
            generated.append(Event(now_ms, "log.checkpoint", self._checkpoint()))
        if self._pending.losses:
            self._losses, self._pending.losses = self._pending.losses, Losses()
            generated.append(Event(now_ms, "log.lost", self._losses.data(self.trouble or "memory")))
        states: dict[str, bytes | None] = {}
        if self.gone_changed:
            states[GONE] = self.shelf.cursors.gone.written()
            self.gone_changed = False
        if self._turned(now_ms):
            states[TURNS] = written_turns(self.turns)
        return Work(
            gateway=self.options.gateway,
            compression=self.settings.compression,
            boot=self.options.boot,
            end=self.end,
            created_ms=now_ms,
            clock=state.value,
            segments=segments,
            own=events,
            generated=generated,
            cursors=self.shelf.cursors.written(),
            states=states,
            room=self._wanted_room(now_ms),
            look=self.shelf.unknown(),
            give_back=self._give_back,
        )

    def _turned(self, now_ms: int) -> bool:
        """Whether the next batch begins a run of rising times."""
        position = self.end.position + 1
        if self.turns and (now_ms >= self.end.created_ms or self.turns[-1] == position):
            return False
        self.turns = [*self.turns, position][-MOST_TURNS:]
        return True

    def _checkpoint_due(self, something: bool, final: bool) -> bool:
        if self.signer is None:
            return False
        return final or (something and self.clock.monotonic() - self._checkpoint_s >= CHECKPOINT_S)

    def _checkpoint(self) -> dict[str, Any]:
        assert self.signer is not None
        end = self.end
        signature = self.signer.sign(checkpoint_text(self.options.gateway, end.stream, end.seq, end.head))
        return {"seq": end.seq, "head": end.head, "signature": signature, "key": self.signer.key}

    def _wanted_room(self, now_ms: int) -> Room | None:
        before_ms = 0
        if self.clock.monotonic() - self._age_checked_s >= AGE_CHECK_S and self.holding.state() is ClockState.SYNCED:
            before_ms = now_ms - int(self.settings.max_age_s * 1000)
        if not before_ms and self._room <= 0:
            return None
        cursors = self.shelf.cursors
        settled = {name: runs.copy() for name, runs in cursors.settled.items()}
        return Room(max(0, self._room), before_ms, settled, cursors.gone.copy(), self.shelf.newest)

    async def _execute(self, store: Store, work: Work) -> None:
        try:
            done = await store.call(commit, work, self._files, store.written)
        except (sqlite3.Error, OSError) as error:
            self._attempt = work
            self._trouble(error)
            self.broke(error)
            return
        self._apply(work, done)

    def _apply(self, work: Work, done: Done) -> None:
        """It is committed: show it."""
        self.end = done.end
        self._released_done(work)
        self._losses = Losses()
        for segment in work.segments:
            for name, value in segment.kept.items():
                self.states[KEPT + name] = (done.end.position, value)
        self._states_saved()
        for first, last in done.evicted.positions:
            self.shelf.cursors.lose(first, last)
        for counts in (done.evicted.delivered, done.evicted.undelivered):
            self.evicted_batches.update(counts)
        if work.room and work.room.before_ms and sum(done.evicted.delivered.values(), 0) < eviction.RUN_ROWS:
            self._age_checked_s = self.clock.monotonic()
        self.shelf.learn(done.created)
        self.shelf.put(done.batches)
        if any(event.kind == "log.checkpoint" for event in work.generated):
            self._checkpoint_s = self.clock.monotonic()
        self._measure(done)
        self._releases.put(done.held)
        for words in done.unwritable:
            logger.error("left out of the log, it is no JSON: %s", words)
        if self.trouble is not None:
            logger.warning("the log is written again (it was: %s)", self.trouble)
            self.trouble = None
        with contextlib.suppress(OSError):
            self._mark.write(self._noted(running=True), durable=False)

    def _states_saved(self) -> None:
        self._saved.set()
        self._saved = asyncio.Event()

    def _released_done(self, work: Work) -> None:
        if work.released and self._released is not None:
            self._releases.done(self._released)
            self._released = None

    def _measure(self, done: Done) -> None:
        self.last_commit_s = self.clock.monotonic()
        self.commit_seconds.observe(done.seconds)
        self.written_bytes = self._written_before + done.written
        self.bytes = done.bytes
        database = done.pages * PAGE_SIZE
        others = done.bytes - database
        used = database - done.free_pages * PAGE_SIZE
        bound = self.settings.max_size + (SALVAGE_BYTES if self._salvage is not None else 0)
        over = used + max(others, self._wal_bytes) - bound
        self._room = over + min(eviction.RUN_BYTES, self.settings.max_size // 64) if over > 0 else 0
        free = done.free_pages * PAGE_SIZE
        too_large = done.bytes > self.settings.max_size
        self._give_back = min(done.free_pages, 2048) if too_large or free > max(1 << 20, database // 4) else 0

    def _is_there(self, attempt: Work, newest: int, held: int) -> bool:
        """Whether the commit of unknown outcome is in the log; one without batches or held rows may be repeated."""
        if attempt.batches:
            return newest >= attempt.batches[-1].position
        return bool(attempt.aside) and held > self._releases.newest()

    def _settle_attempt(self, attempt: Work) -> None:
        """The commit of unknown outcome is there after all."""
        self._released_done(attempt)
        self._losses = Losses()
        self.shelf.put(attempt.batches)

    def _return(self, attempt: Work) -> None:
        """The commit of unknown outcome is not there: all of it waits again."""
        if not attempt.released:
            self._pending.put_back(attempt.segments)
        self._own = [*attempt.own, *self._own]
        self._pending.losses.join(self._losses)
        self._losses = Losses()
        self.shelf.cursors.changed.update(attempt.cursors)
        self.gone_changed = self.gone_changed or GONE in attempt.states
        self._aside.put_back(attempt.aside)

    async def _name_refused(self, store: Store) -> None:
        """Tell of batches that a broker refuses for good."""
        while self.refused:
            uplink, position, reason = self.refused[0]
            found = await store.call(reader.read, [(position, position)], 1)
            del self.refused[0]
            for batch in found.batches:
                made = batch.created_ms
                self.report(Report(batch.stream, batch.seq, batch.seq, 1, made, made, (uplink,), "refused"), reason)

    def release(self) -> None:
        """Opening failed: let others have the log."""
        self._mark.close()
        self._lock.release()

    async def close(self) -> None:
        """Commit what is left, with a signed checkpoint, and leave a mark that nothing is missing."""
        if self.committing is not None:
            await asyncio.wait({self.committing})
        if self.store is None or self._broken is not None:
            with contextlib.suppress(LogError):
                await self.heal()
        if self.store is not None:
            while (self._pending or self._own or self._aside) and self._broken is None:
                await self.commit()
            await self.commit(final=True)
        if self._timer is not None:
            self._timer.cancel()
        if self._salvage is not None:
            self._salvage.close()
            self._salvage = None
        store, self.store = self.store, None
        self.ready.clear()
        if store is not None:
            try:
                if self._broken is None:
                    await store.call(truncate)
                    await asyncio.to_thread(self._mark.write, self._noted(running=False), durable=True)
                await store.close()
            except (sqlite3.Error, OSError) as error:
                logger.warning("the log was not closed cleanly: %s", error)
                await store.abandon()
            store.written.end()
        self._mark.close()
        self._lock.release()


def _runs(states: Mapping[str, tuple[int, bytes]], name: str) -> Intervals:
    return Intervals.read(states[name][1]) if name in states else Intervals()
