"""One connection against a real mosquitto."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.broker import Address, ConnectFailed, Lost, Message, connect, listen, listening
from tests.fakes.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_published_message_arrives_and_is_acknowledged(tmp_path: Path, protocol: str) -> None:
    async with Mosquitto(tmp_path) as broker:
        address = Address(broker.host, broker.port, protocol=protocol)
        ready = asyncio.Event()
        async with aclosing(listen(address, "a/#", subscribed=ready.set)) as messages:
            first = asyncio.ensure_future(anext(messages))
            await ready.wait()
            connection = await connect(address)
            assert await connection.publish("a/b", b"body") == 0
            assert await first == Message("a/b", b"body")
            await connection.disconnect()
    assert connection.lost.is_set()


async def test_nobody_listening_is_a_reason_code(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        connection = await connect(Address(broker.host, broker.port))
        assert await connection.publish("a/b", b"body") == 0x10
        await connection.disconnect()


async def test_the_window_obeys_the_receive_maximum(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path, "max_inflight_messages 3\nmax_packet_size 2000") as broker:
        connection = await connect(Address(broker.host, broker.port))
        assert connection.window == 3
        assert connection.fits("a", bytes(1900))
        assert not connection.fits("a", bytes(2000))
        await connection.disconnect()


async def test_a_killed_broker_ends_the_connection_and_waiting_calls(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        connection = await connect(Address(broker.host, broker.port))
        broker.halt()
        waiting = asyncio.ensure_future(connection.publish("a", b""))
        await asyncio.sleep(0)
        broker.kill()
        with pytest.raises(Lost, match=r"closed|broke"):
            await waiting
        assert connection.by_peer
        with pytest.raises(Lost):
            connection.send("a", b"", lambda code: None)


async def test_the_last_will_speaks_for_a_connection_that_breaks_and_not_for_one_that_ends(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        address = Address(broker.host, broker.port)
        will = Message("w", b"gone", retain=True)
        ready = asyncio.Event()
        async with aclosing(listen(address, "w", "end", subscribed=ready.set)) as messages:
            first = asyncio.ensure_future(anext(messages))
            await ready.wait()
            orderly = await connect(address, will)
            await orderly.disconnect()
            other = await connect(address)
            await other.publish("end", b"")
            assert (await first).topic == "end"
            broken = await connect(address, will)
            broken.close("tried")
            assert (await anext(messages)).payload == b"gone"
            await other.disconnect()


async def test_a_second_client_with_the_same_id_takes_over(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        address = Address(broker.host, broker.port, client_id="one")
        first = await connect(address)
        second = await connect(address)
        await asyncio.wait_for(first.lost.wait(), 10)
        assert first.by_peer
        print(first.reason, first.taken_over)
        await second.disconnect()


async def test_a_refused_connection_says_so() -> None:
    address = Address("127.0.0.1", free_port())
    with pytest.raises(ConnectFailed, match="refused") as failure:
        await connect(address)
    assert failure.value.cause == "refused"
    assert not await listening(address)


async def test_a_name_that_does_not_exist_says_so() -> None:
    with pytest.raises(ConnectFailed) as failure:
        await connect(Address("no-such-host.invalid"))
    assert failure.value.cause in ("name", "timeout")


async def test_a_wrong_password_says_so(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    async with Mosquitto(tmp_path, anonymous=False) as broker:
        for protocol in ("5", "3.1.1"):
            address = Address(broker.host, broker.port, protocol=protocol, username="me", password_file=str(secret))
            with pytest.raises(ConnectFailed) as failure:
                await connect(address)
            assert failure.value.cause in ("password", "not_authorized")


async def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    address = Address("127.0.0.1", 1, username="me", password_file=str(tmp_path / "absent"))
    with pytest.raises(ConnectFailed, match="absent: No such file"):
        await connect(address)


async def test_a_broker_that_never_answers_is_given_up_in_time() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectFailed) as failure:
            await connect(Address("127.0.0.1", port), timeout_s=0.3)
        assert failure.value.cause == "timeout"
        await asyncio.wait_for(left.wait(), 10)
