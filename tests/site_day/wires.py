"""Lines in memory for a loop in virtual time: connections, datagrams and serial ports, at the lowest seam.

Above it everything is as it is in the field: the gateway's wires, framings and discipline of asking, and the
simulated instruments' own codecs. A byte that is written arrives in the next turn of the loop; the wire time of
serial lines and the time that instruments need are the simulator's.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from drivers.errors import LineDown
from drivers.line import serial_port
from drivers.line.wire import Lost, Received, Wire
from drivers.profile import LineSpec
from drivers.simulator import site as simulated_site
from drivers.simulator import speaking
from drivers.simulator.ports import PtyPort
from tests.simulation.world import SimulatedLoop


class _NoSocket:
    """What asks for a socket's options finds one that takes them all."""

    def setsockopt(self, *args: object) -> None:
        """Nothing to set."""


class _End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, port: int) -> None:
        super().__init__({"socket": _NoSocket(), "peername": ("127.0.0.1", port), "sockname": ("127.0.0.1", port)})
        self._loop = loop
        self._protocol = protocol
        self._other: _End | None = None
        self._closing = False
        self._paused: list[bytes] | None = None

    def join(self, other: "_End") -> None:
        """Make them a pair and tell both protocols."""
        self._other, other._other = other, self
        for one in (other, self):
            one._protocol.connection_made(one)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def write(self, data: Any) -> None:
        if not self._closing and self._other is not None:
            self._loop.call_soon(self._other.arrives, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def arrives(self, data: bytes) -> None:
        """Bytes from the other end."""
        if self._closing:
            return
        if self._paused is not None:
            self._paused.append(data)
        elif isinstance(self._protocol, asyncio.BufferedProtocol):
            while data:
                room = self._protocol.get_buffer(len(data))
                taken = min(len(room), len(data))  # type: ignore[arg-type]
                room[:taken] = data[:taken]  # type: ignore[index]
                self._protocol.buffer_updated(taken)
                data = data[taken:]
        else:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(data)

    def pause_reading(self) -> None:
        self._paused = self._paused or []

    def resume_reading(self) -> None:
        waiting, self._paused = self._paused or [], None
        for data in waiting:
            self._loop.call_soon(self.arrives, data)

    def is_reading(self) -> bool:
        return self._paused is None

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)
            if self._other is not None:
                self._loop.call_soon(self._other.close)

    abort = close


class _Listening(asyncio.AbstractServer):
    """A listening port."""

    def __init__(self, loop: "DayLoop", factory: Callable[[], asyncio.BaseProtocol], port: int) -> None:
        self.factory = factory
        self._loop = loop
        self._port = port

    @property
    def sockets(self) -> "list[_Listening]":
        return [self]

    def getsockname(self) -> tuple[str, int]:
        """As a socket says it."""
        return ("127.0.0.1", self._port)

    def close(self) -> None:
        self._loop.listening.pop(self._port, None)

    async def wait_closed(self) -> None:
        pass


class _Datagrams(asyncio.DatagramTransport):
    """One datagram socket; without `remote` it listens."""

    def __init__(self, loop: "DayLoop", protocol: asyncio.DatagramProtocol, port: int, remote: int | None) -> None:
        super().__init__({"sockname": ("127.0.0.1", port)})
        self._loop = loop
        self._protocol = protocol
        self._port, self._remote = port, remote

    def sendto(self, data: Any, addr: Any = None) -> None:
        port = self._remote if addr is None else addr[1]
        other = self._loop.datagrams.get(port)
        if other is not None:
            self._loop.call_soon(other._protocol.datagram_received, bytes(data), ("127.0.0.1", self._port))

    def close(self) -> None:
        if self._loop.datagrams.pop(self._port, None) is not None:
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close


class DayLoop(SimulatedLoop):
    """Virtual time, and a network in memory in place of the machine's. `cut` holds ports that refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.listening: dict[int, _Listening] = {}
        self.datagrams: dict[int, _Datagrams] = {}
        self.connections: list[tuple[int, _End]] = []
        self.cut: set[int] = set()
        self._ports = itertools.count(20_000)

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:  # type: ignore[override]
        number = port or next(self._ports)
        if number in self.listening:
            raise OSError(98, "Address already in use")
        self.listening[number] = _Listening(self, protocol_factory, number)
        return self.listening[number]

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:  # type: ignore[override]
        server = self.listening.get(port)
        if server is None or port in self.cut:
            raise ConnectionRefusedError(111, "Connection refused")
        near = _End(self, protocol_factory(), port)
        far = _End(self, server.factory(), next(self._ports))
        near.join(far)
        self.connections = [(at, end) for at, end in self.connections if not end.is_closing()]
        self.connections.append((port, near))
        return near, near.get_protocol()

    async def create_datagram_endpoint(  # type: ignore[override]
        self, protocol_factory: Any, local_addr: Any = None, remote_addr: Any = None, **more: Any
    ) -> Any:
        port = next(self._ports)
        protocol = protocol_factory()
        transport = _Datagrams(self, protocol, port, remote_addr[1] if remote_addr else None)
        self.datagrams[port] = transport
        protocol.connection_made(transport)
        return transport, protocol

    def cut_off(self, port: int) -> None:
        """Nobody gets through to this port until it is taken from `cut`."""
        self.cut.add(port)
        for number, end in self.connections:
            if number == port:
                end.close()


class MemoryPort(PtyPort):
    """The bus of a serial line, on a port in memory."""

    ports: ClassVar[dict[str, "MemoryPort"]] = {}
    chunk_s = 0.05
    forget_s = 0.01  # a request comes whole: what is quiet longer than any gap in it is over

    wire: "SerialMemory | None" = None
    pulled = False
    """The adapter is not there."""

    def open(self) -> None:
        self.path = f"memory:{len(self.ports)}"
        self.ports[self.path] = self

    def close(self) -> None:
        self.ports.pop(self.path, None)
        self._outbox.close()
        if self._forget is not None:
            self._forget.cancel()
        self.path = ""

    def pull(self) -> None:
        """The adapter is pulled out: who has it open loses it."""
        self.pulled = True
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.gone()

    def heard(self, data: bytes) -> None:
        """Bytes from the gateway."""
        self._heard(data)

    def _rate(self) -> int:
        return self.wire.baudrate if self.wire is not None else 0

    def _write(self, data: bytes) -> None:
        if self.wire is not None:
            self.wire.received(data)


class SerialMemory:
    """The gateway's end of it. A Wire."""

    def __init__(self, port: MemoryPort, spec: LineSpec, received: Received, lost: Lost) -> None:
        self.baudrate = spec.baudrate
        self.received = received
        self._lost = lost
        self._port = port
        port.wire = self

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._port.heard, bytes(data))

    def set_up(self, spec: LineSpec) -> None:
        """Another baud rate."""
        self.baudrate = spec.baudrate

    def close(self) -> None:
        if self._port.wire is self:
            self._port.wire = None

    def gone(self) -> None:
        """The adapter was pulled out."""
        self._lost(f"{self._port.path}: the adapter is gone")


async def _open_serial(spec: LineSpec, received: Received, lost: Lost) -> Wire:
    port = MemoryPort.ports.get(spec.path or "")
    if port is None or port.pulled:
        raise LineDown(f"{spec.path}: no such device")
    if port.wire is not None:
        raise LineDown(f"{spec.path}: held by another")
    return SerialMemory(port, spec, received, lost)


@contextlib.contextmanager
def memory_ports() -> Iterator[None]:
    """Serial ports that are opened from now on are in memory, on both sides."""
    before = serial_port.open_serial
    serial_port.open_serial = _open_serial
    simulated_site.PtyPort = speaking.PtyPort = MemoryPort  # type: ignore[attr-defined,misc]
    try:
        yield
    finally:
        serial_port.open_serial = before
        simulated_site.PtyPort = speaking.PtyPort = PtyPort  # type: ignore[attr-defined,misc]
        MemoryPort.ports.clear()
