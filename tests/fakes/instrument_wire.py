"""A wire played by hand: what a line sends is noted with its time, what it hears is what the test says.

Stands in for the port or connection itself (drivers/line/wire.py), so that a line's discipline can be tested in
virtual time, to the millisecond.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from drivers.errors import LineDown
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec

Heard = Iterable[tuple[float, bytes]]
"""Seconds after the request, and bytes that come in then."""


class HandWire:
    """`sent` is (time, bytes) of every write; `answers` says what a frame brings; `absent` why nothing opens."""

    def __init__(self, answers: Callable[[bytes], Heard] = lambda frame: ()) -> None:
        self.answers = answers
        self.absent = ""
        self.opened: list[float] = []
        self.sent: list[tuple[float, bytes]] = []
        self.is_open = False
        self._received: Received = lambda data: None
        self._lost: Lost = lambda why: None

    async def open(self, spec: LineSpec, received: Received, lost: Lost) -> Wire:
        """The line's opener."""
        self.opened.append(asyncio.get_running_loop().time())
        if self.absent:
            raise LineDown(self.absent)
        self._received, self._lost, self.is_open = received, lost, True
        return self

    def write(self, data: bytes) -> None:
        """What the line sends."""
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        for after_s, heard in self.answers(data):
            loop.call_later(after_s, self.hear, heard)

    def close(self) -> None:
        """The line gave it up."""
        self.is_open = False

    def hear(self, *pieces: bytes) -> None:
        """Bytes come in."""
        for data in pieces:
            if self.is_open:
                self._received(data)

    def lose(self, why: str) -> None:
        """The port is pulled out, or the other side ends the connection."""
        self.is_open = False
        self._lost(why)

    @property
    def frames(self) -> Sequence[bytes]:
        """What was sent, without the times."""
        return [frame for _, frame in self.sent]
