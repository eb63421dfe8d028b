"""Where simulated slaves meet the outside: pseudo-terminals with real wire time, loopback TCP and UDP sockets.

Each port is an async context manager; leaving it closes everything and cancels what was still to be sent.
"""

import asyncio
import os
import re
import socket
import ssl
import struct
import termios
import tty
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, cast, runtime_checkable

from drivers.simulator.slave import Act, Hangup, Send

_CHUNK_S = 0.004
"""A paced answer arrives in pieces of about this much wire time, as a UART's FIFO hands it over."""
_FORGET_S = 0.1
"""Silence after which a begun request is given up: far above 3.5 characters at 1200 baud, below any timeout."""
_READ = 4096
_RATES = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[0-9]+", name)}
"""The kernel's codes of baud rates; a pseudo-terminal keeps the one that its user has set."""


class Stream(Protocol):
    """Finds questions in what comes in on one connection or bus (slave_framing.py, meter.py)."""

    def questions(self, data: bytes) -> Iterable[Any]:
        """Everything that is whole now; ValueError for what nothing can follow."""

    def forget(self) -> None:
        """The line was silent: what was begun will not be finished."""


@runtime_checkable
class Rated(Protocol):
    """A stream whose instruments understand only their own baud rate."""

    rate: int


class Bus(Protocol):
    """All instruments of one line."""

    def acts(self, question: Any, framing: Any) -> Iterable[Act]:
        """What the line does about one question of its stream."""


class _Outbox:
    """Timers of what is still to be sent, so that closing leaves nothing behind."""

    def __init__(self) -> None:
        self._timers: set[asyncio.TimerHandle] = set()

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        """Call at that time of the loop's clock, unless closed before."""
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._timers.discard(timer)
            call()

        timer = loop.call_at(when_s, run)
        self._timers.add(timer)

    def close(self) -> None:
        """Cancel everything."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class PtyPort:
    """A bus on a pseudo-terminal; `path` is what a gateway opens.

    `character_s` is the wire time of one character (0: as fast as the machine). A request counts as heard when
    its last character would have come in, the answer begins 3.5 characters later and comes in at wire speed.
    """

    chunk_s = _CHUNK_S
    forget_s = _FORGET_S

    def __init__(self, slave: Bus, framing: Callable[[], Stream], character_s: float = 0.0) -> None:
        self.path = ""
        self._slave = slave
        self._framing = framing()
        self._character_s = character_s
        self._outbox = _Outbox()
        self._forget: asyncio.TimerHandle | None = None
        self._master = self._held = -1
        self._free_s = 0.0  # the wire carries something until then

    async def __aenter__(self) -> "PtyPort":
        self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Make the pair. Held open on both sides, so that a gateway may close and open it again."""
        self._master, self._held = os.openpty()
        tty.setraw(self._held)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._held)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def close(self) -> None:
        """As when the adapter is pulled out: whoever has the path open gets end of file or an I/O error."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        self._outbox.close()
        if self._forget is not None:
            self._forget.cancel()
        os.close(self._master)
        os.close(self._held)
        self._master = self._held = -1
        self.path = ""

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return
        self._heard(data)

    def _rate(self) -> int:
        """Baud rate that the gateway has set, 0 where nobody knows."""
        return _RATES.get(termios.tcgetattr(self._held)[4], 0)

    def _heard(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._free_s = max(now, self._free_s) + len(data) * self._character_s
        if self._forget is not None:
            self._forget.cancel()
        if isinstance(self._framing, Rated):
            self._framing.rate = self._rate()
        for question in self._framing.questions(data):
            heard_s = self._free_s + 3.5 * self._character_s
            for act in self._slave.acts(question, self._framing):
                if isinstance(act, Send):
                    self._send(act.data, heard_s + act.after_s)
        self._forget = loop.call_later(self.forget_s, self._framing.forget)

    def _send(self, data: bytes, start_s: float) -> None:
        if not self._character_s:
            if start_s <= asyncio.get_running_loop().time():
                self._write(data)
            else:
                self._outbox.at(start_s, lambda: self._write(data))
            return
        step = max(1, round(self.chunk_s / self._character_s))
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            end_s = start_s + (at + len(piece)) * self._character_s
            self._outbox.at(end_s, lambda piece=piece: self._write(piece))  # type: ignore[misc]
        self._free_s = max(self._free_s, start_s + len(data) * self._character_s)

    def say(self, data: bytes) -> None:
        """Put something on the wire that nobody asked for."""
        if self.path:
            self._send(data, max(self._free_s, asyncio.get_running_loop().time()))

    def _write(self, data: bytes) -> None:
        # when nobody reads and the kernel's buffer is full the bytes are gone, as on a wire
        with suppress(BlockingIOError):
            os.write(self._master, data)


class TcpPort:
    """A listening loopback socket; `port` is where. Each connection has framing of its own, the units are shared."""

    def __init__(
        self, slave: Bus, framing: Callable[[], Stream], port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.port = port
        self._tls = tls
        self._slave = slave
        self._framing = framing
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> "TcpPort":
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._slave, self._framing(), self._connections), "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()

    def say(self, data: bytes) -> None:
        """Send something that nobody asked for, on every connection."""
        for connection in tuple(self._connections):
            connection.say(data)

    def hang_up(self, reset: bool = False) -> None:
        """End every connection; the port goes on listening."""
        for connection in tuple(self._connections):
            connection.hang_up(reset)


@dataclass(slots=True, eq=False)
class _Pieces:
    """How many acts of one answer are still to come."""

    left: int


class _Connection(asyncio.Protocol):
    """One stream. An answer that comes in pieces is finished before another begins, as a device's own writes are."""

    def __init__(self, slave: Bus, framing: Stream, connections: "set[_Connection]") -> None:
        self._slave = slave
        self._framing = framing
        self._connections = connections
        self._outbox = _Outbox()
        self._transport: asyncio.Transport | None = None
        self._begun: _Pieces | None = None
        self._behind: list[tuple[Act, _Pieces]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        now_s = asyncio.get_running_loop().time()
        try:
            for question in self._framing.questions(data):
                acts = tuple(self._slave.acts(question, self._framing))
                pieces = _Pieces(len(acts))
                for act in acts:
                    if act.after_s > 0:
                        self._outbox.at(now_s + act.after_s, partial(self._act, act, pieces))
                    else:
                        self._act(act, pieces)
        except ValueError:
            self.hang_up(reset=True)  # what is no header cannot be followed by one

    def connection_lost(self, exc: Exception | None) -> None:
        self._outbox.close()
        self._connections.discard(self)

    def _act(self, act: Act, pieces: "_Pieces") -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._begun not in (None, pieces):
            self._behind.append((act, pieces))
            return
        self._begun = pieces
        if isinstance(act, Hangup):
            self.hang_up(act.reset)
        else:
            self._transport.write(act.data)
        pieces.left -= 1
        if not pieces.left:
            self._begun = None
            behind, self._behind = self._behind, []
            for waiting in behind:
                self._act(*waiting)

    def say(self, data: bytes) -> None:
        """Send it now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hang_up(self, reset: bool) -> None:
        """FIN after what was written, or RST at once (SO_LINGER 0)."""
        if self._transport is None or self._transport.is_closing():
            return
        if reset:
            peer = self._transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


class UdpPort:
    """A loopback UDP socket; each datagram is one request, each answer one datagram."""

    def __init__(self, slave: Bus, framing: Callable[[], Stream]) -> None:
        self.port = 0
        self._slave = slave
        self._framing = framing
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> "UdpPort":
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self._slave, self._framing), ("127.0.0.1", 0)
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._transport is not None
        self._transport.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, slave: Bus, framing: Callable[[], Stream]) -> None:
        self._slave = slave
        self._framing = framing
        self._outbox = _Outbox()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # no isinstance: Python 3.11's own class does not derive from the abstract one
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        framing = self._framing()
        try:
            questions = tuple(framing.questions(data))
        except ValueError:
            return  # a datagram that is no request has no answer
        now = asyncio.get_running_loop().time()
        for question in questions:
            for act in self._slave.acts(question, framing):
                if isinstance(act, Send):
                    self._outbox.at(now + act.after_s, lambda data=act.data: self._send(data, addr))  # type: ignore[misc]

    def _send(self, data: bytes, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data, to)

    def connection_lost(self, exc: Exception | None) -> None:
        self._outbox.close()
