"""Commands from a broker and their replies, over a real mosquitto."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.batch import Batch
from gateway.broker import Address, connect
from gateway.reading import Event
from gateway.uplink import Commands, Permission
from tests.fakes.memory_log import MemoryLog
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.site_uplink import ROOT, Settings, Subscriber, SystemTime, running, until

pytestmark = pytest.mark.timeout(60)


def commands(events: list[Event]) -> Commands:
    async def status(args: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"well": True}

    async def keep(data: bytes, until_ms: int) -> None:
        return None

    return Commands(Permission(["status", "backfill"], []), {"status": status}, SystemTime(), events.append, keep)


def request(name: str, identity: str, **args: Any) -> bytes:
    expires = SystemTime().now_ms() + 60_000
    return json.dumps({"v": 1, "id": identity, "name": name, "args": args, "expires": expires}).encode()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_command_is_answered_on_the_reply_topic(tmp_path: Path, protocol: str) -> None:
    log, events = MemoryLog(), list[Event]()
    batches = log.commit(5)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port, protocol=protocol), commands=commands(events)) as uplink,
    ):
        await until(lambda: uplink.acknowledged == 5)
        console = await connect(Address(broker.host, broker.port))
        await console.publish(f"{ROOT}/command", request("status", "one"))
        low, high = batches[0].created_ms - 999, batches[-1].created_ms + 1
        first = orjson.loads((await subscriber.received("reply", 1))[0])
        assert first == {"v": 1, "id": "one", "ok": True, "result": {"well": True}}
        await console.publish(f"{ROOT}/command", request("backfill", "two", **{"from": low, "to": high}))
        second = orjson.loads((await subscriber.received("reply", 2))[1])
        assert second["result"] == {"intervals": [{"from": low, "to": high, "answer": "sent"}]}
        assert len(await subscriber.received("backfill", 10)) == 10
        await console.disconnect()
    assert [event.data["name"] for event in events] == ["status", "backfill"]


class UnhurriedLog(MemoryLog):
    """Finds that a range has no further batch only when all of it is acknowledged, as a large log on a card does."""

    async def between(self, from_ms: int, to_ms: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        page = await super().between(from_ms, to_ms, after, limit)
        if not page:
            await until(lambda: len(self.settled["city"]) == 2 * len(self.batches))
        return page


async def test_a_range_whose_last_batch_is_acknowledged_before_its_end_is_found_is_answered(tmp_path: Path) -> None:
    log = UnhurriedLog()
    batches = log.commit(3)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port), commands=commands([])) as uplink,
    ):
        await until(lambda: uplink.acknowledged == 3)
        console = await connect(Address(broker.host, broker.port))
        asked = {"from": batches[0].created_ms - 999, "to": batches[-1].created_ms + 1}
        await console.publish(f"{ROOT}/command", request("backfill", "one", **asked))
        answered = orjson.loads((await subscriber.received("reply", 1))[0])
        assert answered["result"] == {"intervals": [{**asked, "answer": "sent"}]}
        await console.disconnect()


async def test_a_range_in_which_there_is_nothing_is_answered_and_live_batches_go_on(tmp_path: Path) -> None:
    log, events = MemoryLog(), list[Event]()
    log.commit(3)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port), commands=commands(events)) as uplink,
    ):
        await until(lambda: uplink.acknowledged == 3)
        console = await connect(Address(broker.host, broker.port))
        for number in range(2):
            await console.publish(f"{ROOT}/command", request("backfill", f"no-{number}", **{"from": 1, "to": 2}))
            answer = orjson.loads((await subscriber.received("reply", number + 1))[number])
            assert answer["result"] == {"intervals": [{"from": 1, "to": 2, "answer": "never measured"}]}
        log.commit(1)
        await until(lambda: uplink.acknowledged >= 4)
        await console.disconnect()


async def test_a_retained_command_is_refused_at_every_connection_and_never_done(tmp_path: Path) -> None:
    log, events = MemoryLog(), list[Event]()
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        console = await connect(Address(broker.host, broker.port))
        await console.publish(f"{ROOT}/command", request("status", "old"), retain=True)
        async with running(log, Settings(broker.host, broker.port), commands=commands(events)):
            reply = orjson.loads((await subscriber.received("reply", 1))[0])
        assert reply["error"]["code"] == "retained"
        await console.disconnect()


async def test_a_clean_stop_sends_the_reply_of_a_command_under_way(tmp_path: Path) -> None:
    log = MemoryLog()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def status(args: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.set()
        await go_on.wait()
        return {}

    async def keep(data: bytes, until_ms: int) -> None:
        return None

    slow = Commands(Permission(["status"], []), {"status": status}, SystemTime(), lambda event: None, keep)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port), commands=slow) as uplink,
    ):
        await until(lambda: uplink.connected)
        console = await connect(Address(broker.host, broker.port))
        await console.publish(f"{ROOT}/command", request("status", "last"))
        await begun.wait()
        stopping = asyncio.ensure_future(uplink.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        assert len(await subscriber.received("reply", 1)) == 1
        assert orjson.loads((await subscriber.received("status", 2))[1])["state"] == "offline"
        await console.disconnect()
