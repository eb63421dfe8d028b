"""Where commands come in and replies go out, across connections."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from gateway.broker import Connection, Lost, Message, SubscriptionRefused
from gateway.uplink.commands import Action, Commands, Reply, too_large
from gateway.uplink.refusals import FAILURE
from gateway.uplink.topics import Topics
from gateway.uplink.window import Lane, Window

logger = logging.getLogger(__name__)

WORKERS = 4
"""Commands carried out at once; two of them may be ranges that take long."""
WAITING_COMMANDS = 64
"""Commands waiting to be carried out; the broker's further ones are dropped and counted."""
SENT_TIMES = 3
"""Connections that may end while one reply is on its way: a broker that cuts it off for this reply does so again."""
WAITING_REPLIES = 64
"""Replies waiting for a connection; then the oldest is dropped. Its command, repeated, is answered again."""


class Desk:
    """One uplink's commands. `dropped` counts those that came faster than they could be carried out."""

    def __init__(self, uplink: str, topics: Topics, commands: Commands, backfill: Action) -> None:
        self.dropped = 0
        self._uplink = uplink
        self._topics = topics
        self._commands = commands
        self._backfill = backfill
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(WAITING_COMMANDS)
        self._outbox: deque[Reply] = deque(maxlen=WAITING_REPLIES)
        self._tries = 0  # of the first in the outbox
        self._busy = 0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()

    async def work(self) -> None:
        """Carry out commands, one after the other."""
        while True:
            message = await self._inbox.get()
            self._busy += 1
            try:
                reply = await self._commands.handle(message, self._topics, self._uplink, self._in_the_background)
            finally:
                self._busy -= 1
            if reply is not None:
                self._outbox.append(reply)
            self._changed.set()
            self._idle.set()

    async def open(self, connection: Connection, limit_s: float) -> None:
        """Take commands from one connection; where the broker does not let it, deliver without them. Raises Lost."""
        connection.deliver = self._received
        try:
            async with asyncio.timeout(limit_s):
                await connection.subscribe(self._topics.command)
        except SubscriptionRefused as error:
            logger.warning("uplink %s: no commands, the broker refused the subscription: %s", self._uplink, error)
        except TimeoutError:
            raise Lost(f"no answer to a subscription in {limit_s:g} s") from None

    async def serve(self, connection: Connection, window: Window, limit_s: float) -> None:
        """Send replies over one connection; each is kept until its PUBACK. Raises Lost."""
        while True:
            self._changed.clear()
            while self._outbox:
                await self._send(self._outbox[0], connection, window, limit_s)
            self._idle.set()
            await self._changed.wait()

    async def idle(self) -> None:
        """Wait until no command is being carried out (but for ranges) and every reply is sent."""
        while self._outbox or self._busy or not self._inbox.empty():
            self._idle.clear()
            await self._idle.wait()

    async def _send(self, reply: Reply, connection: Connection, window: Window, limit_s: float) -> None:
        await window.take(Lane.CONTROL)
        body = reply.body
        if not connection.fits(reply.topic, body + (reply.correlation or b"")):
            body = too_large(body, connection.largest)
        self._tries += 1
        if self._tries <= SENT_TIMES:
            try:
                async with asyncio.timeout(limit_s):
                    code = await connection.publish(reply.topic, body, correlation=reply.correlation)
            except TimeoutError:
                raise Lost(f"no acknowledgement in {limit_s:g} s") from None
            if code >= FAILURE:
                logger.warning("uplink %s: the broker refuses a reply on %s (0x%02X)", self._uplink, reply.topic, code)
        else:
            logger.warning("uplink %s: a reply on %s ended the connection %d times; it is dropped",
                           self._uplink, reply.topic, SENT_TIMES)  # fmt: skip
        window.release(Lane.CONTROL)
        self._tries = 0
        if self._outbox and self._outbox[0] is reply:
            self._outbox.popleft()

    def _received(self, message: Message) -> None:
        if message.topic != self._topics.command:
            return
        try:
            self._inbox.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped += 1

    async def _in_the_background(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """A range may take long: a clean stop does not wait for it."""
        self._busy -= 1
        self._idle.set()
        try:
            return await self._backfill(args)
        finally:
            self._busy += 1
