"""The way to brokers: one attempt to connect, from the CONNECT to the CONNACK."""

import asyncio
from functools import partial
from typing import Protocol

from gateway.broker.address import BrokerAddress, Message
from gateway.broker.connection import Connection
from gateway.broker.dialling import in_thread, open_client
from gateway.broker.failure import ConnectFailed

CONNECT_S = 8.0
"""Longest attempt. With the longest wait before it, 20 s, live data is back within 30 s (contract.md §2)."""
LARGEST_COMMAND = 64 * 1024
"""Maximum Packet Size announced to the broker: no command is larger, and memory stays bounded."""


class Network(Protocol):
    """The way to brokers: this package, or a simulated one."""

    async def connect(self, address: BrokerAddress, will: Message | None = None) -> "Connection":
        """See `connect` below."""

    async def listening(self, address: BrokerAddress) -> bool:
        """See `listening` below."""


async def connect(
    address: BrokerAddress,
    will: Message | None = None,
    largest: int | None = LARGEST_COMMAND,
    timeout_s: float = CONNECT_S,
) -> "Connection":
    """A connection with empty client state, CONNACK received. Raises ConnectFailed.

    `will` is what the broker publishes (QoS 1) if the connection is lost; `largest` the largest packet accepted.
    """
    loop = asyncio.get_running_loop()
    given_up = loop.time() + timeout_s
    try:
        async with asyncio.timeout_at(given_up):
            client, own_expiry_s = await in_thread(partial(open_client, address, will, largest, timeout_s))
        connection = Connection(client, address, loop, own_expiry_s)
        try:
            async with asyncio.timeout_at(given_up):
                await connection.accepted
        finally:
            if not _succeeded(connection.accepted):
                connection.close("not accepted")
    except TimeoutError:
        raise ConnectFailed("timeout", f"{address.host}:{address.port}: no answer in {timeout_s:g} s") from None
    return connection


async def listening(address: BrokerAddress, timeout_s: float = 1.0) -> bool:
    """Whether something accepts TCP connections there at this moment."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.close()
    return True


def _succeeded(future: "asyncio.Future[None]") -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
