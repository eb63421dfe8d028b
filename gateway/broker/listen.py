"""A subscriber: for `verify` on a broker, for the demo's table, for tests."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from gateway.broker.address import BrokerAddress, Message
from gateway.broker.connection import Lost
from gateway.broker.network import connect

ROOM = 1000
"""Messages waiting for the consumer after which reading stops; the broker then holds them back."""


async def listen(
    address: BrokerAddress, *topics: str, subscribed: Callable[[], None] | None = None
) -> AsyncGenerator[Message, None]:
    """Messages on `topics` until the connection is lost. Raises ConnectFailed, SubscriptionRefused, Lost.

    `subscribed` is called when the broker has accepted the subscription. Close the generator (`aclosing`) to leave.
    """
    connection = await connect(address, largest=None)
    waiting: deque[Message] = deque()
    arrived = asyncio.Event()

    def deliver(message: Message) -> None:
        waiting.append(message)
        arrived.set()
        if len(waiting) >= ROOM:
            connection.pause(True)

    connection.deliver = deliver
    gone = asyncio.create_task(connection.lost.wait(), name="listen-lost")
    gone.add_done_callback(lambda task: arrived.set())
    try:
        await connection.subscribe(*topics)
        if subscribed is not None:
            subscribed()
        while True:
            while waiting:
                yield waiting.popleft()
                if len(waiting) == ROOM // 2:
                    connection.pause(False)
            arrived.clear()
            if connection.lost.is_set():
                raise Lost(connection.reason)
            await arrived.wait()
    finally:
        gone.cancel()
        await connection.disconnect()
