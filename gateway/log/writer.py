"""The writer: the only task that writes to the log. It says when to commit, to open the log anew, to salvage, to close.

What a commit holds and changes is in commits.py, how the log is opened anew in healing.py.

idle ── something added ──► gathering ── commit_every, an event, a full batch ──► commit ──► idle
                                                                                   │ error: outcome unknown
commit again, or not ◄── is it there? ◄── complete checkpoint ◄── reopen ◄─────────┘

A commit after `commit_every` needs no task: the timer begins it, one visit to the database's thread makes it, and what
that brings back shows it. The task sleeps meanwhile; it does whatever must be awaited (docs/performance.md).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import LogError
from gateway.log.commits import Commits
from gateway.log.database import FAULTS, truncate
from gateway.log.eviction import Report
from gateway.log.faults import Faults
from gateway.log.files import Files
from gateway.log.gathering import Pending
from gateway.log.healing import Healing
from gateway.log.mark import Mark
from gateway.log.options import LogSettings, Options, Signer
from gateway.log.salvaging import Salvaging
from gateway.log.store import Store
from gateway.log.telling import Telling
from gateway.log.waiting import Waiting
from gateway.log.work import Done, Work, commit
from gateway.reading import Reading

logger = logging.getLogger("fieldgate.log")

PROMPT_S = 0.02
"""A `commit_every` up to this asks for speed, not for fewer writes. A longer one is waited for in full: otherwise few
readings a second would make twice as many commits."""


def _ignore(reading: Reading) -> None:
    """Nobody has asked to be told."""


class Writer:
    """The task and the timer that everything written to the log goes through; `Log` is the face of it all."""

    def __init__(self, settings: LogSettings, options: Options, clock: Clock, signer: Signer | None) -> None:
        self.settings = settings
        self.entered: Callable[[Reading], None] = _ignore
        self.lost: Callable[[Reading], None] = _ignore
        self.running = False
        self.store: Store | None = None
        self.ready = asyncio.Event()  # the store is open
        self.committing: asyncio.Future[Any] | None = None

        self.faults = Faults(clock)
        self.telling = Telling(clock)
        self.waiting = Waiting(options, clock, self.telling, lambda reading: self.lost(reading))
        self._files = Files(Path(settings.path))
        self._mark = Mark(self._files.mark)
        self.commits = Commits(settings, options, clock, signer, self.waiting, self.telling, self.faults, self._mark)
        self.shelf, self.tail, self.upkeep = self.commits.shelf, self.commits.tail, self.commits.upkeep
        self.healing = Healing(options, clock, self._files, self._mark, self.commits)
        self.holding = self.healing.holding(None)
        self.salvaging = Salvaging(self._files, self.shelf, options.uplinks, settings.max_size)

        self._until_ms = 0
        self._wake = asyncio.Event()
        self._asleep = False  # the task waits for `_wake`
        self._failure: Exception | None = None  # of a commit without the task, unexpected
        self._timer: asyncio.TimerHandle | None = None
        self._begun_s = 0.0  # loop time of the last commit's begin

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
        self.commits.seal_wanted = True
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
            await self.salvaging.take_up(self.salvaging.origin, self.commits.states)
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
        try:
            found = await self.healing.open()
        except FAULTS as error:
            self.faults.failed(error)
            return
        first = not self.healing.opened.is_set()
        self.healing.adopt(found)
        if first:
            self.holding = self.healing.holding(found)
        self.store = found.opening.store
        try:
            await self.salvaging.take_up(found.opening.origin, self.commits.states)
        except OSError as error:
            logger.warning("a damaged log cannot be read now, its batches stay in it: %s", error)
        self.faults.opened()
        self.ready.set()
        self._wake.set()

    def broke(self, error: Exception) -> None:
        """The store failed: it is opened anew before anything else."""
        self.faults.broke(error)
        self._wake.set()

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
            if work := self.commits.gathered(self.holding.state(), final=False):
                self._begun_s = asyncio.get_running_loop().time()
                self.committing = store.begin(commit, work, self._files, store.written)
                self.committing.add_done_callback(partial(self._came, work))
        except Exception as error:
            self._unexpected(error)

    def _came(self, work: Work, outcome: "asyncio.Future[Done]") -> None:
        """What a commit without the task has come to."""
        self.committing = None
        try:
            self.commits.show(work, outcome.result(), self.salvaging.active)
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
            return self.commits.releasing(released)
        return self.commits.gathered(self.holding.state(), final)

    async def _execute(self, store: Store, work: Work) -> None:
        try:
            if self._until_ms > self.tail.saved_until_ms:  # the mark knows of it before anybody relies on it
                self.tail.saved_until_ms = self._until_ms
                await asyncio.to_thread(self._mark.write, self.tail.noted(running=True), durable=True)
            done = await store.call(commit, work, self._files, store.written)
        except FAULTS as error:
            self._failed(work, error)
        else:
            self.commits.show(work, done, self.salvaging.active)
            self.faults.recovered()
        finally:
            self.committing = None

    def _failed(self, work: Work, error: Exception) -> None:
        """Nobody knows whether it is there until the log is open again."""
        self.commits.attempt = work
        self.faults.failed(error)

    def release(self) -> None:
        """Opening failed: let others have the log."""
        self.healing.release()

    async def close(self) -> None:
        """Commit what is left, with a signed checkpoint, and leave a mark that nothing is missing."""
        await self._finished()
        if self.store is None or self.faults.broken:
            with contextlib.suppress(LogError):
                await self.heal()
        if self.store is not None:
            while self.waiting and not self.faults.broken:
                await self.commit()
            self.commits.age.due()
            await self.commit(final=self.tail.end.position != self.commits.sealed)
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
        self.healing.release()
