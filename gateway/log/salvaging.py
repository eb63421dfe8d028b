"""The damaged files that are still to be looked through, one after the other, the oldest first."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.log.eviction import Report
from gateway.log.files import DAMAGED, Files
from gateway.log.opening import ORIGIN, save_all
from gateway.log.salvage import STATE, Salvage
from gateway.log.shelf import Shelf
from gateway.log.store import Store

logger = logging.getLogger("fieldgate.log")


class Salvaging:
    """Steps between commits; what is found goes to the shelf. `origin` is that of the log's file."""

    def __init__(self, files: Files, shelf: Shelf, uplinks: Sequence[str], max_size: int) -> None:
        self.origin: Mapping[str, Any] = {}
        self._files = files
        self._shelf = shelf
        self._uplinks = tuple(uplinks)
        self._max_size = max_size
        self._current: Salvage | None = None
        self._told: Path | None = None  # the file whose missing batches wait to be told
        self._found = 0

    @property
    def active(self) -> bool:
        """Whether a damaged file is being looked through."""
        return self._current is not None

    async def take_up(self, origin: Mapping[str, Any], states: Mapping[str, tuple[int, bytes]]) -> None:
        """Begin with the oldest damaged file, where `states` say it was left. Raises OSError."""
        self.close()
        self.origin = origin
        waiting = await asyncio.to_thread(self._files.aside, DAMAGED)
        if waiting:
            self._current = await asyncio.to_thread(Salvage, waiting[0], origin, states.get(STATE, (0, None))[1])
            self._found = 0
            logger.warning("salvaging batches from %s", waiting[0])

    async def step(self, store: Store) -> Sequence[Report] | None:
        """One slice. At the end of a file what could not be had from it, to be told before `finish`; None before.

        Raises sqlite3.Error, OSError.
        """
        salvage, cursors = self._current, self._shelf.cursors
        assert salvage is not None
        over = await asyncio.to_thread(self._files.bytes) - self._max_size
        slice_ = await store.call(salvage.step, cursors.gone.copy(), over)
        self._shelf.found(slice_.found, salvage.settled)
        self._found += slice_.found.total
        if not slice_.finished:
            return None
        if self._told == salvage.path:  # told once by this process, whether or not it is committed yet
            return ()
        self._told = salvage.path
        return await store.call(salvage.missing, cursors.gone.copy(), self._uplinks)

    async def finish(self, store: Store) -> None:
        """What was missing is told: put the file away. Raises sqlite3.Error, OSError."""
        salvage = self._current
        assert salvage is not None
        logger.warning("%s is looked through: %d batches are in the log again", salvage.path, self._found)
        if salvage.since_ms and salvage.since_ms < self.origin.get("since", 0):
            self.origin = {**self.origin, "since": salvage.since_ms}
            await store.call(save_all, {ORIGIN: orjson.dumps(self.origin)})
        self.close()
        await asyncio.to_thread(self._files.salvaged, salvage.path)

    def close(self) -> None:
        """Let the file go; the next start takes it up where it was left."""
        if self._current is not None:
            self._current.close()
            self._current = None
