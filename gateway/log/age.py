"""How old batches are, by the time that this machine has demonstrably been running.

A wall clock that says "synchronised" may still be years ahead, and what left the log for its age does not come back.
So no wall clock counts: a batch's age is what the boot clock has run since it was committed, over all processes of a
boot, and over boots as far as it was saved. Time in which the machine was off does not count; the log then keeps
its batches longer, within its bound in bytes.

`marks` say which batches there were after how much running: (position, running time), rising.
"""

import logging
from collections.abc import Mapping

import orjson

from gateway.clock import Clock

AGE = "age"
"""State: the running time so far, on which boot clock it was read, and the marks."""
FINE = 128
"""Marks within `max_age`: a batch stays at most that part of it too long."""
SAVE_EVERY_S = 3600.0
"""Running time that a power cut may take from the account: batches then stay so much longer."""

logger = logging.getLogger("fieldgate.log")


class Age:
    """The account of one log. `boot` is this boot's id, "" where there is none."""

    def __init__(self, max_age_s: float, clock: Clock, boot: str) -> None:
        self._max_ms = round(max_age_s * 1000)
        self._clock = clock
        self._boot = boot
        self._began_ms = self._boot_ms()  # the running time is the boot clock's, less this
        self._marks: list[tuple[int, int]] = []
        self._loaded = False
        self._saved_ms: int | None = None

    def load(self, states: Mapping[str, tuple[int, bytes]]) -> None:
        """Go on from what the log's file says. What this process knows already is newer."""
        if self._loaded:
            self._saved_ms = None  # the file may be another one
            return
        self._loaded = True
        if AGE not in states:
            return
        try:
            said = orjson.loads(states[AGE][1])
            ran_ms, at_ms = int(said["ran"]), int(said["at"])
            self._marks = [(int(position), int(ran)) for position, ran in said["marks"]]
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("how old the batches of the log are is not known, their age counts from now: %s", error)
            return
        same_boot = bool(self._boot) and said["boot"] == self._boot
        self._began_ms = (at_ms if same_boot else self._boot_ms()) - ran_ms

    @property
    def ran_ms(self) -> int:
        """The running time so far."""
        return max(0, self._boot_ms() - self._began_ms)

    def due(self) -> None:
        """Save it with the next commit."""
        self._saved_ms = None

    def to_save(self, newest: int) -> bytes | None:
        """What the next commit is to save, None while the file knows enough; `newest` is the newest position."""
        now_ms = self.ran_ms
        apart_ms = self._max_ms // FINE
        if not self._marks or (newest > self._marks[-1][0] and now_ms - self._marks[-1][1] >= apart_ms):
            self._marks.append((newest, now_ms))
        elif self._saved_ms is not None and now_ms - self._saved_ms < 1000 * SAVE_EVERY_S:
            return None
        old = self.old()
        self._marks = [mark for mark in self._marks if mark[0] >= old]
        self._saved_ms = now_ms
        said = {"ran": now_ms, "boot": self._boot, "at": self._boot_ms(), "marks": self._marks}
        return orjson.dumps(said)

    def old(self) -> int:
        """Position up to which batches are older than `max_age`, 0 if none is."""
        until_ms = self.ran_ms - self._max_ms
        return max((position for position, ran_ms in self._marks if ran_ms <= until_ms), default=0)

    def _boot_ms(self) -> int:
        return round(self._clock.monotonic() * 1000)
