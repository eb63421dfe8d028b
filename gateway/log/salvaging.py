"""The damaged files that are still to be looked through, one after the other, the oldest first."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.log.eviction import Report
from gateway.log.files import DAMAGED, Files
from gateway.log.salvage import STATE, Salvage
from gateway.log.shelf import Shelf
from gateway.log.store import Store

logger = logging.getLogger("fieldgate.log")


class Salvaging:
    """Steps between commits; what is found goes to the shelf."""

    def __init__(self, files: Files, shelf: Shelf, uplinks: Sequence[str], max_size: int) -> None:
        self._files = files
        self._shelf = shelf
        self._uplinks = tuple(uplinks)
        self._max_size = max_size
        self._current: Salvage | None = None

    @property
    def active(self) -> bool:
        """Whether a damaged file is being looked through."""
        return self._current is not None

    async def take_up(self, origin: Mapping[str, Any], states: Mapping[str, tuple[int, bytes]]) -> None:
        """Begin with the oldest damaged file, where `states` say it was left. Raises OSError."""
        self.close()
        waiting = await asyncio.to_thread(self._files.aside, DAMAGED)
        if waiting:
            self._current = await asyncio.to_thread(Salvage, waiting[0], origin, states.get(STATE, (0, None))[1])
            logger.warning("salvaging batches from %s", waiting[0])

    async def step(self, store: Store, log_bytes: int, now_ms: int) -> list[Report] | None:
        """One slice. At the end of a file what could not be had from it, to be told before `finish`; None before.

        Raises sqlite3.Error, OSError.
        """
        salvage, cursors = self._current, self._shelf.cursors
        assert salvage is not None
        slice_ = await store.call(salvage.step, cursors.gone.copy(), log_bytes - self._max_size)
        for run in slice_.found:
            cursors.find(*run, salvage.settled)
        if slice_.found:
            self._shelf.told()
        return salvage.missing(cursors.gone, self._uplinks, now_ms) if slice_.finished else None

    async def finish(self) -> None:
        """What was missing is told: put the file away. Raises OSError."""
        assert self._current is not None
        path = self._current.path
        self.close()
        await asyncio.to_thread(self._files.salvaged, path)

    def close(self) -> None:
        """Let the file go; the next start takes it up where it was left."""
        if self._current is not None:
            self._current.close()
            self._current = None
