"""A backlog behind a slow line: live batches must not wait for what of it is in the line's buffers."""

import asyncio
from pathlib import Path
from statistics import median

import pytest

from tests.fakes.memory_log import MemoryLog
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.site_uplink import Settings, running, until
from tests.fakes.slow_line import SlowLine

pytestmark = pytest.mark.timeout(60)

BODY, LINE = 20_000, 400_000
"""Bytes of a batch, and bytes a second of the line: 50 ms for each batch."""
LIVE = 8
LATEST_S = 0.8
"""With a window full of backlog in the buffers live batches wait 1.4 s; measured on a busy machine 0.2 to 0.45 s."""


async def test_a_slow_line_is_filled_with_no_more_backlog_than_live_batches_can_wait_for(tmp_path: Path) -> None:
    log = MemoryLog(padding=BODY)
    log.commit(2000)
    now = asyncio.get_running_loop().time
    latencies = []
    async with Mosquitto(tmp_path) as broker, SlowLine(broker.port, LINE) as line:
        settings = Settings(broker.host, line.port, accept_unheard=True)
        async with running(log, settings) as uplink:
            await until(lambda: uplink.acknowledged >= 20)
            before, began_s = uplink.acknowledged, now()
            for _ in range(LIVE):
                position, sent_s = log.commit()[0].position, now()
                await until(lambda at=position: at in log.settled["city"][-40:])
                latencies.append(now() - sent_s)
            rate = (uplink.acknowledged - before) / (now() - began_s)
    assert median(latencies) <= LATEST_S
    assert rate >= 0.25 * LINE / BODY  # and the line is used
    assert log.settled["city"][0] == 1
