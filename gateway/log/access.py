"""Questions to the database from beside the writer: asked again over its faults, and what is missing is told."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from gateway.log import reader
from gateway.log.database import FAULTS
from gateway.log.eviction import Report
from gateway.log.row import Damaged
from gateway.log.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class Access:
    """To the database that `writer` has open."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._shelf = writer.shelf

    async def read(self, runs: Sequence[tuple[int, int]], limit: int) -> reader.Found | None:
        """What is on disk; None if it must be asked again."""
        found = await self.ask(reader.read, runs, limit)
        return None if found is not None and found.bad and await self.changing() else found

    async def ask(
        self, job: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """What the database says; None if it must be asked again."""
        if not self._writer.running and (self._writer.store is None or self._writer.faults.broken):
            await self._writer.heal_or_wait()  # before `run` nobody else does
        else:
            await self._writer.ready.wait()
        store = self._writer.store
        if store is None:
            return None
        try:
            return await store.call(job, *args, **kwargs)
        except FAULTS as error:
            if store is self._writer.store:
                self._writer.broke(error)
                self._writer.ready.clear()
            return None

    async def changing(self) -> bool:
        """Whether a commit was under way, which may have evicted what was asked for; it is over now."""
        committing = self._writer.committing
        if committing is None:
            return False
        await asyncio.wait({committing})
        return True

    async def missing(self, found: reader.Found) -> None:
        """Batches that are not there as they were written: never handed out, and told as evicted by damage. Where
        rows are missing the tree is damaged, which may still lead elsewhere: all of the file is looked through."""
        cursors, store = self._shelf.cursors, self._writer.store
        if absent := [run for wanted in found.absent for run in cursors.gone.gaps(*wanted)]:
            self._writer.broke(Damaged(f"no batches at positions {absent[0][0]} to {absent[0][1]}"))
            self._writer.ready.clear()
            return
        runs = [run for wanted in found.bad for run in cursors.gone.gaps(*wanted)]
        if store is None or not runs:
            return
        try:
            names = await store.call(reader.names, runs)
        except FAULTS as error:
            self._writer.broke(error)
            return
        lacking = [name for name, settled in cursors.settled.items() if any(any(settled.gaps(*run)) for run in runs)]
        for run in runs:
            cursors.lose(*run)
        self._writer.commits.gone_changed = True
        cursors.changed.update(cursors.settled)
        for name in names:
            count = name.last - name.first + 1
            self._writer.report(
                Report(
                    name.stream,
                    name.first,
                    name.last,
                    count,
                    name.from_ms,
                    name.to_ms,
                    tuple(sorted(lacking)),
                    "damage",
                )
            )
