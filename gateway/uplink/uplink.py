"""One uplink: connect, introduce the gateway, deliver, come back after every loss.

Caught here is what a broker, a line or a certificate can do; the next step is always a new connection after the
wait that gateway/uplink/reconnection.py says.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any

from drivers.measure import Histogram
from gateway import broker
from gateway.batch import Feed
from gateway.broker import ConnectFailed, Connection, Lost, Message, Network
from gateway.clock import Clock
from gateway.reading import Event
from gateway.uplink import points
from gateway.uplink.commands import Commands
from gateway.uplink.delivery import Counts, Delivery, Lanes
from gateway.uplink.desk import WORKERS, Desk
from gateway.uplink.permission import Denied
from gateway.uplink.ranges import Range, Ranges, TooManyRanges
from gateway.uplink.reconnection import SHORT_S, Reconnection
from gateway.uplink.refusals import FAILURE, TOO_LARGE
from gateway.uplink.refusals import name as refusal
from gateway.uplink.settings import UplinkSettings
from gateway.uplink.topics import Topics
from gateway.uplink.window import Lane

logger = logging.getLogger(__name__)

STOP_S = 4.5
"""A clean stop takes at most so long (5 s with what follows)."""
FINISH_S = 3.0
"""Of which at most so long for what is committed and not yet acknowledged."""
OFFLINE_S = 1.0
"""And so long for the PUBACK of `offline`."""


class Uplink:
    """Delivers `feed` to one broker. The counters are for health to read.

    `points` is the body of the catalogue, `emit` takes events for the log, `quiet_s` is the longest time between two
    batches of the running site; without `commands` the command topic is not subscribed to.
    """

    def __init__(
        self,
        name: str,
        settings: UplinkSettings,
        *,
        gateway: str,
        feed: Feed,
        clock: Clock,
        version: str,
        catalogue: bytes,
        emit: Callable[[Event], None],
        commands: Commands | None = None,
        quiet_s: float = 60.0,
        random: Random | None = None,
        network: Network = broker,
    ) -> None:
        self.name = name
        self.connected = False
        self.trouble: str | None = None
        self.certificate_expiry_s: float | None = None
        self.failures: Counter[str] = Counter()
        """Attempts that gave no connection and connections that were lost, by cause in one word."""
        self.topics = Topics.of(settings.base, gateway)
        self._settings = settings
        self._gateway = gateway
        self._feed = feed
        self._clock = clock
        self._version = version
        self._catalogue = catalogue
        self._emit = emit
        self._network = network
        self._quiet_ms = round(quiet_s * 1000)
        self._reconnection = Reconnection(settings, random or Random())
        self._lanes = Lanes(self.topics.data, self.topics.backfill, settings.unheard_retry_s)
        self._counts = Counts()
        self._ranges = Ranges()
        self._desk = Desk(name, self.topics, commands, self._backfill) if commands is not None else None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None

    @property
    def commands_dropped(self) -> int:
        """Commands that came faster than they could be carried out."""
        return self._desk.dropped if self._desk is not None else 0

    @property
    def acknowledged(self) -> int:
        """Batches acknowledged with success."""
        return self._counts.acknowledged

    @property
    def refused(self) -> Counter[str]:
        """Batches not accepted, by reason (unheard, not_authorized, quota, …)."""
        return self._counts.refused

    @property
    def acknowledge_seconds(self) -> Histogram:
        """From sending a batch to its PUBACK."""
        return self._counts.acknowledge_seconds

    @property
    def unheard(self) -> bool:
        """Whether the broker says that nobody listens."""
        return self._lanes.unheard

    async def run(self) -> None:
        """Deliver until `stop`; a cancellation leaves the last will to the broker."""
        self._task = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                desk = [self._desk] * WORKERS if self._desk is not None else []
                workers = [group.create_task(one.work(), name=f"{self.name}-command") for one in desk]
                while not self._stopping.is_set():
                    await self._connection()
                    if self._task is not None and self._task.cancelling():
                        # Python 3.11's TaskGroup forgets a cancellation that comes together with a failure in it
                        raise asyncio.CancelledError
                    await self._unless_stopping(asyncio.sleep(self._reconnection.wait_s))
                for worker in workers:
                    worker.cancel()
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
        finally:
            self.connected = False
            self._ended.set()

    async def stop(self) -> None:
        """Deliver what is committed by now and on its way, publish `offline`, disconnect: 5 s at most. Ends `run`."""
        self._stopping.set()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await self._ended.wait()
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=0.5)

    async def backfill(self, from_ms: int, to_ms: int) -> list[dict[str, int | str]]:
        """Send [from_ms, to_ms) again; when it is acknowledged, what each part was. Raises TooManyRanges."""
        request = Range(from_ms, to_ms, self._quiet_ms)
        await self._ranges.fulfil(request)
        return request.intervals(await self._feed.evicted(from_ms, to_ms))

    async def _connection(self) -> None:
        """One attempt, and the life of the connection it may give."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            connection = await self._unless_stopping(self._network.connect(self._settings, self._will()))
        except ConnectFailed as failure:
            self.failures[failure.cause] += 1
            self._reconnection.failed(failure.cause == "refused", now() - began)
            if failure.certificate_expiry_s is not None:
                self.certificate_expiry_s = failure.certificate_expiry_s
            self._in_trouble(str(failure))
            return
        if connection is None:
            return
        began = now()
        try:
            await self._use(connection)
        finally:
            self.connected = False
            connection.close("no longer used")
        if not self._stopping.is_set():
            await self._lost(connection, now() - began)

    async def _use(self, connection: Connection) -> None:
        self.certificate_expiry_s = connection.certificate_expiry_s
        self._lanes.asking.connected(asyncio.get_running_loop().time())
        delivery = Delivery(self.name, connection, self._feed, self._settings, self._lanes, self._counts, self._ranges)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_until_lost(connection), name=f"{self.name}-lost")]
                if self._desk is not None:  # before the birth: who reads `online` may send a command at once
                    await self._desk.open(connection, self._settings.acknowledge_timeout_s)
                await self._introduce(connection)
                self._is_connected(connection)
                if self._desk is not None:
                    serving = self._desk.serve(connection, delivery.window, self._settings.acknowledge_timeout_s)
                    tasks.append(group.create_task(serving, name=f"{self.name}-desk"))
                for lane in (delivery.live, delivery.backlog, delivery.watch):
                    tasks.append(group.create_task(lane(), name=f"{self.name}-{lane.__name__}"))
                tasks.append(group.create_task(self._settle_down(), name=f"{self.name}-settle-down"))
                await self._stopping.wait()
                await self._farewell(connection, delivery)
                for task in tasks:
                    task.cancel()
        except* Lost as lost:
            connection.close(str(lost.exceptions[0]))
        finally:
            delivery.close()

    async def _introduce(self, connection: Connection) -> None:
        """Birth and points catalogue, before any batch; one that the broker refuses holds up no batch. Raises Lost."""
        retain = connection.keeps_retained
        bodies = {self.topics.status: self._status("online"), self.topics.points: self._catalogue}
        try:
            async with asyncio.timeout(self._settings.acknowledge_timeout_s):
                for topic, body in bodies.items():
                    code = TOO_LARGE
                    if connection.fits(topic, body):
                        code = await connection.publish(topic, body, retain)
                    if code >= FAILURE:
                        words = "uplink %s: the broker refuses what is published on %s (%s)"
                        logger.warning(words, self.name, topic, refusal(code))
        except TimeoutError:
            raise Lost(f"no acknowledgement in {self._settings.acknowledge_timeout_s:g} s") from None

    async def _farewell(self, connection: Connection, delivery: Delivery) -> None:
        """What is committed, then `offline`, then DISCONNECT, each for a bounded time."""
        try:
            async with asyncio.timeout(FINISH_S):
                await delivery.finish()
                if self._desk is not None:
                    await self._desk.idle()
        except TimeoutError:
            logger.warning("uplink %s: stopped with batches on their way; they are sent again", self.name)
        try:
            async with asyncio.timeout(OFFLINE_S):
                await delivery.window.take(Lane.CONTROL)
                await connection.publish(self.topics.status, self._status("offline"), connection.keeps_retained)
        except (TimeoutError, Lost):
            logger.warning("uplink %s: stopped before `offline` was acknowledged; the last will says it", self.name)
            return
        await connection.disconnect()

    async def _backfill(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return {"intervals": await self.backfill(args["from"], args["to"])}
        except TooManyRanges as error:
            raise Denied("busy", str(error)) from error

    async def _settle_down(self) -> None:
        """After a while no earlier takeover counts any more."""
        await asyncio.sleep(SHORT_S)
        self._reconnection.lives(SHORT_S)

    async def _lost(self, connection: Connection, lived_s: float) -> None:
        """Decide what the loss was, and so how long to wait."""
        taken_over = connection.taken_over and lived_s < self._settings.stable_after_s
        if connection.by_peer and lived_s < SHORT_S and not taken_over:
            # a broker that ended this connection and still accepts others was not restarted
            taken_over = bool(await self._unless_stopping(self._network.listening(self._settings)))
        known = self._reconnection.taken_over
        self._reconnection.lost(lived_s, taken_over)
        self.failures["taken_over" if taken_over else "lost"] += 1
        if self._reconnection.taken_over:
            words = (
                f"another client uses the client id {self._settings.client_id!r} "
                f"(or the broker ends every connection at once): {connection.reason}"
            )
            self._in_trouble(words)
            if not known:
                data = {"uplink": self.name, "client_id": self._settings.client_id, "reason": connection.reason}
                self._emit(Event(self._clock.now_ms(), "uplink.takeover", data, level="alarm"))
        else:
            self._in_trouble(connection.reason)

    def _is_connected(self, connection: Connection) -> None:
        self.connected = True
        words = "uplink %s: connected to %s:%d, at most %d batches on their way"
        logger.info(words, self.name, self._settings.host, self._settings.port, connection.window)
        self.trouble = None

    def _in_trouble(self, words: str) -> None:
        if words != self.trouble:  # once for each cause, not for each attempt
            logger.warning("uplink %s: %s", self.name, words)
        self.trouble = words

    def _will(self) -> Message:
        return Message(self.topics.status, self._status("offline"), retain=True)

    def _status(self, state: str) -> bytes:
        return points.status(self._gateway, state, self._feed.stream, self._version, self._clock.now_ms())

    async def _unless_stopping(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work`, or None when `stop` comes first."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            task.cancel()
            stopping.cancel()


async def _until_lost(connection: Connection) -> None:
    await connection.lost.wait()
    raise Lost(connection.reason)
