"""Simulated instruments that speak unasked: on a pseudo-terminal, on connections made to them, or calling us."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

from drivers.profile import LineSpec
from drivers.simulator.ports import PtyPort, TcpPort
from drivers.simulator.slave import Act

CALL_AGAIN_S = 0.3
"""Before an instrument calls again whom it has lost."""


class Speaker(Protocol):
    """One instrument."""

    period_s: float

    def said(self) -> bytes:
        """What it says now, unasked."""


class Deaf:
    """Nothing that is sent to these instruments is a question. A Bus and a Stream (ports.py)."""

    def questions(self, data: bytes) -> Iterable[Any]:
        """None."""
        return ()

    def forget(self) -> None:
        """Nothing is kept."""

    def acts(self, question: Any, framing: Any) -> Iterable[Act]:
        """None."""
        return ()


class Caller:
    """A connection to a listener, made again when it is lost; acknowledgements are read and thrown away."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Keep it open until cancelled."""
        try:
            while True:
                with suppress(OSError):
                    reader, self._writer = await asyncio.open_connection(self._host, self._port)
                    while await reader.read(4096):
                        pass
                self._close()
                await asyncio.sleep(CALL_AGAIN_S)
        finally:
            self._close()

    def say(self, data: bytes) -> None:
        """Send it if anybody is there."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


async def speaking(stack: AsyncExitStack, line: LineSpec, speakers: Sequence[Speaker], character_s: float) -> LineSpec:
    """Let them speak until the stack is left; the line as it is now."""
    for speaker in speakers:
        speaker.said()  # what cannot be said is found out here, and not in a task
    port: PtyPort | TcpPort | Caller
    if line.kind == "serial":
        port = await stack.enter_async_context(PtyPort(Deaf(), Deaf, character_s))
        moved = line.model_copy(update={"path": port.path, "parity": "none"})  # a pseudo-terminal takes none
    elif line.kind == "listen":
        moved = line.model_copy(update={"host": "127.0.0.1", "port": _free_port(), "allow": ()})
        assert moved.port is not None
        port = Caller("127.0.0.1", moved.port)
        _running(stack, port.run(), f"caller of {line.name}")
    else:
        port = await stack.enter_async_context(TcpPort(Deaf(), Deaf))
        moved = line.model_copy(update={"kind": "tcp", "host": "127.0.0.1", "port": port.port})
    for speaker in speakers:
        _running(stack, _speak(speaker, port), f"speaker on {line.name}")
    return moved


async def _speak(speaker: Speaker, port: PtyPort | TcpPort | Caller) -> None:
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        port.say(speaker.said())
        due_s = max(due_s + speaker.period_s, loop.time())
        await asyncio.sleep(due_s - loop.time())


def _running(stack: AsyncExitStack, coroutine: Any, name: str) -> None:
    task = asyncio.create_task(coroutine, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
