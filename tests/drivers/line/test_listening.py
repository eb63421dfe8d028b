"""A listener of ours: who may connect, and what slow, hostile and silent peers can do to the others (nothing)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

from drivers.contract import Heard, Sample, Verdict, Whole
from drivers.errors import BadReply
from drivers.line import ListeningLine, listen_on
from drivers.line import listening as rules
from drivers.profile import LineSpec

PATIENCE_S = 20.0


class Lines:
    """Messages end in a newline; `v` and a number is one of ours, and is answered."""

    longest = 64
    silence_s = None
    safe_start = True

    def __init__(self, reply: bytes = b"") -> None:
        self.reply = reply

    def cut(self, data: bytes | bytearray) -> Verdict:
        at = data.find(b"\n")
        return Whole(at + 1, bytes(data[:at])) if at >= 0 else None

    def last_only(self, instrument: str) -> bool:
        return False

    def heard(self, message: bytes) -> Iterable[Heard]:
        if message[:1] != b"v":
            raise BadReply("not ours", "unknown")
        return [Heard("one", Sample((int(message[1:]),)), reply=self.reply)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Listening:
    def __init__(self, line: ListeningLine) -> None:
        self.line = line
        self.values: list[int] = []
        self._more = asyncio.Event()
        line.said.append(self._heard)

    def _heard(self, heard: Heard) -> None:
        assert heard.sample is not None
        value = heard.sample.values[0]
        assert isinstance(value, int)
        self.values.append(value)
        self._more.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not met():
                self._more.clear()
                with_timeout = asyncio.wait_for(self._more.wait(), 0.05)
                await asyncio.gather(with_timeout, return_exceptions=True)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.line.spec.port)


@asynccontextmanager
async def listening(reply: bytes = b"", **more: Any) -> AsyncIterator[Listening]:
    spec = LineSpec(name="loggers", kind="listen", host="127.0.0.1", port=free_port(), **more)
    line = listen_on(spec, Lines(reply))
    task = asyncio.create_task(line.run())
    try:
        assert await line.wait_up(PATIENCE_S)
        yield Listening(line)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not line.connections


async def gone(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has closed."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
    return True


async def test_what_is_said_is_heard_and_answered_on_the_same_connection() -> None:
    async with listening(b"ok\n") as here:
        reader, writer = await here.connect()
        for byte in b"v1\nv2\n":
            writer.write(bytes([byte]))
            await writer.drain()
        assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"ok\n"
        await here.until(lambda: here.values == [1, 2])
        assert here.line.state == "listening, 1 connected"
        writer.close()


async def test_last_words_before_the_end_of_a_connection_are_heard() -> None:
    async with listening() as here:
        for number in range(50):
            _, writer = await here.connect()
            writer.write(b"v%d\n" % number)
            writer.close()
        await here.until(lambda: len(here.values) == 50)


async def test_address_that_is_not_allowed_is_turned_away() -> None:
    async with listening(allow=("192.0.2.0/24",)) as here:
        reader, writer = await here.connect()
        assert await gone(reader)
        writer.close()
        assert here.line.faults["not_allowed"] == 1
        assert not here.values


async def test_peer_that_says_nothing_useful_is_hung_up_on() -> None:
    async with listening() as here:
        reader, writer = await here.connect()
        for _ in range(100):
            writer.write(b"nonsense\n" * 200)
            try:
                await writer.drain()
            except ConnectionError:
                break
        assert await gone(reader)
        writer.close()
        assert here.line.faults["stranger"] == 1


async def test_peer_that_never_speaks_is_hung_up_on(monkeypatch: Any) -> None:
    monkeypatch.setattr(rules, "STRANGER_S", 0.2)
    monkeypatch.setattr(rules, "LOOK_S", 0.05)
    async with listening() as here:
        reader, writer = await here.connect()
        assert await gone(reader)
        writer.close()
        assert here.line.faults["stranger"] == 1


async def test_idle_connection_is_closed_and_counted(monkeypatch: Any) -> None:
    monkeypatch.setattr(rules, "LOOK_S", 0.05)
    async with listening(idle_s=0.3) as here:
        reader, writer = await here.connect()
        writer.write(b"v1\n")
        assert await gone(reader)
        writer.close()
        assert (here.values, here.line.faults["idle"]) == ([1], 1)


async def test_full_house_gives_a_strangers_place_to_a_newcomer_and_never_a_guests(monkeypatch: Any) -> None:
    monkeypatch.setattr(rules, "CHANCE_S", 0.0)
    async with listening(connections=2) as here:
        _guest, guest_writer = await here.connect()
        guest_writer.write(b"v1\n")
        await here.until(lambda: here.values == [1])
        stranger, stranger_writer = await here.connect()
        await here.until(lambda: len(here.line.connections) == 2)
        _, newcomer_writer = await here.connect()
        assert await gone(stranger)
        newcomer_writer.write(b"v2\n")
        await here.until(lambda: here.values == [1, 2])
        refused, refused_writer = await here.connect()
        assert await gone(refused)
        guest_writer.write(b"v3\n")
        await here.until(lambda: here.values == [1, 2, 3])
        assert here.line.faults["full"] == 2
        for writer in (guest_writer, stranger_writer, newcomer_writer, refused_writer):
            writer.close()


async def test_newcomer_is_not_thrown_out_before_it_can_speak() -> None:
    async with listening(connections=1) as here:
        _, first = await here.connect()
        await here.until(lambda: len(here.line.connections) == 1)
        refused, second = await here.connect()
        assert await gone(refused)
        first.write(b"v1\n")
        await here.until(lambda: here.values == [1])
        first.close()
        second.close()


async def test_flood_of_one_peer_is_slowed_down_and_keeps_nobody_waiting() -> None:
    async with listening() as here:
        _, flood = await here.connect()

        async def pour() -> None:
            while True:
                flood.write(b"v0\n" * 4000)
                await flood.drain()

        pouring = asyncio.create_task(pour())
        await here.until(lambda: len(here.values) > rules.BURST)
        _, honest = await here.connect()
        for number in range(1, 6):
            honest.write(b"v%d\n" % number)
            await here.until(lambda number=number: number in here.values)  # type: ignore[misc]
        assert len(here.line.connections) == 2  # it is one of ours: slowed down, and not thrown out
        assert max(len(peer.ear) for peer in here.line.connections) <= rules.HELD + rules.READ
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        assert [value for value in here.values if value] == [1, 2, 3, 4, 5]
        flood.transport.abort()
        honest.close()


async def test_strangers_who_come_again_and_again_get_no_more_than_their_share() -> None:
    async with listening() as here:
        began_s = asyncio.get_running_loop().time()

        async def pour() -> None:
            while True:
                _, stranger = await here.connect()
                with closing(stranger.transport), suppress(ConnectionError):
                    while True:
                        stranger.write(b"nonsense\n" * 100)
                        await stranger.drain()

        pouring = [asyncio.create_task(pour()) for _ in range(20)]
        await here.until(lambda: here.line.faults["unknown"] >= rules.STRANGERS_BURST + 50)
        _, honest = await here.connect()
        honest.write(b"v1\n")
        await here.until(lambda: here.values == [1])  # a newcomer has his turn among them
        honest.close()
        for one in pouring:
            one.cancel()
        await asyncio.gather(*pouring, return_exceptions=True)
        spent_s = asyncio.get_running_loop().time() - began_s
        heard = here.line.faults["unknown"]
        assert heard <= rules.STRANGERS_BURST + spent_s * rules.STRANGERS_RATE + rules.STRANGERS_TURN


async def test_full_house_gives_up_whoever_talks_nonsense_before_his_chance_is_over() -> None:
    async with listening(connections=2) as here:
        babbler, babbling = await here.connect()
        babbling.write(b"nonsense\n" * rules.NONSENSE)
        await here.until(lambda: here.line.faults["unknown"] == rules.NONSENSE)
        _, quiet = await here.connect()
        await here.until(lambda: len(here.line.connections) == 2)
        _, newcomer = await here.connect()
        assert await gone(babbler)
        newcomer.write(b"v1\n")
        quiet.write(b"v2\n")  # who has said nothing yet still has his chance
        await here.until(lambda: sorted(here.values) == [1, 2])
        for writer in (babbling, quiet, newcomer):
            writer.close()


async def test_peer_that_does_not_read_its_answers_is_hung_up_on() -> None:
    async with listening(b"x" * 60_000 + b"\n") as here:
        _deaf, writer = await here.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"v1\n" * 400)
        await here.until(lambda: here.line.faults["unread"] == 1)
        _, other = await here.connect()
        other.write(b"v2\n")
        await here.until(lambda: 2 in here.values)
        writer.transport.abort()
        other.close()


async def test_port_that_somebody_else_has_is_a_line_that_is_down_and_heals() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        line = listen_on(LineSpec(name="loggers", kind="listen", host="127.0.0.1", port=port), Lines())
        task = asyncio.create_task(line.run())
        assert not await line.wait_up(0.3)
        assert line.state.startswith(f"127.0.0.1:{port}: ")
        assert "in use" in line.state.lower()
    assert await line.wait_up(PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
