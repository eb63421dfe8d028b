"""One connection to a broker, from CONNECT to its loss, driven by the event loop."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.broker import tls
from gateway.broker.address import BrokerAddress, Message
from gateway.broker.dialling import properties as new_properties
from gateway.broker.failure import ConnectFailed, alert, refused

if TYPE_CHECKING:  # paho costs 12 MB and 50 ms: it is imported by the first connection, in its thread
    from gateway.broker.client import ShortClient

T = TypeVar("T")

TICK_S = 1.0
"""How often paho looks after its keep-alive, which has whole seconds."""
DISCONNECT_S = 1.0
"""Longest wait until a DISCONNECT is written."""
QUICKACK = getattr(socket, "TCP_QUICKACK", 12)
"""tcp(7): holds until the kernel thinks otherwise, so that it is said again and again."""
SESSION_TAKEN_OVER = 0x8E
KEEP_ALIVE_TIMEOUT = 0x8D
PROTOCOL_ERROR = 0x82
# What paho's decoders raise on input that is not MQTT, found by feeding them garbage
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


class Lost(Exception):
    """The connection is gone; the text says why."""


class SubscriptionRefused(Exception):
    """The broker answered a subscription with a failure code; the text names topic and code."""


class Connection:
    """A connection that the broker accepted. Used from the event loop only."""

    def __init__(
        self, client: "ShortClient", address: BrokerAddress, loop: asyncio.AbstractEventLoop, own_expiry_s: float | None
    ) -> None:
        self.window = address.window
        """Most messages that may be unacknowledged: the smaller of the setting and the broker's Receive Maximum."""
        self.largest: int | None = None
        """Largest packet that the broker takes, None if it set no limit."""
        self.keeps_retained = True
        """Whether the broker takes retained messages."""
        self.certificate_expiry_s = own_expiry_s
        """When the first of own and broker's certificate ends (UTC, s since 1970)."""
        self.lost = asyncio.Event()
        self.reason = ""
        """Why it was lost, in words."""
        self.taken_over = False
        """Whether the broker said that another client has taken this client id."""
        self.by_peer = False
        """Whether the other side ended it."""
        self.deliver: Callable[[Message], None] = lambda message: None
        """Called with each message received; must not raise."""
        self.accepted: asyncio.Future[None] = loop.create_future()
        self._client = client
        self._address = address
        self._loop = loop
        self._unacknowledged: dict[int, Callable[[int], None]] = {}
        self._unanswered: dict[int, asyncio.Future[Iterable[Any]]] = {}
        self._heard = _Heard()
        self._writing = False
        self._flushing = False  # at the end of this turn of the event loop
        self._reading = False
        self._ended = False
        self._leaving = False
        self._fd = -1
        self._ticking: asyncio.TimerHandle | None = None
        self._attach()

    def send(self, topic: str, body: bytes, done: Callable[[int], None], together: bool = False) -> None:
        """Publish with QoS 1; `done` gets the PUBACK's reason code (always 0 in MQTT 3.1.1). Raises Lost.

        The caller keeps to `window` and `fits`. `done` is not called any more once the connection is lost. What is sent
        `together` in one turn of the event loop is written at its end, in few system calls.
        """
        if self._ended:
            raise Lost(self.reason)
        self._track(self._client.publish(topic, body, 1), done, together)

    def _track(self, info: Any, done: Callable[[int], None], together: bool = False) -> None:
        self._unacknowledged[info.mid] = done
        if self._writing:
            return
        if not together:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._ended:  # the write found the connection broken
            raise Lost(self.reason)

    async def publish(
        self, topic: str, body: bytes, retain: bool = False, correlation: bytes | None = None, expiry_s: int = 0
    ) -> int:
        """Publish with QoS 1 and wait for the PUBACK; its reason code. Raises Lost. The caller has a timeout."""
        if self._ended:
            raise Lost(self.reason)
        properties = None
        if self._address.protocol == "5" and (correlation is not None or expiry_s):
            properties = new_properties("PUBLISH")
            if correlation is not None:
                properties.CorrelationData = correlation
            if expiry_s:
                properties.MessageExpiryInterval = expiry_s
        answered: asyncio.Future[int] = self._loop.create_future()
        self._track(self._client.publish(topic, body, 1, retain, properties), partial(_settle, answered))
        return await self._unless_lost(answered)

    async def subscribe(self, *topics: str) -> None:
        """Have messages on `topics` (QoS 1) given to `deliver`. Raises SubscriptionRefused, Lost.

        With MQTT 5 a message that was published to be retained says so whenever it comes.
        """
        if self._ended:
            raise Lost(self.reason)
        answered: asyncio.Future[Iterable[Any]] = self._loop.create_future()
        _, mid = self._client.subscribe([(topic, self._granted()) for topic in topics])
        if mid is None or self._ended:
            raise Lost(self.reason or "the connection is gone")
        self._unanswered[mid] = answered
        self._flush()
        for topic, code in zip(topics, await self._unless_lost(answered), strict=False):
            if code.is_failure:
                raise SubscriptionRefused(f"{topic}: {code} (0x{code.value:02X})")

    def fits(self, topic: str, body: bytes) -> bool:
        """Whether the broker takes a packet as large as this message makes (MQTT 5.0 §3.1.2.11.4)."""
        return self.largest is None or len(body) + len(topic.encode()) + 10 <= self.largest

    def pause(self, paused: bool) -> None:
        """Stop or go on reading; a consumer that is behind so holds the broker back."""
        if not self._ended:
            self._listen(not paused)
            if not paused and self._unread():
                self._loop.call_soon(self._readable)

    async def disconnect(self) -> None:
        """Send DISCONNECT, so that the broker forgets the last will, and close."""
        if not self._ended:
            self._leaving = True
            self._client.disconnect()
            self._flush()
            with suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_S):
                    await self.lost.wait()
        self.close("closed by this side")

    def close(self, reason: str) -> None:
        """Close without DISCONNECT: the broker publishes the last will. `reason` is kept unless there is one."""
        self._lose(reason)
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _granted(self) -> Any:
        if self._address.protocol != "5":
            return 1
        from paho.mqtt.subscribeoptions import SubscribeOptions

        return SubscribeOptions(qos=1, retainAsPublished=True)

    async def _unless_lost(self, answered: "asyncio.Future[T]") -> T:
        """The answer, or Lost as soon as the connection is."""
        gone = self._loop.create_task(self.lost.wait(), name="broker-lost")
        try:
            await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if answered.done():
            return answered.result()
        raise Lost(self.reason)

    def _attach(self) -> None:
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_register_write = lambda client, userdata, sock: None  # else each publish writes by itself
        client.on_socket_close = lambda client, userdata, sock: self._detach()
        client.enable_logger(self._heard)  # type: ignore[arg-type]
        sock = client.socket()
        if sock is None:  # the CONNECT could not be written
            self._lose("the connection was closed while it was being made")
            return
        self._tell_tcp(socket.TCP_NODELAY)
        self._fd = sock.fileno()
        self._listen(True)
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        self._flush()

    def _detach(self) -> None:
        """Leave the event loop; runs before the file descriptor is closed, which the next socket may get again."""
        if self._reading:
            self._listen(False)
        if self._writing:
            self._loop.remove_writer(self._fd)
            self._writing = False

    def _listen(self, wanted: bool) -> None:
        if wanted and not self._reading:
            self._loop.add_reader(self._fd, self._readable)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._fd)
        self._reading = wanted

    def _readable(self) -> None:
        if not self._reading:
            return
        try:
            self._client.loop_read()
            while self._reading and self._unread():
                self._client.loop_read()
        except _MALFORMED as error:
            self.close(f"the broker sent what is not MQTT ({type(error).__name__}: {error})")
        self._flush()
        if self._unacknowledged:
            # A broker's kernel keeps the second of two small PUBACKs until the first is acknowledged, and ours would
            # wait 40 ms with that for something to send.
            self._tell_tcp(QUICKACK)

    def _tell_tcp(self, option: int) -> None:
        sock: Any = self._client.socket()
        if sock is not None:
            with suppress(OSError):  # it has just been closed
                sock.setsockopt(socket.IPPROTO_TCP, option, 1)

    def _unread(self) -> bool:
        """Whether there is something that wakes no selector: read together with what came before it, or decrypted."""
        sock = self._client.socket()
        return sock is not None and (self._client.unread or (hasattr(sock, "pending") and sock.pending() > 0))

    def _flush(self) -> None:
        """Write what paho has queued; what the socket does not take now follows when it does."""
        self._flushing = False
        if self._ended:
            return
        if self._client.want_write():
            self._client.loop_write()
        if self._ended:
            return
        blocked = self._client.want_write()
        if blocked and not self._writing:
            self._loop.add_writer(self._fd, self._flush)
        elif self._writing and not blocked:
            self._loop.remove_writer(self._fd)
        self._writing = blocked

    def _tick(self) -> None:
        self._client.loop_misc()
        if not self._ended:
            self._flush()
            self._ticking = self._loop.call_later(TICK_S, self._tick)

    def _lose(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        self.reason = reason
        self._detach()
        if self._ticking is not None:
            self._ticking.cancel()
        self._unacknowledged.clear()
        self.lost.set()
        if not self.accepted.done():
            self.accepted.set_exception(ConnectFailed(*self._why_not_accepted(reason)))
            self.accepted.exception()  # whoever waited may be gone

    def _why_not_accepted(self, reason: str) -> tuple[str, str]:
        meaning = alert(self._heard.last)
        cause, words = meaning or ("closed", f"the broker closed the connection instead of accepting it ({reason})")
        if meaning is None and self._address.protocol == "5":
            words += "; if it is an old one, set protocol: 3.1.1"
        return cause, f"{self._address.host}:{self._address.port}: {words}"

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if self.accepted.done():
            return
        if code.is_failure:
            self.accepted.set_exception(refused(code.value, str(code), self._address))
            self.accepted.exception()
            return
        self.window = max(1, min(self.window, getattr(properties, "ReceiveMaximum", 65_535)))
        self.largest = getattr(properties, "MaximumPacketSize", None)
        self.keeps_retained = bool(getattr(properties, "RetainAvailable", 1))
        ends = (self.certificate_expiry_s, tls.peer_expiry(client.socket()))
        self.certificate_expiry_s = min((end for end in ends if end is not None), default=None)
        if getattr(properties, "MaximumQoS", 1) == 0:
            self.accepted.set_exception(refused(0x9B, "QoS not supported", self._address))
            self.accepted.exception()
            return
        self.accepted.set_result(None)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self.by_peer = not self._leaving and code.value != KEEP_ALIVE_TIMEOUT
        self.taken_over = flags.is_disconnect_packet_from_server and code.value == SESSION_TAKEN_OVER
        if flags.is_disconnect_packet_from_server:
            self._lose(f"the broker ended the connection: {code} (0x{code.value:02X})")
        elif self._leaving:
            self._lose("closed by this side")
        elif code.value == KEEP_ALIVE_TIMEOUT:
            self._lose("the broker is silent")
        elif code.value == PROTOCOL_ERROR:
            self._lose("the broker sent what is not MQTT")
        elif self._heard.last:
            meaning = alert(self._heard.last)
            self._lose(meaning[1] if meaning else f"the connection broke: {self._heard.last}")
        else:
            self._lose("the broker closed the connection")

    def _on_publish(self, client: Any, userdata: Any, mid: int, code: Any, properties: Any) -> None:
        done = self._unacknowledged.pop(mid, None)
        if done is not None:
            done(code.value)

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, codes: Any, properties: Any) -> None:
        answered = self._unanswered.pop(mid, None)
        if answered is not None and not answered.done():
            answered.set_result(codes)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        properties = message.properties
        self.deliver(
            Message(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", None),
                getattr(properties, "MessageExpiryInterval", None),
            )
        )


class _Heard:
    """Stands in for paho's logger: keeps the last warning, which alone says why TLS ended a connection."""

    def __init__(self) -> None:
        self.last = ""

    def log(self, level: int, text: str, *arguments: Any) -> None:
        if level >= 30:  # logging.WARNING; below it nothing is formatted
            self.last = str(arguments[0]) if arguments else text


def _settle(answered: "asyncio.Future[int]", code: int) -> None:
    if not answered.done():
        answered.set_result(code)
