"""Lines whose instruments speak unasked: a serial port, a connection that we make, or connections made to us.

A listener of ours opens only where the site file says so (`listen:`), on the address it names. Strangers harm nobody:

- each connection holds at most `HELD` bytes of input; a peer that sends faster is not read from (TCP stops it);
- messages are worked through in slices of `SLICE_S`, a few of each connection in turn, at most `RATE` a second each;
- all connections together that have said nothing useful yet have `STRANGERS_RATE` messages a second, however often they
  come again: the others feel nothing of them, and a newcomer waits for his first word a fraction of `CHANCE_S`;
- a connection that has said nothing useful within `STRANGER_S`, `STRANGER_BYTES` or `BURST` messages is closed, and so
  is one that is idle for the line's `idle`, or does not read its acknowledgements;
- when all places are taken, a stranger that has said `NONSENSE`, or the oldest one that has had `CHANCE_S` to speak,
  gives up its place to a newcomer; if there is none, the newcomer goes (and comes again: loggers do).
"""

import asyncio
import contextlib
import functools
import socket
from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import cast

from drivers.contract import Heard, Hearing
from drivers.errors import FieldError, LineDown
from drivers.line.connection import Connection, Opener
from drivers.line.ear import Answer, Ear, at_once
from drivers.line.line import EXCHANGE_BOUNDS_S
from drivers.line.wire import Lost, Received, Wire
from drivers.measure import Histogram
from drivers.profile import LineSpec

HELD = 8192
"""Bytes of input of one connection before it is not read any more; several messages of any protocol here."""
READ = 4096
"""Bytes of one arrival."""
SLICE_S = 0.005
"""Time that messages may take before the lines beside this one get their turn."""
TURN = 16
"""Messages of one connection before the next one has its turn."""
RATE, BURST = 100.0, 500.0
"""Messages a second of one connection, and how many may come at once after a pause (history after an outage)."""
STRANGERS_RATE, STRANGERS_BURST = 400.0, 500.0
"""Messages a second of all strangers together, a small part of a core; the burst is every logger at a start."""
STRANGERS_TURN = 2
"""Messages of one stranger before the next one has its turn: 200 of them wait a second."""
STRANGER_S = 30.0
"""Loggers report at their start; who has not said anything within this time is none of ours."""
STRANGER_BYTES = 65536
CHANCE_S = 2.0
"""A logger speaks as soon as it is connected, and over a slow link within this time."""
NONSENSE = 16
"""Useless messages after which nobody need be given a chance any more; a logger has one at most, a begun one."""
UNREAD = 16384
"""Acknowledgements that a peer has not taken; a logger that reads has none."""
LOOK_S = 1.0
"""How often idle connections and strangers are looked for."""


class ListeningLine(Connection):
    """A line that is listened to and never asks."""

    def __init__(self, spec: LineSpec, opener: Opener | None, hearing: Hearing) -> None:
        super().__init__(spec, opener or functools.partial(_open_listener, self))
        self.in_flight = 0
        self.busy_s = 0.0
        self.exchange_seconds = Histogram(EXCHANGE_BOUNDS_S)
        self.hearing = hearing
        self.said: list[Callable[[Heard], None]] = []
        """Who is told of everything that is heard."""
        self.answer: Answer = at_once
        """What is done with the acknowledgements."""
        self.connections: set[Peer] = set()
        self._ear: Ear | None = None
        self._made = 0

    def numbered(self) -> int:
        """The number of a new connection, for the transcript."""
        self._made += 1
        return self._made

    def ear(self, reply: Callable[[bytes], None]) -> Ear:
        """The ear of a new stream."""
        return Ear(self.hearing, self.faults, self._heard, reply, lambda send: self.answer(send))

    def _heard(self, heard: Heard) -> None:
        for tell in tuple(self.said):
            tell(heard)

    def _opened(self) -> None:
        self._ear = self.ear(self._reply)
        super()._opened()

    def _reply(self, data: bytes) -> None:
        if self._wire is not None:
            if self.transcript is not None:
                self.transcript.sent(data)
            self._wire.write(data)

    def _received(self, data: bytes) -> None:
        if self.transcript is not None:
            self.transcript.received(data)
        if self._ear is None:  # bytes may come before the line is told that it is up
            return
        started_s = self._loop.time()
        self._ear.add(data)
        while self._ear.work(TURN) == TURN:
            pass
        self.busy_s += self._loop.time() - started_s

    def _fail_all(self, error: FieldError) -> None:
        """Nobody waits for an answer; what was begun is over."""
        if self._ear is not None:
            self._ear.close()

    def _stranger(self) -> "Peer | None":
        """Who has said the most nonsense, or else has been here longest without saying anything, after his chance."""
        before_s = self._loop.time() - CHANCE_S
        strangers = [
            one
            for one in self.connections
            if not one.ear.useful and (one.nonsense >= NONSENSE or one.since_s <= before_s)
        ]
        return max(strangers, key=lambda one: (min(one.nonsense, NONSENSE), -one.since_s), default=None)

    # -- connections made to us ---------------------------------------------------------------------------

    def admit(self, connection: "Peer") -> bool:
        """Whether a new connection may stay."""
        if not self._allowed(connection.peer):
            self.faults["not_allowed"] += 1
            return False
        if len(self.connections) >= self.spec.connections:
            stranger = self._stranger()
            if stranger is None:
                self.faults["full"] += 1
                return False
            stranger.hang_up("full")
        self.connections.add(connection)
        self._tell()
        return True

    def gone(self, connection: "Peer") -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self._tell()

    def _tell(self) -> None:
        if self.up:
            self.state = f"listening, {len(self.connections)} connected"

    def _allowed(self, peer: str) -> bool:
        return not self.spec.allow or any(ip_address(peer) in network for network in _networks(self.spec.allow))


@functools.cache
def _networks(allow: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(one, strict=False) for one in allow)


class Peer(asyncio.BufferedProtocol):
    """One peer that connected to us."""

    def __init__(self, server: "_Server") -> None:
        self.peer = "?"
        self.number = server.line.numbered()
        self.nonsense = 0
        """Messages before the first useful one."""
        self.since_s = self._heard_s = 0.0
        self._server = server
        self._line = server.line
        self._transport: asyncio.Transport | None = None
        self._tokens, self._filled_s = BURST, 0.0
        self._queued = self._paused = False
        self.ear = self._line.ear(self._reply)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # other event loops' do not derive from asyncio's class
        self._transport = transport
        self.peer = str(transport.get_extra_info("peername", ("?",))[0]).partition("%")[0]
        self.since_s = self._heard_s = self._filled_s = self._server.loop.time()
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._line.admit(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        # what came whole before the end still counts
        if not self._queued:
            self._end()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._server.shared

    def buffer_updated(self, nbytes: int) -> None:
        self._heard_s = self._server.loop.time()
        data = self._server.shared[:nbytes]
        if self._line.transcript is not None:
            self._line.transcript.received(bytes(data), self.number)
        self.ear.add(data)
        if len(self.ear) >= HELD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._queue()

    def eof_received(self) -> bool:
        return False

    def _queue(self) -> None:
        if not self._queued:
            self._queued = True
            self._server.queue(self)

    def work(self, now_s: float) -> int:
        """A turn: some of its messages; more of them put it at the end of the queue. How many there were."""
        self._queued = False
        self._tokens = min(BURST, self._tokens + (now_s - self._filled_s) * RATE)
        self._filled_s = now_s
        turn = min(TURN if self.ear.useful else STRANGERS_TURN, int(self._tokens))
        if turn < 1 and not self.ear.useful:
            self.hang_up("stranger")
            return 0
        if turn < 1 and len(self.ear):
            self._queued = True
            self._server.loop.call_later((1 - self._tokens) / RATE, self._server.queue, self)
            return 0
        done = self.ear.work(turn)
        self._tokens -= done
        if not self.ear.useful:
            self.nonsense += done
        if self.ear.useless_bytes > STRANGER_BYTES:
            self.hang_up("stranger")
        elif done == turn and len(self.ear):
            self._queue()
        elif self._transport is None:
            self._end()
        elif self._paused and len(self.ear) < HELD:
            self._paused = False
            self._transport.resume_reading()
        return done

    def look(self, now_s: float) -> None:
        """Close it when it is of no use."""
        if now_s - self._heard_s > self._line.spec.idle_s:
            self.hang_up("idle")
        elif not self.ear.useful and now_s - self.since_s > STRANGER_S:
            self.hang_up("stranger")

    def hang_up(self, fault: str) -> None:
        """Close it at once and say why."""
        self._line.faults[fault] += 1
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        self.ear.close()
        self._line.gone(self)

    def _reply(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNREAD:
            self.hang_up("unread")
            return
        if self._line.transcript is not None:
            self._line.transcript.sent(data, self.number)
        self._transport.write(data)


class _Server:
    """The listening socket with the queue of connections that have something to say. A Wire."""

    def __init__(self, line: ListeningLine) -> None:
        self.line = line
        self.loop = asyncio.get_running_loop()
        self.shared = memoryview(bytearray(READ))
        """Every arrival goes through here: it is copied before the next one can come."""
        self._waiting: deque[Peer] = deque()
        self._strangers: deque[Peer] = deque()
        self._left, self._filled_s = STRANGERS_BURST, self.loop.time()  # messages that strangers may say now
        self._something = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, host: str, port: int) -> None:
        """Begin to listen. Raises OSError."""
        self._server = await self.loop.create_server(lambda: Peer(self), host, port, backlog=128)
        self._tasks = [
            asyncio.create_task(self._work(), name=f"line {self.line.name} messages"),
            asyncio.create_task(self._look(), name=f"line {self.line.name} connections"),
        ]

    def queue(self, connection: Peer) -> None:
        """It has something to say."""
        (self._waiting if connection.ear.useful else self._strangers).append(connection)
        self._something.set()

    async def _work(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            started_s = self.loop.time()
            self._hear_stranger(started_s)  # one also where the others never pause
            while self._waiting and self.loop.time() - started_s < SLICE_S:
                self._waiting.popleft().work(started_s)
            while self.loop.time() - started_s < SLICE_S and self._hear_stranger(started_s):
                pass
            self.line.busy_s += self.loop.time() - started_s
            if self._waiting or (self._strangers and self._left >= 1):
                self._something.set()
                await asyncio.sleep(0)
            elif self._strangers:
                self.loop.call_later((1 - self._left) / STRANGERS_RATE, self._something.set)

    def _hear_stranger(self, now_s: float) -> bool:
        """A turn of the first one in the queue, if strangers may speak now; whether there was one."""
        self._left = min(STRANGERS_BURST, self._left + (now_s - self._filled_s) * STRANGERS_RATE)
        self._filled_s = now_s
        if not self._strangers or self._left < 1:
            return False
        self._left -= self._strangers.popleft().work(now_s)
        return True

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = self.loop.time()
            for connection in tuple(self.line.connections):
                connection.look(now_s)

    def write(self, data: bytes) -> None:
        """Nobody is spoken to but in answer, on his own connection."""

    def close(self) -> None:
        """Close the socket and every connection."""
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.line.connections):
            connection.hang_up("closed")


async def _open_listener(line: ListeningLine, spec: LineSpec, received: Received, lost: Lost) -> Wire:
    assert spec.host is not None
    assert spec.port is not None
    server = _Server(line)
    with contextlib.ExitStack() as undo:
        undo.callback(server.close)
        try:
            await server.open(spec.host, spec.port)
        except OSError as error:
            raise LineDown(f"{spec.host}:{spec.port}: {error.strerror or error}") from error
        undo.pop_all()
    return server
