"""Which refused batches are set aside, by an uplink and a simulated broker in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from tests.fakes.memory_log import MemoryLog
from tests.fakes.site_uplink import Settings, running
from tests.simulation.world import Broker, Life, Network, SimulatedLoop

PORT = 1


def in_virtual_time(course: Callable[[MemoryLog, Broker], Awaitable[None]], share: float = 0.0) -> MemoryLog:
    """Run `course` beside an uplink; the log as it was left."""

    async def world() -> MemoryLog:
        broker, log = Broker(Random(1), refused_share=share), MemoryLog()
        network = Network({PORT: broker}, Life(0.0))
        async with running(log, Settings("broker", PORT), network=network):
            await asyncio.sleep(1)
            await course(log, broker)
        assert not broker.findings
        return log

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(world())


@pytest.mark.parametrize(("count", "within_s"), [(1, 20), (3, 40), (40, 200)])
def test_bad_batches_with_nothing_else_in_the_backlog_are_soon_set_aside(count: int, within_s: float) -> None:
    async def course(log: MemoryLog, broker: Broker) -> None:
        log.commit(1)
        await asyncio.sleep(1)
        broker.poison.update((batch.stream, batch.seq) for batch in log.commit(count))
        await asyncio.sleep(within_s)

    log = in_virtual_time(course)
    assert sorted(log.aside["city"]) == list(range(2, count + 2))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_bad_batch_in_a_lane_that_refuses_good_ones_too_is_set_aside_and_no_other(share: float) -> None:
    async def course(log: MemoryLog, broker: Broker) -> None:
        broker.poison.add((log.stream, 20))
        for _ in range(900):
            log.commit(1)
            await asyncio.sleep(1)
        broker.refused_share = 0.0
        await asyncio.sleep(120)

    log = in_virtual_time(course, share)
    assert list(log.aside["city"]) == [20]
    assert log.backlog("city")[0] == 0


@pytest.mark.parametrize("open_s", [0.3, 3.0, 11.0])
@pytest.mark.parametrize("shut_s", [0.5, 5.0, 30.0])
@pytest.mark.parametrize("busy", [True, False])
def test_a_broker_that_refuses_everything_on_and_off_costs_no_batch(open_s: float, shut_s: float, busy: bool) -> None:
    async def course(log: MemoryLog, broker: Broker) -> None:
        log.commit(1)
        await asyncio.sleep(1)
        log.commit(3)
        for _ in range(40):
            broker.refused_share = 1.0
            await asyncio.sleep(shut_s / 2)
            log.commit(2 if busy else 0)
            await asyncio.sleep(shut_s / 2)
            broker.refused_share = 0.0
            log.commit(1 if busy else 0)
            await asyncio.sleep(open_s)
        await asyncio.sleep(120)

    log = in_virtual_time(course)
    assert "city" not in log.aside
    assert log.backlog("city")[0] == 0
