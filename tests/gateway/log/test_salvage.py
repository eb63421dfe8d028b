"""Damage met while the log runs, and what comes back of a damaged file: between commits, bounded, told."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.batch import Batch
from gateway.log import Log, salvage
from tests.fakes.log import (
    Readings,
    TurnedClock,
    body,
    committed,
    events,
    everything,
    killed,
    opened,
    running,
    unchained,
)


async def filled(log: Log, readings: Readings, count: int) -> None:
    """So many batches, each with a position of its own."""
    before = log.newest()
    for _ in range(count):
        readings.clock.turn(1.001)  # no two readings in one batch
        log.add(readings.next())
    async with asyncio.timeout(50):
        while log.newest() < before + count:
            await log.committed_after(log.newest())


def files_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir())


def spoil_header(path: Path) -> None:
    """As if it were no database: its tree leads nowhere."""
    with path.open("r+b") as file:
        file.write(bytes(100))


async def delivered(log: Log, uplink: str = "city") -> Sequence[Batch]:
    """All that the uplink is still offered, settled."""
    taken: list[Batch] = []
    while page := await log.undelivered(uplink, log.newest() + 1):
        for batch in page:
            log.settle(uplink, batch.position)
            taken.append(batch)
    return taken


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps for a small file."""
    monkeypatch.setattr(salvage, "SLICE_S", 0.001)


@pytest.mark.usefixtures("small_slices")
async def test_all_of_a_damaged_file_comes_back_while_commits_go_on_and_the_uplink_is_woken(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock, 60)
    async with running(await opened(path, clock)) as log:
        await filled(log, readings, 500)
        before = await everything(log)
        for batch in before[:200]:
            log.settle("city", batch.position)
    before = [*before, *(await _after(path, clock, before[-1].position))]
    spoil_header(path)
    log = await opened(path, clock)
    assert log._writer.salvaging.active  # opened and ready, with all of it still to be looked through
    assert log.backlog("city")[0] == 0
    async with running(log):
        woken = log.recovered("city")
        (first,) = await committed(log)
        assert events([first])[0]["data"]["reason"] == "damage"
        commits = 0
        while log._writer.salvaging.active:
            log.add(readings.next())
            await committed(log)
            commits += 1
        assert commits >= 2
        assert woken.is_set()
        old = [batch for batch in await delivered(log) if batch.stream != log.stream]
        assert old == before[200:]
        assert not unchained([batch for batch in await everything(log) if batch.stream != log.stream])
        assert not events(await everything(log), "log.evicted")
        assert log.evicted_batches["damage"] == 0


async def _after(path: Path, clock: TurnedClock, position: int) -> list[Batch]:
    """What the clean stop added (its checkpoint); read without changing anything."""
    log = await opened(path, clock)
    batches = [batch async for batch in log.replay(position)]
    await log.close()
    return batches


async def test_salvage_keeps_the_log_within_its_bound(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock, 100)
    bound = 1 << 20
    async with running(await opened(path, clock, max_size=bound)) as log:
        await filled(log, readings, 1600)
        kept = {batch.seq for batch in await everything(log)}
        assert log.evicted_batches["size"] > 0
    spoil_header(path)
    largest = 0
    async with running(await opened(path, clock, max_size=bound)) as log:
        while log._writer.salvaging.active:
            log.add(readings.next())
            await committed(log)
            largest = max(largest, files_bytes(path))
        await filled(log, readings, 5)
        old = {batch.seq for batch in await delivered(log) if batch.stream != log.stream}
        reported = {
            seq
            for event in events(await everything(log), "log.evicted")
            for seq in range(event["data"]["first"], event["data"]["last"] + 1)
        }
    assert largest <= bound + (2 << 20), "the contract allows 4 MiB"
    assert len(old) > len(kept) / 3, "the bound of this log is small, its WAL is an eighth of it"
    assert kept - {1} <= old | reported


@pytest.mark.usefixtures("small_slices")
async def test_a_salvage_that_is_interrupted_goes_on_at_the_next_start(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock, 60)
    async with running(await opened(path, clock)) as log:
        await filled(log, readings, 300)
        before = await everything(log)
    spoil_header(path)
    seen: dict[tuple[str, int], bytes] = {}
    starts = 0
    while (log := await opened(path, clock))._writer.salvaging.active:
        starts += 1
        assert starts < 200
        task = asyncio.create_task(log.run())
        if starts < 20:
            while log._writer.salvaging.active and not log.recovered("city").is_set():
                await asyncio.sleep(0)
        else:
            while log._writer.salvaging.active:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await killed(log)
    assert starts >= 3
    async with running(log):
        seen |= {(batch.stream, batch.seq): batch.body for batch in await delivered(log)}
        assert not events(await everything(log), "log.evicted")
    assert all(seen[batch.stream, batch.seq] == batch.body for batch in before)


async def test_damage_met_before_the_log_runs_does_not_hold_up_the_start(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock, 60)
    async with running(await opened(path, clock)) as log:
        await filled(log, readings, 300)
    data = bytearray(path.read_bytes())
    data[40960:43008] = bytes(2048)
    path.write_bytes(data)
    log = await opened(path, clock)
    async with asyncio.timeout(20):
        batches = await everything(log)
    assert log._writer.salvaging.active
    async with running(log):
        while log._writer.salvaging.active or log._writer.telling.events:
            await committed(log) if log._writer.telling.events else await asyncio.sleep(0.001)
        after = await everything(log)
        assert {batch.seq for batch in batches} <= {batch.seq for batch in after} | {1}
        lost = [event["data"] for event in events(after, "log.evicted")]
    assert lost
    assert all(said["reason"] == "damage" for said in lost)
    assert sum(said["batches"] for said in lost) < 20


async def test_what_is_kept_is_carried_into_the_file_made_after_damage(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        log.add(readings.next())
        await log.save("commands", b"remembered")
        position, _ = log.kept("commands") or (0, b"")
        store = log._writer.store
        assert store is not None
        await store.call(lambda database: database.execute("DELETE FROM batches WHERE position = 1"))
        log.add(readings.next())
        await committed(log)
        stream = log.stream
        await everything(log)  # meets the hole: the tree is damaged
        while log.stream == stream or log.seq == 0:
            await log.committed_after(log.newest())
        assert log.kept("commands") == (position, b"remembered")
    async with running(await opened(path, clock)) as log:
        assert log.kept("commands") == (position, b"remembered")


@pytest.mark.parametrize("points", [1, 400])
async def test_a_batch_that_is_damaged_alone_is_told_and_the_file_stays(
    path: Path, clock: TurnedClock, points: int
) -> None:
    readings = Readings(clock, points)
    async with running(await opened(path, clock)) as log:
        await filled(log, readings, 10)
        stream, store = log.stream, log._writer.store
        assert store is not None
        await store.call(lambda database: database.execute("UPDATE batches SET crc = crc + 1 WHERE position = 5"))
        log._shelf._recent.clear()  # as if they had left memory
        taken = await delivered(log)
        (told,) = await committed(log) if not events(await everything(log), "log.evicted") else (taken[-1],)
        said = events(await everything(log), "log.evicted")
        assert told.stream == stream
        assert [(one["data"]["first"], one["data"]["last"], one["data"]["reason"]) for one in said] == [
            (5, 5, "damage")
        ]
        assert 5 not in {batch.seq for batch in taken}
        assert body(taken[0])["seq"] == 1


async def test_a_header_that_forbids_writing_is_damage_and_costs_nothing(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        await filled(log, readings, 5)
        before = [batch.body for batch in await everything(log)]
    with path.open("r+b") as file:
        file.seek(18)  # "file format write version": SQLite opens a file of a later one for reading only
        file.write(b"\x9b")
    async with running(await opened(path, clock)) as log:
        async with asyncio.timeout(50):
            await log.recovered("city").wait()
        assert [batch.body for batch in await everything(log)][: len(before)] == before
        assert log.trouble is None
