"""A tap between a gateway and its MQTT 5 broker: notes each batch sent and each acknowledgement, and can misbehave.

It is the witness of promise P1: what counts is the PUBACK that went to the gateway, whatever the broker or a subscriber
does afterwards. All methods may be called from any thread.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, DISCONNECT = 1, 2, 3, 4, 14
SLICE = 65_536


@dataclass(frozen=True, slots=True)
class Sent:
    """One PUBLISH from the gateway. `connection` counts from 1."""

    at_s: float
    connection: int
    topic: str
    payload: bytes
    mid: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One PUBACK that was passed on to the gateway."""

    at_s: float
    sent: Sent
    code: int


class MqttTap:
    """Listens on `port`, passes on to the broker at `broker_port`. The attributes below may be set at any time."""

    def __init__(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self.sent: list[Sent] = []
        self.acknowledged: list[Acknowledged] = []
        self.connects: list[float] = []
        """When a CONNECT came, on the monotonic clock."""
        self.bytes_per_s: float | None = None
        """How fast bytes of the gateway are passed on; None: at once."""
        self.halted = False
        """Nothing is read or passed on in either direction, and nothing is closed: a line gone dead."""
        self.acknowledging = True
        """Whether PUBACKs of the broker reach the gateway."""
        self.refuse: Callable[[Sent], int | None] = lambda sent: None
        """The reason code with which a message is refused instead of being passed on; None passes it on."""
        self.port = 0
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._changed = threading.Event()
        self._closed = False

    def open(self) -> None:
        """Listen, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def shut(self) -> None:
        """Stop listening: connections are refused from now on; those that stand stay."""
        if self._listener is not None:
            _close(self._listener)
            self._listener = None

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            _close(end)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.shut()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                gateway, _ = listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.broker_port))
            except OSError:
                gateway.close()
                continue
            with self._lock:
                self._ends |= {gateway, broker}
            connection = _Connection(self, gateway, broker)
            self._start(connection.forward)
            self._start(connection.back)

    def _wait_while_halted(self) -> None:
        while self.halted and not self._closed:
            time.sleep(0.02)

    def _passed(self, target: socket.socket, data: bytes) -> None:
        """Send, as slowly as is asked."""
        at = 0
        while at < len(data):
            self._wait_while_halted()
            rate = self.bytes_per_s
            step = len(data) - at if rate is None else 1
            target.sendall(data[at : at + step])
            at += step
            if rate is not None:
                time.sleep(1 / rate)


class _Connection:
    def __init__(self, tap: MqttTap, gateway: socket.socket, broker: socket.socket) -> None:
        self._tap = tap
        self._gateway = gateway
        self._broker = broker
        self._number = 0
        self._waiting: dict[int, Sent] = {}
        self._back = threading.Lock()

    def forward(self) -> None:
        """Gateway to broker."""
        tap = self._tap
        with contextlib.suppress(OSError):
            for packet in _packets(self._gateway, tap._wait_while_halted):
                kind = packet[0] >> 4
                if kind == CONNECT:
                    tap.connects.append(time.monotonic())
                    self._number = len(tap.connects)
                sent = _publish(packet, self._number) if kind == PUBLISH else None
                if sent is not None:
                    self._waiting[sent.mid] = sent
                    tap.sent.append(sent)
                    code = tap.refuse(sent)
                    if code is not None:
                        self._answer(bytes((PUBACK << 4, 3)) + sent.mid.to_bytes(2, "big") + bytes((code,)))
                        continue
                tap._passed(self._broker, packet)
        _close(self._broker)
        _close(self._gateway)

    def back(self) -> None:
        """Broker to gateway."""
        with contextlib.suppress(OSError):
            for packet in _packets(self._broker, self._tap._wait_while_halted):
                if packet[0] >> 4 == PUBACK and not self._tap.acknowledging:
                    continue
                self._answer(packet)
        _close(self._gateway)
        _close(self._broker)

    def _answer(self, packet: bytes) -> None:
        self._tap._wait_while_halted()
        with self._back:
            if packet[0] >> 4 == PUBACK:
                # before it is passed on: once the gateway has it, it counts
                sent = self._waiting.pop(int.from_bytes(packet[2:4], "big"))
                code = packet[4] if len(packet) > 4 else 0
                self._tap.acknowledged.append(Acknowledged(time.monotonic(), sent, code))
            self._gateway.sendall(packet)


def _packets(source: socket.socket, wait: Callable[[], None]) -> Iterator[bytes]:
    """Whole MQTT packets as they come."""
    waiting = bytearray()
    while True:
        wait()
        data = source.recv(SLICE)
        if not data:
            return
        wait()
        waiting += data
        while (end := _end(waiting)) is not None:
            yield bytes(waiting[:end])
            del waiting[:end]


def _end(data: bytearray) -> int | None:
    """Where the first packet ends (MQTT 5.0 §2.1.4), None while it is not whole."""
    length, shift = 0, 0
    for at in range(1, min(5, len(data))):
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            return at + 1 + length if len(data) >= at + 1 + length else None
    return None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends)."""
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def _publish(packet: bytes, connection: int) -> Sent | None:
    """The message of a PUBLISH with QoS 1 (MQTT 5.0 §3.3)."""
    if packet[0] >> 1 & 3 != 1:
        return None
    _, at = _varint(packet, 1)
    size = int.from_bytes(packet[at : at + 2], "big")
    topic = packet[at + 2 : at + 2 + size].decode()
    at += 2 + size
    mid = int.from_bytes(packet[at : at + 2], "big")
    properties, at = _varint(packet, at + 2)
    return Sent(time.monotonic(), connection, topic, packet[at + properties :], mid)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
