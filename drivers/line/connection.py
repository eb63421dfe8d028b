"""The port or connection of a line, kept open: waits with jitter and a limit between tries, says what is wrong.

What was lost is opened again by its name, so that an adapter that comes back under another device number, or an
instrument under another address of its name, is found without anybody's help (promise P7).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from random import uniform
from typing import Any

from drivers.errors import FieldError, LineDown
from drivers.line.transcript import Transcript
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec

log = logging.getLogger("fieldgate.line")

REOPEN_S = 0.5
"""First wait before a lost port is opened again; a port must be polled 2 s after it is back (contract.md §3)."""
REOPEN_MOST_S = {"serial": 1.0, "tcp": 2.0, "udp": 2.0, "tls": 2.0, "listen": 2.0, "local": 2.0}
"""Longest wait: with the connect limit of 3 s a TCP instrument is found within the 5 s of contract.md §3."""
RENEWED_S = 1.0
"""A connection that we gave up ourselves is opened again at once, if it has lasted at least this long."""
TRIES = {"serial": 1}
"""Failures to open after which `wait_tried` waits no longer; elsewhere 2: a device with one connection may have
refused us because the one before was just being closed."""

Opener = Callable[[LineSpec, Received, Lost], Coroutine[Any, Any, Wire]]


class Connection:
    """What both disciplines of asking stand on; they bring `_received` and `_fail_all`."""

    def __init__(self, spec: LineSpec, opener: Opener) -> None:
        self.name = spec.name
        self.spec = spec
        self.up = False
        self.state = "not opened yet"
        self.generation = 0
        self.faults: Counter[str] = Counter()
        self.transcript: Transcript | None = None
        self._opener = opener
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._lost = asyncio.Event()
        self._came_up = asyncio.Event()
        self._tried = asyncio.Event()
        self._opened_s = 0.0
        self._renewing = False

    async def run(self) -> None:
        """Keep the port or connection open until cancelled."""
        wait_s = REOPEN_S
        failures = 0
        try:
            while True:
                self._lost.clear()
                try:
                    self._wire = await self._opener(self.spec, self._received, self._connection_lost)
                except LineDown as error:
                    self._renewing = False
                    self._down(error.detail)
                    failures += 1
                    if failures >= TRIES.get(self.spec.kind, 2):
                        self._tried.set()
                    await asyncio.sleep(wait_s * uniform(0.8, 1.0))
                    wait_s = min(wait_s * 2, REOPEN_MOST_S[self.spec.kind])
                    continue
                if self.spec.connect_pause_s:
                    await asyncio.sleep(self.spec.connect_pause_s)
                self._opened()
                await self._lost.wait()
                # a port that opens and fails at once must not be opened in a tight circle
                if self._loop.time() - self._opened_s > REOPEN_MOST_S[self.spec.kind]:
                    wait_s = REOPEN_S
                if not self._renewing:
                    await asyncio.sleep(min(wait_s, REOPEN_S) * uniform(0.2, 1.0))
        finally:
            self.close()

    async def wait_up(self, limit_s: float) -> bool:
        """Wait until the line is up; False when it is not within the limit."""
        try:
            async with asyncio.timeout(limit_s):
                await self._came_up.wait()
        except TimeoutError:
            return False
        return True

    async def wait_tried(self, limit_s: float) -> bool:
        """As `wait_up`, for people who wait: over as soon as the line could not be opened; `state` says why."""
        try:
            async with asyncio.timeout(limit_s):
                await self._tried.wait()
        except TimeoutError:
            return False
        return self.up

    def close(self) -> None:
        """Close the port or connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._renewing = False
        self._down("closed", logging.INFO)

    def _opened(self) -> None:
        self._renewing = False
        if self._lost.is_set():
            return
        self.up = True
        self.generation += 1
        self.state = "up"
        self._opened_s = self._loop.time()
        self._came_up.set()
        self._tried.set()
        log.info("line %s is up", self.name)

    async def _wire_for(self, limit_s: float) -> Wire:
        """The open wire; waits only for one that is being renewed. Raises LineDown."""
        if not self.up and self._renewing:
            await self.wait_up(limit_s)
        if self._wire is None or not self.up:
            raise LineDown(self.state)
        return self._wire

    def _connection_lost(self, why: str) -> None:
        self._wire = None
        self.faults["down"] += 1
        self._down(why)
        self._lost.set()

    def _down(self, why: str, level: int = logging.WARNING) -> None:
        if self.up or self.state != why:
            log.log(level, "line %s is down: %s", self.name, why)
        self.up = False
        self.state = why
        self._came_up.clear()
        self._fail_all(LineDown(why))

    def _drop(self, why: str) -> None:
        """Give up a connection that looks alive and is not. What comes next need not wait for its turn to fail."""
        if self._wire is not None:
            self._wire.close()
            self._renewing = self._loop.time() - self._opened_s >= RENEWED_S
            self._connection_lost(f"{self.spec.host}:{self.spec.port}: {why}, connecting anew")

    def _received(self, data: bytes) -> None:
        raise NotImplementedError

    def _fail_all(self, error: FieldError) -> None:
        raise NotImplementedError
