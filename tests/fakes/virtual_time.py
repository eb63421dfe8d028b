"""An event loop whose clock jumps to the next timer when nothing else is to do: a week passes in a second."""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.clock import ClockState

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set")
        # a hair beyond the timer: one that fires before its millisecond, by rounding, would be set again for ever
        self.now = math.ceil((self.now + timeout) * 1e6) / 1e6 + 2e-7
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Real sockets do not belong here: their peers live in real time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualClock:
    """Wall time that follows the running loop's virtual time, `offset_ms` ahead; set `offset_ms` to step it."""

    def __init__(self, offset_ms: int = 1_764_000_000_000) -> None:
        self.offset_ms = offset_ms
        self.known = ClockState.SYNCED
        self.steps = 0

    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000) + self.offset_ms

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def state(self) -> ClockState:
        return self.known
