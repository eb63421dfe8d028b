"""An uplink of a site, with the settings of tests: what differs from the defaults is shorter waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.broker import Address, Message, listen
from gateway.clock import ClockState
from gateway.reading import Event
from gateway.uplink import Uplink, catalogue
from tests.fakes.memory_log import GATEWAY, MemoryLog

BASE = "fieldgate/v1"
ROOT = f"{BASE}/{GATEWAY}"
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Settings(Address):
    """As in the site file."""

    client_id: str | None = "fieldgate-test"
    base: str = BASE
    accept_unheard: bool = False
    backlog_rate: float | None = None
    acknowledge_timeout_s: float = 20.0
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 20.0
    stable_after_s: float = 60.0
    takeover_wait_s: float = 60.0
    unheard_retry_s: float = 10.0


class SystemTime:
    """A Clock of this machine, always synced."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def state(self) -> ClockState:
        return ClockState.SYNCED


@asynccontextmanager
async def running(log: MemoryLog, settings: Settings, **more: Any) -> AsyncIterator[Uplink]:
    """An uplink named `city` that delivers `log`; its events are in `uplink.events`."""
    events: list[Event] = []
    arguments: dict[str, Any] = {
        "gateway": GATEWAY,
        "feed": log,
        "clock": SystemTime(),
        "version": "0.0",
        "catalogue": catalogue(GATEWAY, "0" * 64, "f" * 64, ()),
        "emit": events.append,
        "random": Random(1),
    }
    uplink = Uplink("city", settings, **(arguments | more))
    uplink.events = events  # type: ignore[attr-defined]
    task = asyncio.create_task(uplink.run(), name="uplink")
    try:
        yield uplink
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))


class Subscriber:
    """Keeps every message of the gateway, over broker restarts too."""

    def __init__(self, host: str, port: int, topic: str = f"{ROOT}/#") -> None:
        self.messages: list[Message] = []
        self.arrived = asyncio.Condition()
        self._address = Address(host, port)
        self._topic = topic
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe; returns when the broker has accepted it."""
        self._ready.clear()
        self._task = asyncio.create_task(self._listen(), name="subscriber")
        await until(self._ready.is_set)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def __aenter__(self) -> "Subscriber":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def _listen(self) -> None:
        async with aclosing(listen(self._address, self._topic, subscribed=self._ready.set)) as messages:
            async for message in messages:
                self.messages.append(message)

    async def received(self, leaf: str, count: int) -> list[bytes]:
        """Bodies on one topic, in order, once there are so many."""
        await until(lambda: len(self.bodies(leaf)) >= count)
        return self.bodies(leaf)

    def bodies(self, leaf: str) -> list[bytes]:
        """Bodies on one topic, in order of arrival."""
        return [message.payload for message in self.messages if message.topic == f"{ROOT}/{leaf}"]


async def until(condition: Any, within_s: float = PATIENCE_S) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
