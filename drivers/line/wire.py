"""How bytes reach the instruments: one small interface over a serial port, TCP, TLS or UDP."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

from drivers.errors import LineDown
from drivers.profile import LineSpec

CONNECT_LIMIT_S = 3.0
"""A TCP instrument that is back must be polled within 5 s (contract.md §3)."""

Received = Callable[[bytes], None]
Lost = Callable[[str], None]


class Wire(Protocol):
    """An open port or connection; its `received` and `lost` are called on the loop."""

    def write(self, data: bytes) -> None:
        """Send; never blocks."""

    def close(self) -> None:
        """Give it up; `lost` is not called."""


@runtime_checkable
class Switchable(Wire, Protocol):
    """A wire whose serial settings can be changed while it is open."""

    def set_up(self, spec: LineSpec) -> None:
        """Other serial settings from now on."""


class _Connection(asyncio.Protocol):
    def __init__(self, received: Received, lost: Lost, where: str) -> None:
        self.data_received = received  # type: ignore[assignment,method-assign]  # saves a call for each arrival
        self._lost = lost
        self._where = where
        self._transport: asyncio.Transport | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # no isinstance: the transports of other event loops do not derive from asyncio's class
        self._transport = cast("asyncio.Transport", transport)
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._lost(f"{self._where}: " + (f"connection lost: {exc}" if exc else "closed by the other side"))

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._closed:
            self._transport.write(data)

    def close(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Received, lost: Lost, where: str) -> None:
        self._received = received
        self._lost = lost
        self._where = where
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # no isinstance: Python 3.11's own class does not derive from the abstract one
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received(data)

    def error_received(self, exc: Exception) -> None:
        if not self._closed:
            self._closed = True
            self._lost(f"{self._where}: {exc}")

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._closed:
            self._transport.sendto(data)

    def close(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()


async def open_network(spec: LineSpec, received: Received, lost: Lost) -> Wire:
    """Connect to the endpoint. Raises LineDown, naming it."""
    assert spec.host is not None
    assert spec.port is not None
    where = f"{spec.host}:{spec.port}"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            if spec.kind == "udp":
                _, datagrams = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(received, lost, where), remote_addr=(spec.host, spec.port)
                )
                return datagrams
            _, connection = await loop.create_connection(
                lambda: _Connection(received, lost, where),
                spec.host,
                spec.port,
                ssl=_tls(spec) if spec.kind == "tls" else None,
            )
    except TimeoutError:
        raise LineDown(f"{where}: no connection within {CONNECT_LIMIT_S:g} s") from None
    except ssl.SSLError as error:
        raise LineDown(f"{where}: {getattr(error, 'verify_message', '') or error.reason or error}") from error
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""  # a certificate or key that cannot be read
        # asyncio's own text names the address once more and not what is wrong
        words = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise LineDown(f"{where}: {file}{words}") from error
    return connection


def _tls(spec: LineSpec) -> ssl.SSLContext:
    """Modbus/TCP Security: TLS 1.2 or later, both sides with certificates (MB-TCP-Security v2.1 §8)."""
    context = ssl.create_default_context(cafile=spec.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if spec.cert_file:
        context.load_cert_chain(spec.cert_file, spec.key_file)
    return context
