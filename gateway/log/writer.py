"""The writer: the only task that writes to the log. It gathers, commits, and heals what the disk does to it.

idle ── something added ──► gathering ── commit_every, an event, a full batch ──► commit ──► idle
                                                                                   │ error: outcome unknown
commit again, or not ◄── is it there? ◄── complete checkpoint ◄── reopen ◄─────────┘

A commit after `commit_every` needs no task: the timer begins it, one visit to the database's thread makes it, and what
that brings back shows it. The task sleeps meanwhile; it does whatever must be awaited (docs/performance.md).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from drivers.measure import Histogram
from gateway.clock import Clock, ClockState
from gateway.errors import LogError
from gateway.log import checkpoints, reader
from gateway.log.age import AGE, Age
from gateway.log.checkpoints import Checkpoints
from gateway.log.database import FAULTS, truncate
from gateway.log.eviction import Report
from gateway.log.faults import Faults
from gateway.log.files import DAMAGED, Files
from gateway.log.gathering import Pending, Segment
from gateway.log.holding import Holding
from gateway.log.intervals import Intervals
from gateway.log.lock import Lock
from gateway.log.mark import Mark, Noted
from gateway.log.opening import Opening, mark_at_opening, missing_tail, open_store, saved_until_ms
from gateway.log.options import LogSettings, Options, Signer
from gateway.log.salvaging import Salvaging
from gateway.log.shelf import Shelf
from gateway.log.store import Store
from gateway.log.tail import Tail
from gateway.log.telling import Telling
from gateway.log.times import TURNS, written_turns
from gateway.log.upkeep import Upkeep
from gateway.log.waiting import Waiting
from gateway.log.work import CURSOR, GONE, KEPT, Done, Work, commit
from gateway.reading import Event, Reading

logger = logging.getLogger("fieldgate.log")

TRANSACTION_WEIGHT = 4 << 20
"""Content of one transaction at most, so that a long wait is worked off in steps and the WAL stays small."""

PROMPT_S = 0.02
"""A `commit_every` up to this asks for speed, not for fewer writes. A longer one is waited for in full: otherwise few
readings a second would make twice as many commits."""

MOST_TOLD = 500
"""Events of the log itself in one batch: some 100 KiB, which every broker accepts."""

COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _ignore(reading: Reading) -> None:
    """Nobody has asked to be told."""


class Writer:
    """State and counters of the log; `Log` is its face."""

    def __init__(self, settings: LogSettings, options: Options, clock: Clock, signer: Signer | None) -> None:
        self.settings, self.options, self.clock = settings, options, clock
        self.commit_seconds = Histogram(COMMIT_BOUNDS_S)
        self.last_commit_s = clock.monotonic()
        self.last_before_ms = 0
        self.faults = Faults(clock)
        self.opened_at = 0  # position of the newest batch at the opening
        self.opened = asyncio.Event()  # for the first time
        self.entered: Callable[[Reading], None] = _ignore
        self.lost: Callable[[Reading], None] = _ignore

        self.telling = Telling(clock)
        self.waiting = Waiting(options, clock, self.telling, lambda reading: self.lost(reading))
        self.upkeep = Upkeep(settings, clock)
        self.age = Age(settings.max_age_s, clock, options.boot)
        self.shelf = Shelf(options.uplinks)
        self.tail = Tail(options.boot)
        self.states: dict[str, tuple[int, bytes]] = {}
        self.store: Store | None = None
        self.ready = asyncio.Event()  # the store is open
        self.committing: asyncio.Future[Any] | None = None
        self.gone_changed = False
        self.holding = Holding(clock, options.hold_s, options.hold_until, options.release_ms, None)

        self._files = Files(Path(settings.path))
        self.salvaging = Salvaging(self._files, self.shelf, options.uplinks, settings.max_size)
        self._lock, self._mark = Lock(self._files.lock), Mark(self._files.mark)
        self._attempt: Work | None = None  # the last commit, while its outcome is unknown
        self._opened = False
        self.running = False
        self._carried: dict[str, tuple[int, bytes]] = {}  # kept state that the file does not have yet
        self._until_ms = 0
        self._seal_wanted = False
        self._sealed = 0  # position of a batch that holds a checkpoint and nothing that needs another
        self._wake = asyncio.Event()
        self._asleep = False  # the task waits for `_wake`
        self._failure: Exception | None = None  # of a commit without the task, unexpected
        self._timer: asyncio.TimerHandle | None = None
        self._begun_s = 0.0  # loop time of the last commit's begin
        self._checkpoints = Checkpoints(options.gateway, signer, clock)

    # Gathering

    def add(self, reading: Reading) -> None:
        """Into the batch being gathered, or aside while the time is not known."""
        if self.holding.active and not self.holding.ends():
            self.waiting.aside.add(reading)
        else:
            self.pending.add(reading)
            self.entered(reading)
        if self.pending.full:
            self._wake.set()
        elif self._timer is None:
            self.gather()

    def report(self, report: Report) -> None:
        """Batches are gone for some uplinks: say so at once."""
        self.telling.report(report)
        self._wake.set()

    def gather(self) -> None:
        """The first thing after a commit: it waits for `commit_every`, and others join it. Where that is short it
        counts from the commit before, so that what comes after a pause waits for nothing."""
        loop = asyncio.get_running_loop()
        wait_s = self.settings.commit_every_s
        if wait_s <= PROMPT_S:
            wait_s = max(0.0, min(wait_s, self._begun_s + wait_s - loop.time()))
        self._timer = loop.call_later(wait_s, self._due)

    def wake(self) -> None:
        """Commit now."""
        self._wake.set()

    def matters_until(self, ms: int) -> None:
        """What is kept with the next commit matters until then, also if the log's file is lost."""
        self._until_ms = max(self._until_ms, ms)

    def seal(self) -> None:
        """Sign what is committed by now; the checkpoint is committed at once."""
        self._seal_wanted = True
        self._wake.set()

    @property
    def pending(self) -> Pending:
        """What waits for its commit; after adding to it call `gathering` or `wake`."""
        return self.waiting.pending

    def gathering(self) -> None:
        """Something was added that may wait."""
        if self._timer is None:
            self.gather()

    # The task

    async def run(self) -> None:
        """Commit what is added, for ever. Cancelling it never stops a commit half-way."""
        self.running = True
        try:
            await self._run()
        finally:
            self.running = False

    async def _run(self) -> None:
        while True:
            if self.store is None or self.faults.broken:
                await self.heal_or_wait()
                continue
            if self.salvaging.active and not self._wake.is_set():
                await self._salvage_step(self.store)
                continue
            self._asleep = True
            try:
                await self._wake.wait()
            finally:
                self._asleep = False
            self._wake.clear()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            await self.commit()

    async def _salvage_step(self, store: Store) -> None:
        """One slice of a damaged file; at its end, what could not be had from it is told, and then it is put away."""
        try:
            missing = await self.salvaging.step(store)
            self.faults.recovered()
            if missing is None:
                return
            for report in missing:
                self.report(report)
            while self.telling.events and not self.faults.broken:
                await self.commit()
            if self.faults.broken:
                return  # the reports may not be committed: they wait, and the end of the file is looked at again
            await self.salvaging.finish(store)
            await self.salvaging.take_up(self.salvaging.origin, self.states)
        except FAULTS as error:
            self.faults.failed(error)

    async def heal_or_wait(self) -> None:
        """One attempt to open the log anew, and after repeated failures the wait before the next."""
        try:
            await self.heal()
        except LogError as error:  # another file than ours lies there now; it may be put right
            self.faults.failed(error)
        await asyncio.sleep(self.faults.wait_s)  # a real wait: nothing tells when a disk has space again

    async def heal(self) -> None:
        """Open the log, or open it again after an error. A disk's trouble is noted; raises LogError."""
        await self._finished()
        if self.store is not None:
            store, self.store = self.store, None
            self.ready.clear()
            self.upkeep.reopened()
            await store.abandon()
        running = self.tail.end if self._opened else None
        try:
            await asyncio.to_thread(self._lock.take)
            opening = await open_store(
                self._files, self._mark, self.upkeep.wal_bytes, self.options.gateway, self.options.boot,
                self.clock.now_ms(), running, self.faults.damaged,
            )  # fmt: skip
            try:
                held = await opening.store.call(reader.held)
                since_s = await opening.store.call(reader.held_since, self.options.boot)
                before = mark_at_opening(opening, self.options.boot, self._saved_until_ms(opening))
                await asyncio.to_thread(self._mark.write, before, durable=True)
            except BaseException:
                await opening.store.abandon()
                raise
        except FAULTS as error:
            self.faults.failed(error)
            return
        self._adopt(opening, held, since_s, before)
        try:
            await self.salvaging.take_up(opening.origin, self.states)
        except OSError as error:
            logger.warning("a damaged log cannot be read now, its batches stay in it: %s", error)
        self.faults.opened()
        self.ready.set()
        self._wake.set()

    def _saved_until_ms(self, opening: Opening) -> int:
        if self._opened:
            return self.tail.saved_until_ms
        newest = opening.standing.newest
        believed_ms = max(self.clock.now_ms(), self.options.release_ms, newest.created_ms if newest else 0)
        return saved_until_ms(opening, believed_ms)

    def broke(self, error: Exception) -> None:
        """The store failed: it is opened anew before anything else."""
        self.faults.broke(error)
        self._wake.set()

    def _adopt(self, opening: Opening, held: list[tuple[int, str]], since_s: float | None, before: Noted) -> None:
        """Go on from what was found."""
        standing, newest = opening.standing, opening.standing.newest
        attempt, self._attempt = self._attempt, None
        position = opening.position
        if self._opened:  # a file made anew has no memory of what was kept
            kept = {name: state for name, state in self.states.items() if name.startswith(KEPT)}
            self._carried = {name[len(KEPT) :]: state for name, state in kept.items() if name not in standing.states}
            standing.states.update((name, state) for name, state in kept.items() if name not in standing.states)
        self.states = standing.states
        self.age.load(self.states)
        gone, settled = _runs(standing.states, GONE), {}
        for name in self.options.uplinks:
            settled[name] = _runs(standing.states, CURSOR + name)
        self.shelf.load(max(position, self.shelf.newest), gone, settled)
        if attempt is not None:
            if opening.reason is None and self.waiting.is_there(attempt, position, standing.held):
                self.waiting.committed(attempt)
                self.shelf.put(attempt.batches)
            else:
                self._put_back(attempt)
        self.tail.adopt(opening, before, self.clock.now_ms())
        if opening.reason is not None and not self._files.aside(DAMAGED):  # else it is told after the salvage
            for report in missing_tail(opening, self.options.uplinks, self.clock.now_ms()):
                self.report(report)
        if not self._opened:
            self.last_before_ms = newest.created_ms if newest else 0
            self.opened_at = self.shelf.newest
            self.holding = Holding(
                self.clock, self.options.hold_s, self.options.hold_until, self.options.release_ms,
                newest.created_ms if newest else None,
            )  # fmt: skip
            if since_s is not None:
                self.holding.resume(since_s, self.options.hold_s)
        self.waiting.releases.load(held)
        self._opened = True
        self.opened.set()
        self.store = opening.store

    # Committing

    def _due(self) -> None:
        """`commit_every` is over: commit without the task, if it has nothing to do first."""
        self._timer = None
        store = self.store
        if (
            store is None or self.faults.broken or self.committing is not None or not self._asleep
            or self._wake.is_set() or self.salvaging.active or self.telling.refused
            or self.waiting.releasing(self.holding) or self._until_ms > self.tail.saved_until_ms
        ):  # fmt: skip
            self._wake.set()
            return
        try:
            if work := self._gathered(final=False):
                self._begun_s = asyncio.get_running_loop().time()
                self.committing = store.begin(commit, work, self._files, store.written)
                self.committing.add_done_callback(partial(self._came, work))
        except Exception as error:
            self._unexpected(error)

    def _came(self, work: Work, outcome: "asyncio.Future[Done]") -> None:
        """What a commit without the task has come to."""
        self.committing = None
        try:
            self._apply(work, outcome.result())
        except FAULTS as error:
            self._failed(work, error)
            self._wake.set()
        except Exception as error:
            self._unexpected(error)
        else:
            self.faults.recovered()
            self._go_on()

    def _unexpected(self, error: Exception) -> None:
        """The task raises it."""
        self._failure = error
        self._wake.set()

    async def _finished(self) -> None:
        """Until the commit under way has come to something, and that is known here."""
        if self.committing is not None:
            await asyncio.wait({self.committing})

    async def commit(self, final: bool = False) -> None:
        """Commit what is pending; what is added meanwhile waits for the next time."""
        await self._finished()
        store = self.store
        if store is None or self.faults.broken:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self.telling.name_refused(store)
            work = await self._work(store, final)
        except FAULTS as error:
            self.broke(error)
            return
        if not work:
            return
        self._begun_s = asyncio.get_running_loop().time()
        committing = self.committing = asyncio.create_task(self._execute(store, work), name="log commit")
        await asyncio.shield(committing)
        self._go_on()

    def _go_on(self) -> None:
        """After a commit, with what was added meanwhile."""
        if self.waiting.urgent(self.holding):
            self._wake.set()
        elif self.waiting:
            self.gathering()

    async def _work(self, store: Store, final: bool) -> Work:
        """Everything that waits, as far as one transaction takes it. Raises sqlite3.Error."""
        released = await self.waiting.release(store, self.holding, self.entered)
        if released is not None:
            work = self._around(released.segments, released.clock, final=False)
            work.released = released.ids
            return work
        return self._gathered(final)

    def _gathered(self, final: bool) -> Work:
        work = self._around(self.pending.take(TRANSACTION_WEIGHT), self.holding.state(), final)
        work.aside = self.waiting.aside.take(TRANSACTION_WEIGHT)
        return work

    def _around(self, segments: Sequence[Segment], state: ClockState, final: bool) -> Work:
        """The segments with what the log itself has to say and to save."""
        now_ms = self.clock.now_ms()
        events = self.telling.take(MOST_TOLD)
        generated: list[Event] = []
        if self.tail.end.seq == 0:
            generated.append(Event(now_ms, "log.started", self.tail.started))
        elif self._checkpoints.due(bool(segments or events), final or self._seal_wanted):
            generated.append(Event(now_ms, checkpoints.KIND, self._checkpoints.data(self.tail.end)))
        if losses := self.waiting.take_losses():
            generated.append(Event(now_ms, "log.lost", losses.data(self.faults.trouble or "memory")))
        states: dict[str, bytes | None] = {}
        if self.gone_changed:
            states[GONE] = self.shelf.cursors.gone.written()
            self.gone_changed = False
        if self.tail.turned(now_ms):
            states[TURNS] = written_turns(self.tail.turns)
        if (age := self.age.to_save(self.shelf.newest)) is not None:
            states[AGE] = age
        return Work(
            gateway=self.options.gateway,
            compression=self.settings.compression,
            boot=self.options.boot,
            end=self.tail.end,
            created_ms=now_ms,
            clock=state.value,
            segments=segments,
            own=events,
            generated=generated,
            cursors=self.shelf.cursors.written(),
            states=states,
            carried=self._carried,
            room=self.upkeep.room(self.age, self.shelf.cursors, self.shelf.newest),
            look=self.shelf.unknown(),
            give_back=self.upkeep.give_back,
            look_at_files=self.upkeep.look_due(),
        )

    async def _execute(self, store: Store, work: Work) -> None:
        try:
            if self._until_ms > self.tail.saved_until_ms:  # the mark knows of it before anybody relies on it
                self.tail.saved_until_ms = self._until_ms
                await asyncio.to_thread(self._mark.write, self.tail.noted(running=True), durable=True)
            done = await store.call(commit, work, self._files, store.written)
        except FAULTS as error:
            self._failed(work, error)
        else:
            self._apply(work, done)
            self.faults.recovered()
        finally:
            self.committing = None

    def _failed(self, work: Work, error: Exception) -> None:
        """Nobody knows whether it is there until the log is open again."""
        self._attempt = work
        self.faults.failed(error)

    def _apply(self, work: Work, done: Done) -> None:
        """It is committed: show it."""
        self.tail.end = done.end
        self.waiting.committed(work)
        for segment, position in zip(work.segments, work.ends, strict=False):
            for name, value in segment.kept.items():
                self.states[KEPT + name] = (position, value)
        self._carried = {}
        for first, last in done.evicted.positions:
            self.shelf.cursors.lose(first, last)
        for counts in (done.evicted.delivered, done.evicted.undelivered):
            self.telling.gone.update(counts)
        self.shelf.learn(done.created)
        self.shelf.put(done.batches)
        if any(event.kind == checkpoints.KIND for event in work.generated):
            self._checkpoints.committed()
            self._seal_wanted = False
            self._sealed = done.end.position if not work.segments and not work.own else 0
        self.last_commit_s = self.clock.monotonic()
        self.commit_seconds.observe(done.seconds)
        self.upkeep.committed(work, done, self.salvaging.active)
        self.waiting.releases.put(done.held)
        for words in done.unwritable:
            logger.error("left out of the log, it is no JSON: %s", words)
        with contextlib.suppress(OSError):
            self._mark.write(self.tail.noted(running=True), durable=False)

    def _put_back(self, attempt: Work) -> None:
        """The commit of unknown outcome is not in the log: all of it waits again."""
        self.waiting.put_back(attempt)
        self.shelf.cursors.changed.update(attempt.cursors)
        self.gone_changed = self.gone_changed or GONE in attempt.states

    def release(self) -> None:
        """Opening failed: let others have the log."""
        self._mark.close()
        self._lock.release()

    async def close(self) -> None:
        """Commit what is left, with a signed checkpoint, and leave a mark that nothing is missing."""
        await self._finished()
        if self.store is None or self.faults.broken:
            with contextlib.suppress(LogError):
                await self.heal()
        if self.store is not None:
            while self.waiting and not self.faults.broken:
                await self.commit()
            self.age.due()
            await self.commit(final=self.tail.end.position != self._sealed)
        if self._timer is not None:
            self._timer.cancel()
        self.salvaging.close()
        store, self.store = self.store, None
        self.ready.clear()
        if store is not None:
            try:
                if not self.faults.broken:
                    await store.call(truncate)
                    await asyncio.to_thread(self._mark.write, self.tail.noted(running=False), durable=True)
                await store.close()
            except FAULTS as error:
                logger.warning("the log was not closed cleanly: %s", error)
                await store.abandon()
            store.written.end()
        self._mark.close()
        self._lock.release()


def _runs(states: Mapping[str, tuple[int, bytes]], name: str) -> Intervals:
    return Intervals.read(states[name][1]) if name in states else Intervals()
