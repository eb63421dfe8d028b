"""Delivery against a real mosquitto."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import orjson
import pytest

from gateway.batch import FIRST_PREV, Batch, digest
from gateway.broker.client import ShortClient
from gateway.uplink import delivery
from tests.fakes.memory_log import GATEWAY, MemoryLog
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_tap import MqttTap, Sent
from tests.fakes.site_uplink import Settings, Subscriber, running, until

pytestmark = pytest.mark.timeout(60)


def seqs(bodies: list[bytes]) -> list[int]:
    return [orjson.loads(body)["seq"] for body in bodies]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_is_committed_while_connected_arrives_on_data_in_order(tmp_path: Path, protocol: str) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port, protocol=protocol)) as uplink:
            await until(lambda: uplink.connected)
            batches = log.commit(50)
            await until(lambda: uplink.acknowledged == 50)
        assert await subscriber.received("data", 50) == [batch.body for batch in batches]
        assert subscriber.bodies("backfill") == []
        assert log.settled["city"] == [batch.position for batch in batches]


class SlowlyReadLog(MemoryLog):
    """Its first page of a backlog was read before the live batches in it were acknowledged, and comes after that."""

    read = False

    async def undelivered(self, uplink: str, before: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        if self.read:
            return await super().undelivered(uplink, before, after, limit)
        self.read = True
        await until(lambda: len(self.settled.get(uplink, ())) == 10)
        return [batch for batch in self.batches.values() if batch.position < before]


async def test_a_live_batch_that_arrived_since_the_backlog_was_read_is_not_sent_again(tmp_path: Path) -> None:
    log = SlowlyReadLog()
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port)) as uplink,
    ):
        await until(lambda: uplink.connected and log.read)
        log.commit(10)
        await until(lambda: uplink.acknowledged == 10)
        log.commit(1)
        assert len(await subscriber.received("data", 11)) == 11
        await until(lambda: uplink.acknowledged == 11)
        assert subscriber.bodies("backfill") == []


async def test_what_was_committed_before_the_connection_arrives_on_backfill_in_order(tmp_path: Path) -> None:
    log = MemoryLog()
    before = log.commit(300)
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.connected)
            after = log.commit(3)
            await until(lambda: uplink.acknowledged == 303)
        assert await subscriber.received("data", 3) == [batch.body for batch in after]
        assert await subscriber.received("backfill", 300) == [batch.body for batch in before]


async def test_birth_and_catalogue_are_retained_and_a_clean_stop_says_offline(tmp_path: Path) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.connected)
            async with Subscriber(broker.host, broker.port) as late:
                await until(lambda: len(late.messages) == 2)
                assert all(message.retain for message in late.messages)
                birth = orjson.loads(late.bodies("status")[0])
                assert (birth["state"], birth["gateway"], birth["stream"]) == ("online", GATEWAY, log.stream)
                assert orjson.loads(late.bodies("points")[0])["instruments"] == []
                last = log.commit(1)
                await uplink.stop()
                await until(lambda: len(late.bodies("status")) == 2)
                assert orjson.loads(late.bodies("status")[1])["state"] == "offline"
                assert await late.received("data", 1) == [last[0].body]
        assert not uplink.connected


async def test_a_loss_makes_the_broker_say_offline(tmp_path: Path) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.connected)
        await until(lambda: len(subscriber.bodies("status")) == 2)
        assert orjson.loads(subscriber.bodies("status")[1])["state"] == "offline"


async def test_after_a_broker_restart_live_comes_first_and_nothing_is_missing(tmp_path: Path) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.connected)
            log.commit(5)
            await until(lambda: uplink.acknowledged == 5 and len(subscriber.bodies("data")) == 5)
            broker.kill()
            await until(lambda: not uplink.connected)
            log.commit(500)
            await subscriber.stop()
            await broker.start()
            began = asyncio.get_running_loop().time()
            await subscriber.start()
            await until(lambda: uplink.connected)
            assert asyncio.get_running_loop().time() - began < 5
            live = log.commit(2)
            await until(lambda: len(log.settled["city"]) == 507)
        assert (await subscriber.received("data", 7))[5:] == [batch.body for batch in live]
        backfilled = seqs(await subscriber.received("backfill", 500))
        assert backfilled == sorted(backfilled)
        assert set(backfilled) | set(seqs(subscriber.bodies("data"))) == set(range(1, 508))
        prev = FIRST_PREV
        received = {
            orjson.loads(message.payload)["seq"]: message.payload
            for message in subscriber.messages
            if message.topic.endswith(("/data", "/backfill"))
        }
        for seq in sorted(received):
            assert orjson.loads(received[seq])["prev"] == prev
            prev = digest(received[seq])


async def test_live_batches_overtake_a_long_backlog(tmp_path: Path) -> None:
    log = MemoryLog(padding=2000)
    log.commit(3000)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port, backlog_rate=10_000)) as uplink,
    ):
        await until(lambda: uplink.acknowledged > 100)
        live = log.commit(1)[0]
        await until(lambda: live.body in subscriber.bodies("data"))
        assert len(subscriber.bodies("backfill")) < 2900
        await until(lambda: uplink.acknowledged == 3001)


async def test_the_window_is_never_larger_than_the_receive_maximum(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(40)
    async with (
        Mosquitto(tmp_path, "max_inflight_messages 1") as broker,
        Subscriber(broker.host, broker.port),
        running(log, Settings(broker.host, broker.port)) as uplink,
    ):
        await until(lambda: uplink.connected)
        log.commit(40)
        await until(lambda: uplink.acknowledged == 80)


async def test_unheard_batches_are_kept_and_delivered_when_somebody_listens(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(30)
    async with (
        Mosquitto(tmp_path) as broker,
        running(log, Settings(broker.host, broker.port, unheard_retry_s=0.3)) as uplink,
    ):
        await until(lambda: uplink.unheard)
        log.commit(10)
        assert uplink.acknowledged == 0
        async with Subscriber(broker.host, broker.port) as subscriber:
            await until(lambda: log.backlog("city")[0] == 0)
            log.commit(1)
            await until(lambda: not uplink.unheard)
            assert uplink.refused["unheard"] >= 1
            await until(lambda: len(subscriber.bodies("backfill") + subscriber.bodies("data")) == 41)
            heard = seqs(subscriber.bodies("backfill")) + seqs(subscriber.bodies("data"))
            assert sorted(heard) == list(range(1, 42))


async def test_unheard_counts_as_delivery_where_the_site_says_so(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(10)
    async with (
        Mosquitto(tmp_path) as broker,
        running(log, Settings(broker.host, broker.port, accept_unheard=True)) as uplink,
    ):
        await until(lambda: uplink.acknowledged == 10)
        assert not uplink.unheard


async def test_what_falls_out_of_memory_before_it_could_go_live_is_backfilled(tmp_path: Path) -> None:
    log = MemoryLog(remembered=5)
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.connected)
            log.commit(100)
            await until(lambda: uplink.acknowledged == 100)
        assert seqs(await subscriber.received("data", 5)) == list(range(96, 101))
        assert seqs(await subscriber.received("backfill", 95)) == list(range(1, 96))


async def test_another_client_with_the_same_id_is_an_alarm_and_calms_down(tmp_path: Path) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker:
        settings = Settings(broker.host, broker.port)
        async with running(log, settings) as first, running(MemoryLog(), settings) as second:
            await until(lambda: any(event.kind == "uplink.takeover" for event in first.events + second.events), 30)
            loser = first if first.events else second
            assert "another client" in (loser.trouble or "")
            assert loser.events[0].level == "alarm"
            assert len(loser.events) == 1


async def test_a_requested_range_is_sent_again_and_answered_by_parts(tmp_path: Path) -> None:
    log = MemoryLog()
    first = log.commit(20)
    log.now_ms += 600_000  # the gateway was off
    second = log.commit(20)
    log.evict(5)
    async with Mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as subscriber:
        async with running(log, Settings(broker.host, broker.port)) as uplink:
            await until(lambda: uplink.acknowledged == 35)
            low, high = first[0].created_ms - 999, second[9].created_ms + 1
            answer = await asyncio.wait_for(uplink.backfill(low, high), 20)
            again = seqs(await subscriber.received("backfill", 35 + 26))[35:]
        assert [part["answer"] for part in answer] == ["evicted", "sent", "never measured", "sent"]
        assert (answer[0]["from"], answer[-1]["to"]) == (low, high)
        assert all(one["to"] == other["from"] for one, other in itertools.pairwise(answer))
        assert again == list(range(6, 32))


async def test_batches_that_come_back_after_damage_are_sent_over_the_connection_that_stands(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(8)
    async with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port) as subscriber,
        running(log, Settings(broker.host, broker.port)) as uplink,
    ):
        await until(lambda: uplink.acknowledged == 8)
        for position in (3, 4):
            log.unsettle(uplink.name, position)
        assert seqs(await subscriber.received("backfill", 10))[8:] == [3, 4]
        await until(lambda: uplink.acknowledged == 10)


async def test_the_backlog_rests_for_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAKE_WAY_S", 30.0)
    log = MemoryLog()
    log.commit(2000)
    async with (
        Mosquitto(tmp_path) as broker,
        running(log, Settings(broker.host, broker.port, accept_unheard=True)) as uplink,
    ):
        await until(lambda: uplink.acknowledged >= 100)
        log.under_way = asyncio.get_running_loop().create_future()
        before = uplink.acknowledged
        await asyncio.sleep(0.2)  # time for hundreds of batches
        assert uplink.acknowledged <= before + 20  # what was on its way
        log.commit(1)
        await until(lambda: 2001 in log.settled["city"])  # live data go
        log.under_way.set_result(None)
        await until(lambda: uplink.acknowledged == 2001)


async def test_a_slow_disk_does_not_hold_up_the_backlog(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(500)
    async with (
        Mosquitto(tmp_path) as broker,
        running(log, Settings(broker.host, broker.port, accept_unheard=True)) as uplink,
    ):
        log.under_way = asyncio.get_running_loop().create_future()
        await until(lambda: uplink.acknowledged == 500)  # though this commit never ends


async def test_commits_without_a_pause_leave_the_backlog_half_of_the_time(tmp_path: Path) -> None:
    log, commits = MemoryLog(), 0
    log.commit(2000)

    async def committing() -> None:
        nonlocal commits
        while True:
            before, log.under_way = log.under_way, asyncio.get_running_loop().create_future()
            if before is not None:
                before.set_result(None)
            commits += 1
            await asyncio.sleep(0.01)

    async with (
        Mosquitto(tmp_path) as broker,
        running(log, Settings(broker.host, broker.port, accept_unheard=True)) as uplink,
    ):
        disk = asyncio.create_task(committing())
        await until(lambda: uplink.acknowledged == 2000, 50)
        disk.cancel()
    assert commits < 2000 / 4  # 50 where nothing else runs; resting for each would let one batch go between two of them


async def test_messages_of_the_backlog_leave_together(tmp_path: Path) -> None:
    log = MemoryLog()
    log.commit(1000)
    async with Mosquitto(tmp_path) as broker:
        async with running(log, Settings(broker.host, broker.port, accept_unheard=True)) as uplink:
            await until(lambda: uplink.acknowledged >= 1)
            writes = 0
            send = ShortClient._sock_send

            def counted(client: ShortClient, data: bytes) -> int:
                nonlocal writes
                writes += 1
                return send(client, data)

            with patch.object(ShortClient, "_sock_send", counted):
                before = uplink.acknowledged
                await until(lambda: uplink.acknowledged == 1000)
        assert log.settled["city"] == sorted(log.settled["city"])
        assert writes <= (1000 - before) / 3  # half of a window of 15 each time


async def test_of_a_range_only_what_is_refused_is_sent_again_and_not_at_once(tmp_path: Path) -> None:
    log = MemoryLog()
    async with Mosquitto(tmp_path) as broker:
        with MqttTap(broker.port) as tap:
            async with running(log, Settings("127.0.0.1", tap.port, accept_unheard=True)) as uplink:
                await until(lambda: uplink.connected)
                batches = log.commit(30)
                await until(lambda: uplink.acknowledged == 30)
                asked: list[Sent] = []

                def refuse(sent: Sent) -> int | None:
                    asked.append(sent)
                    fifth = orjson.loads(sent.payload)["seq"] == 5
                    return 0x80 if fifth and sum(one.payload == sent.payload for one in asked) < 3 else None

                tap.refuse = refuse
                request = uplink.backfill(batches[0].created_ms, batches[-1].created_ms + 1)
                answer = await asyncio.wait_for(request, 20)
    assert [part["answer"] for part in answer] == ["sent"]
    times = Counter(orjson.loads(sent.payload)["seq"] for sent in asked)
    assert times == Counter(range(1, 31)) + Counter({5: 2, 30: 1})  # the last one proves that it is not the lane
    fifths = [sent.at_s for sent in asked if orjson.loads(sent.payload)["seq"] == 5]
    assert fifths[1] - fifths[0] >= 0.95
    assert fifths[2] - fifths[1] >= 0.95
