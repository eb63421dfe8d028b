"""What live data, the backlog and a range that was asked for do to one another in a narrow window."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.uplink.delivery import Delivery
from tests.fakes.memory_log import MemoryLog
from tests.fakes.scripted_broker import ScriptedBroker, puback
from tests.fakes.site_uplink import Settings, running, until

pytestmark = pytest.mark.timeout(30)


@asynccontextmanager
async def introduced(log: MemoryLog, receive_maximum: int) -> AsyncIterator[tuple[ScriptedBroker, Any]]:
    """A broker and an uplink whose birth and catalogue are acknowledged: the next packet identifier is 3."""
    limit = b"\x21" + receive_maximum.to_bytes(2, "big")
    connack = b"\x20\x06\x00\x00\x03" + limit
    async with (
        ScriptedBroker(connack=connack) as broker,
        running(log, Settings("127.0.0.1", broker.port)) as uplink,
    ):
        for mid, leaf in enumerate((b"/status", b"/points"), 1):
            await until(lambda leaf=leaf: leaf in broker.received)
            await broker.send(puback(mid))
        await until(lambda: uplink.connected)
        yield broker, uplink


@pytest.mark.parametrize("again", [False, True], ids=["once", "looked at again"])
async def test_a_batch_that_waits_to_go_live_is_not_sent_for_a_range_too(
    monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    made: list[Delivery] = []

    class Kept(Delivery):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("gateway.uplink.uplink.Delivery", Kept)
    log = MemoryLog()
    async with introduced(log, 2) as (broker, uplink):
        batches = log.commit(2)
        await until(lambda: broker.received.count(b'"seq"') == 2)
        batches += log.commit(1)
        asked = asyncio.ensure_future(uplink.backfill(batches[0].created_ms - 999, batches[-1].created_ms + 1))
        await until(uplink._ranges.waiting.is_set)
        for _ in range(20):  # the range is read meanwhile
            await asyncio.sleep(0)
        if again:  # as the end of some refused batch's wait does
            made[-1]._more.set()
            for _ in range(20):
                await asyncio.sleep(0)
        await broker.send(puback(3) + puback(4))
        await until(lambda: broker.received.count(b'"seq"') == 3)
        await broker.send(puback(5) + puback(6))
        assert [part["answer"] for part in await asked] == ["sent"]
        log.commit(1)
        await until(lambda: broker.received.count(b'"seq"') >= 4)
        assert broker.received.count(b'"seq"') == 4
        assert b"backfill" not in broker.received
        assert uplink.trouble is None
