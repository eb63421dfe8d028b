"""Opening a connection, in a thread of its own: files, name, TCP, TLS, CONNECT; all of it may block."""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.broker import tls
from gateway.broker.address import BrokerAddress, Message
from gateway.broker.failure import ConnectFailed, named

if TYPE_CHECKING:  # paho costs 12 MB and 50 ms: it is imported by the first connection, in its thread
    from gateway.broker.client import ShortClient

Opened: TypeAlias = "tuple[ShortClient, float | None]"
"""The client with its CONNECT sent, and when its own certificate ends."""


async def in_thread(opening: Callable[[], Opened]) -> Opened:
    """The result of `opening`, from a thread that never delays the end of the program (looking up a name may hang)."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Opened] = loop.create_future()

    def hand_over(result: "Opened | ConnectFailed") -> None:
        if isinstance(result, ConnectFailed):
            if not opened.done():
                opened.set_exception(result)
        elif opened.done():  # nobody waits any more
            _drop(result[0])
        else:
            opened.set_result(result)

    def run() -> None:
        result: Opened | ConnectFailed
        try:
            result = opening()
        except ConnectFailed as failure:
            result = failure
        try:
            loop.call_soon_threadsafe(hand_over, result)
        except RuntimeError:  # the loop has ended meanwhile
            if not isinstance(result, ConnectFailed):
                _drop(result[0])

    threading.Thread(target=run, name="broker-connect", daemon=True).start()
    return await opened


def open_client(address: BrokerAddress, will: Message | None, largest: int | None, timeout_s: float) -> Opened:
    """Blocking: read the files, connect, shake hands, send CONNECT. Raises ConnectFailed."""
    own_expiry_s = tls.own_expiry(address)
    try:
        return _dial(address, will, largest, timeout_s), own_expiry_s
    except ConnectFailed as failure:
        failure.certificate_expiry_s = own_expiry_s
        raise


def properties(packet: str) -> Any:
    """Empty MQTT 5 properties of a packet."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    return Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]


def _dial(address: BrokerAddress, will: Message | None, largest: int | None, timeout_s: float) -> "ShortClient":
    from paho.mqtt.client import MQTTv5, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion

    from gateway.broker.client import ShortClient

    five = address.protocol == "5"
    client = ShortClient(
        CallbackAPIVersion.VERSION2,
        client_id=address.client_id or "",
        clean_session=None if five else True,
        protocol=MQTTv5 if five else MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = timeout_s
    client.max_inflight_messages_set(0)  # the caller keeps the window, so paho never queues
    if address.username is not None:
        client.username_pw_set(address.username, tls.password(address))
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
    if address.tls:
        client.tls_set_context(tls.context(address))
    limits = None
    if five and largest is not None:
        limits = properties("CONNECT")
        limits.MaximumPacketSize = largest
    keepalive = max(1, int(address.keepalive_s))
    try:
        if five:
            client.connect(address.host, address.port, keepalive, clean_start=True, properties=limits)
        else:
            client.connect(address.host, address.port, keepalive)
    except (OSError, ValueError) as error:
        raise named(error, address) from error
    return client


def _drop(client: "ShortClient") -> None:
    if (sock := client.socket()) is not None:
        sock.close()
