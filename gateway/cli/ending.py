"""How a command that serves until told otherwise is told."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_interrupted() -> None:
    """Return at Ctrl-C, at SIGTERM, and when the terminal is closed (unless `nohup` says to go on)."""
    told = asyncio.Event()
    with _told_by_signals(told.set):
        await told.wait()


async def ended_early(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` to its end, or until told to stop: then it is cancelled and may clean up in peace.

    True when it was told. Whatever `work` raises is raised.
    """
    told = asyncio.Event()
    task = asyncio.create_task(work, name="work")

    def stop() -> None:
        if not told.is_set():  # Ctrl-C pressed again does not cut the cleaning up short
            told.set()
            task.cancel()

    with _told_by_signals(stop):
        try:
            await task
        except asyncio.CancelledError:
            if not told.is_set():
                raise
    return told.is_set()


@contextmanager
def _told_by_signals(tell: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [one for one in ENDINGS if not (deaf and one is signal.SIGHUP)]
    for number in numbers:
        loop.add_signal_handler(number, tell)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
