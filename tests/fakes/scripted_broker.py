"""A broker of which a test says every byte: where it cuts what it sends, and what stands behind what.

Real brokers cannot be made to do that. It accepts one client at a time.
"""

import asyncio
import ssl
from types import TracebackType
from typing import Self

CONNACK = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}


class ScriptedBroker:
    """Listens on `port`. Use as an async context manager."""

    def __init__(
        self, protocol: str = "5", context: ssl.SSLContext | None = None, connack: bytes | None = None
    ) -> None:
        self.port = 0
        self.received = bytearray()
        """What the client has sent after its CONNECT."""
        self._connack = connack or CONNACK[protocol]
        self._context = context
        self._accepted = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.end()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(1)
            await reader.readexactly(await _length(reader))
            writer.write(self._connack)
            self._writer = writer
            self._accepted.set()
            while data := await reader.read(65_536):
                self.received += data
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def send(self, *pieces: bytes) -> None:
        """Each piece by itself: one segment (one record of TLS), and the next when the client has had a turn."""
        await self._accepted.wait()
        assert self._writer is not None
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    def end(self) -> None:
        """Close the connection, after what was sent."""
        if self._writer is not None:
            self._writer.close()


def puback(mid: int, code: int | None = None, properties: bytes | None = None) -> bytes:
    """A PUBACK of two, three or more bytes (MQTT 5.0 §3.4)."""
    said = mid.to_bytes(2, "big")
    if code is not None:
        said += bytes((code,))
        if properties is not None:
            said += bytes((len(properties),)) + properties
    return bytes((0x40, len(said))) + said


def publish(mid: int, topic: str, body: bytes, protocol: str) -> bytes:
    """A PUBLISH with QoS 1."""
    name = topic.encode()
    said = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + (b"\0" if protocol == "5" else b"") + body
    return b"\x32" + _written(len(said)) + said


def _written(length: int) -> bytes:
    said = bytearray()
    while length > 127:
        said.append(length & 127 | 128)
        length >>= 7
    return bytes((*said, length))


async def _length(reader: asyncio.StreamReader) -> int:
    length, shift = 0, 0
    while (byte := (await reader.readexactly(1))[0]) > 127:
        length, shift = length | (byte & 127) << shift, shift + 7
    return length | byte << shift
