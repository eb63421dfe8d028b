"""The clocks, passed in wherever time is read so that tests can turn them."""

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gateway.reading import Event

if TYPE_CHECKING:
    import ctypes


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


RELEASE_MS = 1_795_478_400_000
"""When this release was made (2026-11-24): a wall clock before it is certainly wrong."""
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file at its first synchronisation after a boot."""
STATE_EVERY_S = 10.0
"""How often everybody is asked who may know; while the clock is not confirmed the kernel and timesyncd every second."""
CHRONYC_LIMIT_S = 2.0
_STA_UNSYNC = 0x0040
"""adjtimex(2): the clock is not synchronised."""
_TIME_ERROR = 5
"""Return value of adjtimex(2) for the same."""


class SystemClock:
    """The machine's clocks. `state()` is what was found out last; `look` finds out and may take seconds."""

    def __init__(self, last_batch_ms: int = 0) -> None:
        self.steps = 0
        self._earliest_ms = last_batch_ms
        self._synced: bool | None = None
        self._confirmed = False

    def now_ms(self) -> int:
        """UTC in ms since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since boot, suspended time included; never steps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def state(self) -> ClockState:
        """By the rule of contract.md §2 `clock`."""
        now_ms = self.now_ms()
        if now_ms < RELEASE_MS:
            return ClockState.UNSET
        if self._synced:
            return ClockState.SYNCED
        # before the last batch in the log, and never confirmed since the start: a clock without a battery
        if not self._confirmed and now_ms < self._earliest_ms:
            return ClockState.UNSET
        self._earliest_ms = 0  # it has been right; if it is set back from here on, that is a step while running
        return ClockState.HOLDOVER

    def not_before(self, last_batch_ms: int) -> None:
        """Tell when the last batch in the log was made: an unconfirmed clock before that is wrong."""
        self._earliest_ms = last_batch_ms

    async def look(self) -> None:
        """Ask whoever may know whether the clock is synchronised."""
        known = machine_synced()
        if known is not True and (chrony := await chrony_synced()) is not None:
            known = chrony
        self._learn(known)

    def glance(self) -> None:
        """Ask those who answer at once; only good news counts."""
        if machine_synced():
            self._learn(True)

    def _learn(self, known: bool | None) -> None:
        self._synced = known
        self._confirmed = self._confirmed or bool(known)


def machine_synced() -> bool | None:
    """What the kernel or timesyncd's mark says; None where neither does. Neither blocks: /run is memory."""
    known = kernel_synced()
    return True if known is not True and TIMESYNCD_MARK.exists() else known


def kernel_synced() -> bool | None:
    """What adjtimex(2) says; None where it may not be asked (the hardened unit forbids it)."""
    import ctypes

    buffer = (ctypes.c_char * 512)()  # struct timex is about 208 bytes; modes 0 in its first field: only read
    answer = _c_library().adjtimex(buffer)
    if answer < 0:
        return None
    # struct timex: unsigned modes; long offset, freq, maxerror, esterror; int status
    long = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, long + 4 * long).value
    return answer != _TIME_ERROR and not status & _STA_UNSYNC


@cache
def _c_library() -> "ctypes.CDLL":
    """Loaded once: a handle for each question costs more than the question."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


async def chrony_synced() -> bool | None:
    """What chrony says (`chronyc -c tracking`); None where there is none."""
    import shutil

    if (program := shutil.which("chronyc")) is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program, "-c", "tracking", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(CHRONYC_LIMIT_S):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    fields = out.decode("ascii", "replace").strip().split(",")
    # the last field is the leap status: Normal, Insert second, Delete second, Not synchronised
    return fields[-1] != "Not synchronised" if process.returncode == 0 and len(fields) > 1 else None


STEP_MS = 250
"""A jump of the wall against the boot clock that is a step; slewing moves it by at most 0.5 ms a second."""
WATCH_EVERY_S = 1.0


class ClockWatch:
    """Notices steps and changes of state, and tells them as events."""

    def __init__(self, clock: SystemClock, tell: Callable[[Event], None]) -> None:
        self._clock = clock
        self._tell = tell

    async def run(self) -> None:
        """Watch until cancelled."""
        clock = self._clock
        offset_ms = self._offset_ms()
        state = clock.state()
        if state is ClockState.UNSET:
            self._tell(Event(clock.now_ms(), "clock.unset", {}, level="warning"))
        looked_s = clock.monotonic()
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            found_ms = self._offset_ms()
            by_ms, offset_ms = found_ms - offset_ms, found_ms
            stepped = abs(by_ms) >= STEP_MS
            if stepped:
                clock.steps += 1
                self._tell(Event(clock.now_ms(), "clock.stepped", {"by_ms": by_ms}, level="warning"))
            if stepped or clock.monotonic() - looked_s >= STATE_EVERY_S:
                looked_s = clock.monotonic()
                await clock.look()
            elif state is not ClockState.SYNCED:
                clock.glance()
            if (now := clock.state()) is not state:
                state = now
                self._tell(Event(clock.now_ms(), f"clock.{now.value}", {}, level=_LEVELS[now]))

    def _offset_ms(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic() * 1000)


_LEVELS = {ClockState.SYNCED: "info", ClockState.HOLDOVER: "info", ClockState.UNSET: "warning"}
