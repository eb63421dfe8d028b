"""What the disk does to the log: whether the log must be opened anew, how long to wait, whether its file is damaged."""

import logging

from gateway.clock import Clock
from gateway.log.database import is_damage, is_unreadable

logger = logging.getLogger("fieldgate.log")

RETRY_S = (0.1, 0.2, 0.5, 1.0)
"""Waits between attempts while the disk fails; the last is repeated."""

UNREADABLE_S = 60.0
UNREADABLE_TIMES = 3
"""So often within that time reading fails before the place is given up as damaged."""


class Faults:
    """`trouble`: what commits fail with. `broken`: the log must be opened anew; `damaged`: its file is moved aside."""

    def __init__(self, clock: Clock) -> None:
        self.trouble: str | None = None
        self.broken = False
        self.damaged = False
        self._clock = clock
        self._failures = 0
        self._unread_s: list[float] = []

    def broke(self, error: Exception) -> None:
        """Whether anything of the log can be believed is unknown until it is open again."""
        self.broken = True
        self._failures += 1
        if is_unreadable(error):
            now_s = self._clock.monotonic()
            self._unread_s = [*(at for at in self._unread_s if now_s - at < UNREADABLE_S), now_s]
            if len(self._unread_s) >= UNREADABLE_TIMES:
                self.damaged = True
        elif is_damage(error):
            if not self.damaged:
                logger.warning("the log is damaged: %s", error)
            self.damaged = True

    def failed(self, error: Exception) -> None:
        """Something could not be written, or the log not be opened."""
        self.broke(error)
        text = f"{type(error).__name__}: {error}"
        if self.trouble is None:
            logger.warning("the log cannot be written: %s; readings are kept in memory meanwhile", text)
        self.trouble = text

    def opened(self) -> None:
        """The log is open. Whether it can be written will be seen."""
        if self.damaged:
            self._unread_s = []
        self.broken = self.damaged = False

    def recovered(self) -> None:
        """It was written."""
        self._failures = 0
        if self.trouble is not None:
            logger.warning("the log is written again (it was: %s)", self.trouble)
            self.trouble = None

    @property
    def wait_s(self) -> float:
        """How long to wait before the next attempt."""
        return RETRY_S[min(self._failures, len(RETRY_S)) - 1] if self._failures else 0.0
