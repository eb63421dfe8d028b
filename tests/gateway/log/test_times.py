"""Ranges by time: what is found again, and which times are told as evicted."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.batch import Batch
from gateway.log import Log
from tests.fakes.log import START_MS, Readings, TurnedClock, committed, everything, opened, running


async def filled(log: Log, clock: TurnedClock, count: int, every_s: float = 1.0) -> list[Batch]:
    """So many batches, the clock turned before each."""
    readings = Readings(clock)
    made: list[Batch] = []
    for _ in range(count):
        clock.turn(every_s)
        log.add(readings.next())
        made += await committed(log)
    return made


async def pages(log: Log, from_ms: int, to_ms: int, limit: int = 7) -> AsyncIterator[Batch]:
    """All batches of a range, page by page."""
    after = 0
    while page := await log.between(from_ms, to_ms, after, limit):
        assert len(page) <= limit
        for batch in page:
            assert batch.position > after
            after = batch.position
            yield batch


async def test_a_range_holds_its_beginning_and_not_its_end(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        made = await filled(log, clock, 20)
        for batch in made:
            log.settle("city", batch.position)
        found = [batch async for batch in pages(log, made[4].created_ms, made[15].created_ms)]
        assert found == made[4:15]
        assert not await log.between(made[-1].created_ms + 1, made[-1].created_ms + 1000)
        assert not await log.between(0, made[0].created_ms)


async def test_batches_are_found_whatever_the_clock_did_between_them(path: Path, clock: TurnedClock) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    made: list[Batch] = []
    for _ in range(3):
        async with running(await opened(path, clock)) as log:
            for _ in range(20):
                if draw.random() < 0.3:
                    clock.wall_ms += draw.choice((-3_600_000, -5_000, 5_000, 3_600_000, -315_360_000_000))
                made += await filled(log, clock, 1)
    async with running(await opened(path, clock)) as log:
        stamps = sorted(batch.created_ms for batch in made)
        for _ in range(30):
            low, high = sorted(draw.choice(stamps) + draw.choice((-1, 0, 1)) for _ in range(2))
            found = [batch async for batch in pages(log, low, high, draw.randint(1, 9))]
            assert found == [batch for batch in made if low <= batch.created_ms < high]


async def test_batches_are_found_where_the_turns_of_the_clock_are_not_known(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        made = await filled(log, clock, 10)
        clock.wall_ms -= 60_000
        made += await filled(log, clock, 10)
        log._writer.tail.turns = [log.newest() + 1]  # as after a salvage
        low, high = made[12].created_ms, made[5].created_ms
        wanted = [batch for batch in made if low <= batch.created_ms < high]
        assert [batch async for batch in pages(log, low, high)] == wanted
        log._writer.tail.turns = []  # as in a log without the record, before its next batch
        assert [batch async for batch in pages(log, low, high)] == wanted


async def test_evicted_times_are_those_between_the_neighbours_and_from_the_first_stream_on(
    path: Path, clock: TurnedClock
) -> None:
    async with running(await opened(path, clock, max_age_s=30.0)) as log:
        began = clock.wall_ms
        assert await log.evicted(0, 1 << 50) == []
        await filled(log, clock, 20)
        clock.turn(61)  # old batches are looked for once a minute
        await filled(log, clock, 5)
        kept = await everything(log)
        assert log.evicted_batches["age"] == 19  # the newest of then stayed
        assert await log.evicted(0, 1 << 50) == [(began, kept[0].created_ms)]
        assert await log.evicted(began + 3000, began + 5000) == [(began + 3000, began + 5000)]
        assert await log.evicted(kept[0].created_ms, 1 << 50) == []
    assert began == START_MS


async def test_evicted_times_of_whole_streams_are_known_too(path: Path, clock: TurnedClock) -> None:
    began = clock.wall_ms
    for _ in range(3):
        async with running(await opened(path, clock)) as log:
            await filled(log, clock, 5)
        path.with_name("log.db-mark").unlink()  # the next start begins a new stream
    clock.turn(3600)
    async with running(await opened(path, clock, max_age_s=30.0)) as log:
        await filled(log, clock, 3)
        clock.turn(61)
        await filled(log, clock, 1)
        kept = await everything(log)
        assert {batch.stream for batch in kept} == {log.stream}
        assert await log.evicted(0, 1 << 50) == [(began, kept[0].created_ms)]


async def test_a_new_stream_that_lost_nothing_is_not_told_as_evicted(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        await filled(log, clock, 5)
    path.with_name("log.db-mark").unlink()
    async with running(await opened(path, clock)) as log:
        await filled(log, clock, 5)
        assert await log.evicted(0, 1 << 50) == []


async def test_a_damaged_batch_is_told_as_evicted_and_its_neighbours_are_sent(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        made = await filled(log, clock, 9)
        writer = log._writer
        assert writer.store is not None
        await writer.store.call(
            lambda database: database.execute("UPDATE batches SET crc = 1 WHERE position = ?", (made[4].position,))
        )
        found = [batch async for batch in pages(log, made[0].created_ms, made[8].created_ms + 1)]
        assert found == [*made[:4], *made[5:]]
        assert await log.evicted(0, 1 << 50) == [(made[3].created_ms + 1, made[5].created_ms)]
        assert log.evicted_batches["damage"] == 1
