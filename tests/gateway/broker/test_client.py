"""What gateway/broker/client.py relies on in paho."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.broker import Address, connect, listen
from tests.fakes.mosquitto import Mosquitto

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_short_acknowledgement_is_success_and_nothing_is_unpacked_for_it(tmp_path: Path, protocol: str) -> None:
    async with Mosquitto(tmp_path) as broker:
        address = Address(broker.host, broker.port, protocol=protocol)
        ready = asyncio.Event()
        messages = listen(address, "a/#", subscribed=ready.set)
        first = asyncio.ensure_future(anext(messages))
        await ready.wait()
        connection = await connect(address)
        client: Any = connection._client
        told, codes = client.on_publish, []

        def keep(*arguments: Any) -> None:
            codes.append(arguments[3])
            told(*arguments)

        client.on_publish = keep
        assert [await connection.publish("a/b", b"body") for _ in range(3)] == [0, 0, 0]
        assert codes[0] is codes[1] is codes[2]  # paho's own way makes a new one each time
        assert not client._out_messages
        assert (await first).payload == b"body"
        await messages.aclose()
        await connection.disconnect()
