"""What the outside asks of a running gateway: to stop, or to go on with another configuration."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from gateway.settings import SettingsError, Site

logger = logging.getLogger("fieldgate")


class Hindered(Exception):
    """The configuration cannot be changed now; the text says why."""


async def _none() -> None:
    return None


class Told:
    """SIGTERM and SIGINT end it, SIGHUP reads the site file again; a wrong file changes nothing."""

    def __init__(self, load: Callable[[], Site]) -> None:
        self._load = load
        self.ended = asyncio.Event()
        self.next_site: Site | None = None
        self.refused: Callable[[SettingsError], None] = lambda error: None
        self.hindrance: Callable[[], Awaitable[str | None]] = _none
        """Why no other configuration can take over now."""
        self._reloading: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, and give them back."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
            if self.ended.is_set():  # a second SIGTERM must not turn the clean end into a kill
                signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def reload(self) -> Site:
        """Read the site file; a wrong one raises SettingsError and changes nothing, a right one takes over.

        Raises Hindered while that would lose something.
        """
        if (why := await self.hindrance()) is not None:
            raise Hindered(why)
        site = await asyncio.to_thread(self._load)
        if not self.ended.is_set():
            self.next_site = site
            self.ended.set()
        return site

    def take_next(self) -> Site | None:
        """The configuration to go on with, once; None means to end."""
        site, self.next_site = self.next_site, None
        if site is not None:
            self.ended.clear()
        return site

    def _end(self) -> None:
        self.next_site = None
        self.ended.set()

    def _hang_up(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reload_told(), name="reload")

    async def _reload_told(self) -> None:
        try:
            await self.reload()
        except Hindered as error:
            logger.error("the configuration is not loaded now: %s", error)
        except SettingsError as error:
            for problem in error.problems:
                logger.error("%s", problem)
            logger.error("the configuration is refused; the running one goes on")
            self.refused(error)
