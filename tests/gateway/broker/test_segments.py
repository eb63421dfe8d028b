"""However a broker cuts what it sends, and whatever stands behind it, each byte counts once and in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from gateway.broker import Address, Connection, Message, connect
from tests.fakes.scripted_broker import ScriptedBroker, puback, publish
from tests.fakes.secure import Secure
from tests.fakes.site_uplink import until

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"]),
]

DISCONNECT = b"\xe0\x01\x8b"
"""The server is shutting down (MQTT 5.0 §3.14.2.1)."""


class Scene:
    """A client of a scripted broker with `sent` messages on their way; packet identifiers count from 1."""

    def __init__(self, broker: ScriptedBroker, connection: Connection) -> None:
        self.broker = broker
        self.connection = connection
        self.codes: list[tuple[int, int]] = []
        self.messages: list[bytes] = []
        connection.deliver = self._deliver

    def send(self, count: int) -> None:
        for number in range(1, count + 1):
            self.connection.send("a/b", b"body", partial(self._answered, number), together=True)

    def _answered(self, number: int, code: int) -> None:
        self.codes.append((number, code))

    def _deliver(self, message: Message) -> None:
        self.messages.append(message.payload)


@asynccontextmanager
async def scene(
    folder: Path, tls: bool, protocol: str = "5", sent: int = 0, keepalive_s: float = 20
) -> AsyncIterator[Scene]:
    secure = Secure(folder) if tls else None
    async with ScriptedBroker(protocol, secure and secure.context()) as broker:
        authority = str(secure.authority) if secure else None
        address = Address(
            "127.0.0.1", broker.port, tls, protocol, ca_file=authority, keepalive_s=keepalive_s, window=10_000
        )
        connection = await connect(address)
        found = Scene(broker, connection)
        found.send(sent)
        await until(lambda: not connection._flushing)
        yield found
        connection.close("tried")


def cut(stream: bytes, random: Random) -> Sequence[bytes]:
    """In pieces of every size, most of them small or about as large as what is read at once."""
    pieces, at = [], 0
    while at < len(stream):
        size = random.choice((1, 2, 3, 5, 50, 4095, 4096, 4097, 16_384, 40_000))
        pieces.append(stream[at : at + size])
        at += size
    return pieces


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_acknowledgements_before_an_end_in_the_same_segment_count(
    tmp_path: Path, tls: bool, protocol: str
) -> None:
    async with scene(tmp_path, tls, protocol, sent=3) as on:
        await on.broker.send(puback(1) + puback(2) + puback(3)[:3])
        on.broker.end()
        await on.connection.lost.wait()
        assert on.codes == [(1, 0), (2, 0)]  # the third was not all there
        assert on.connection.by_peer


async def test_acknowledgements_before_a_disconnect_in_the_same_segment_count_and_none_behind_it(
    tmp_path: Path, tls: bool
) -> None:
    async with scene(tmp_path, tls, sent=4) as on:
        await on.broker.send(puback(1) + puback(2, 0x10) + puback(3, 0x97, b"") + DISCONNECT + puback(4))
        await on.connection.lost.wait()
        assert on.codes == [(1, 0), (2, 0x10), (3, 0x97)]
        assert "Server shutting down (0x8B)" in on.connection.reason


async def test_acknowledgements_of_every_length_say_what_they_say(tmp_path: Path, tls: bool) -> None:
    reason = b"\x1f\x00\x04full" + b"\x26\x00\x01k\x00\x01v"
    answers = (
        puback(1)
        + puback(2, 0)
        + puback(3, 0, b"")
        + puback(4, 0x10)
        + puback(5, 0x97, reason)
        + puback(99)
        + puback(6)
    )
    async with scene(tmp_path, tls, sent=6) as on:
        await on.broker.send(answers)
        await until(lambda: len(on.codes) == 6)
        assert on.codes == [(1, 0), (2, 0), (3, 0), (4, 0x10), (5, 0x97), (6, 0)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_large_commands_between_acknowledgements_arrive_whole_however_they_are_cut(
    tmp_path: Path, tls: bool, protocol: str
) -> None:
    seed = Random().randrange(1 << 32)
    print(f"seed {seed}")
    random = Random(seed)
    bodies = [random.randbytes(random.choice((0, 3, 4000, 4096, 9000, 70_000))) for _ in range(40)]
    stream, mid = b"", 0
    for number, body in enumerate(bodies):
        for _ in range(random.choice((0, 1, 7, 1500))):
            if mid < 9000:
                mid += 1
                stream += puback(mid)
        stream += publish(number + 1, "a/command", body, protocol) + (b"\xd0\x00" if random.random() < 0.3 else b"")
    async with scene(tmp_path, tls, protocol, sent=mid) as on:
        await on.broker.send(*cut(stream, random))
        await until(lambda: len(on.codes) == mid and len(on.messages) == len(bodies))
        assert on.messages == bodies
        assert on.codes == [(number, 0) for number in range(1, mid + 1)]
        acknowledged = b"".join(puback(number + 1) for number in range(len(bodies)))
        await until(lambda: on.broker.received.endswith(acknowledged))


async def test_a_reader_that_rests_again_and_again_gets_all_of_it(tmp_path: Path, tls: bool) -> None:
    random = Random(7)
    bodies = [b"%d" % number * (number % 50 + 1) for number in range(3000)]
    stream = b"".join(publish(number + 1, "a/b", body, "5") for number, body in enumerate(bodies))
    async with scene(tmp_path, tls) as on:

        def rest(message: Message) -> None:
            on.messages.append(message.payload)
            if random.random() < 0.1:
                on.connection.pause(True)
                asyncio.get_running_loop().call_later(random.choice((0, 0.001)), on.connection.pause, False)

        on.connection.deliver = rest
        await on.broker.send(*cut(stream, random))
        await until(lambda: len(on.messages) == len(bodies))
        assert on.messages == bodies
