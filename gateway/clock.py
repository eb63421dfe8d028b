"""The clocks, passed in wherever time is read so that tests can turn them."""

import time
from enum import StrEnum
from typing import Protocol


class ClockState(StrEnum):
    """How far the wall clock can be believed (contract.md §2 `clock`)."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSET = "unset"


class Clock(Protocol):
    """Wall time for stamps, monotonic time for waits; they are never mixed."""

    def now_ms(self) -> int:
        """UTC in ms since 1970."""

    def monotonic(self) -> float:
        """Seconds since boot, suspended time included; never steps."""

    def state(self) -> ClockState:
        """What is known of the wall clock now."""


def boot_seconds() -> float:
    """Seconds since boot by CLOCK_BOOTTIME, which runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
