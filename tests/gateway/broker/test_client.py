"""What gateway/broker/client.py relies on in paho."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.broker import Address, Lost, Message, connect, listen
from tests.fakes.mosquitto import Mosquitto, free_port
from tests.fakes.secure import Secure
from tests.fakes.site_uplink import until

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


class Told:
    """A connection whose writes are counted, and a subscriber of all it sends."""

    def __init__(self, broker: Mosquitto, secure: "tuple[Secure, int] | None" = None) -> None:
        self.address = Address(broker.host, broker.port)
        if secure is not None:
            self.address = replace(self.address, port=secure[1], tls=True, ca_file=str(secure[0].authority))
        self.bodies: list[bytes] = []
        self.acknowledged: list[int] = []
        self.writes = 0

    async def __aenter__(self) -> "Told":
        self.subscriber = await connect(self.address, largest=None)
        self.subscriber.deliver = lambda message: self.bodies.append(message.payload)
        await self.subscriber.subscribe("a/#")
        self.connection = await connect(self.address)
        client: Any = self.connection._client
        write = client._sock_send

        def counted(data: bytes) -> int:
            self.writes += 1
            return int(write(data))

        client._sock_send = counted
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.subscriber.disconnect()
        await self.connection.disconnect()

    def send(self, bodies: list[bytes], first: int = 0) -> None:
        for number, body in enumerate(bodies, first):
            self.connection.send("a/b", body, partial(self.answered, number), together=True)

    def answered(self, number: int, code: int) -> None:
        assert code == 0
        self.acknowledged.append(number)


async def test_what_is_sent_together_takes_one_system_call_and_arrives_in_order(tmp_path: Path) -> None:
    bodies = [b"%d" % number * (number + 1) for number in range(30)]
    async with Mosquitto(tmp_path) as broker, Told(broker) as told:
        told.send(bodies)
        assert told.writes == 0
        await until(lambda: len(told.acknowledged) == len(told.bodies) == 30)
        assert (told.writes, told.bodies, told.acknowledged) == (1, bodies, list(range(30)))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("at_once", [7, 10_000])
async def test_what_a_full_socket_does_not_take_follows_unaltered(tmp_path: Path, tls: bool, at_once: int) -> None:
    bodies = [b"%06d" % number * (number % 7 * 400 + 1) for number in range(3000)]
    secure = (Secure(tmp_path), free_port()) if tls else None
    settings = "max_inflight_messages 0\nmax_queued_messages 0\n" + (secure[0].listener(secure[1]) if secure else "")
    async with Mosquitto(tmp_path, settings) as broker, Told(broker, secure) as told:
        broker.halt()
        for first in range(0, 3000, at_once):
            told.send(bodies[first : first + at_once], first)
            await asyncio.sleep(0)
        await until(lambda: told.connection._writing)
        told.connection.send("a/b", b"last", partial(told.answered, 3000))
        broker.go_on()
        await until(lambda: len(told.acknowledged) == len(told.bodies) == 3001)
        assert told.bodies == [*bodies, b"last"]
        assert told.acknowledged == list(range(3001))


async def test_what_is_sent_together_over_a_broken_connection_is_lost_and_not_acknowledged(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, Told(broker) as told:
        broker.halt()
        told.send([b"body"] * 3)
        broker.kill()
        await told.connection.lost.wait()
        assert told.acknowledged == []
        with pytest.raises(Lost):
            told.send([b"body"])


async def test_a_reader_that_rests_gets_the_rest_when_it_goes_on(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, Told(broker) as told:
        told.subscriber.pause(True)
        came: list[bytes] = []

        def rest_at_third(message: Message) -> None:
            came.append(message.payload)
            if len(came) == 3:
                told.subscriber.pause(True)

        told.subscriber.deliver = rest_at_third
        told.send([b"%d" % number for number in range(10)])
        await until(lambda: len(told.acknowledged) == 10)
        told.subscriber.pause(False)
        await until(lambda: len(came) == 3)
        assert told.subscriber._unread()  # all ten came with one read
        told.subscriber.pause(False)
        await until(lambda: len(came) == 10)
        assert came == [b"%d" % number for number in range(10)]
