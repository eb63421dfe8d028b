"""The log stays within its bounds: bytes and age on the disk, memory while the disk is full; what leaves is told."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from gateway.log import Log
from gateway.reading import Reading
from tests.fakes.log import Readings, TurnedClock, body, committed, events, everything, opened, running, values
from tests.torture.full import fill, small_disk


def files_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir() if file.name.startswith(path.name))


async def batch(log: Log, readings: Readings, instrument: str = "cems-1") -> None:
    """One more batch is committed."""
    readings.clock.turn(1.001)
    log.add(readings.next(instrument))
    await committed(log)


def told(batches: list, uplink: str = "city") -> set[int]:
    """Seqs that the feed says are gone for the uplink."""
    return {
        seq
        for event in events(batches, "log.evicted")
        if uplink in event["data"]["uplinks"]
        for seq in range(event["data"]["first"], event["data"]["last"] + 1)
    }


async def test_the_files_stay_within_max_size_and_what_leaves_undelivered_is_told(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock, 250)
    bound, largest = 1 << 20, 0
    async with running(await opened(path, clock, max_size=bound)) as log:
        for _ in range(700):
            await batch(log, readings)
            largest = max(largest, files_bytes(path))
        batches = await everything(log)
        kept = {one.seq for one in batches}
        assert kept == set(range(min(kept), log.seq + 1)), "oldest first"
        assert min(kept) > 100
        # each eviction report that left undelivered was told again: what stands in the log names all that is gone
        assert told(batches) == set(range(1, min(kept)))
        assert log.evicted_batches["size"] == min(kept) - 1
        assert files_bytes(path) >= bound // 2, "no more leaves than must"
        assert log.backlog("city")[0] == len(kept)
    assert largest <= bound + (1 << 20)


async def test_delivered_batches_leave_before_undelivered_ones(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock, 300)
    async with running(await opened(path, clock, max_size=1 << 20)) as log:
        for number in range(400):
            await batch(log, readings)
            if number % 2:
                log.settle("city", log.newest())
        batches = await everything(log)
        kept = {one.seq for one in batches}
        assert {seq for seq in range(1, log.seq) if seq % 2} - told(batches) <= kept
        assert log.evicted_batches["size"] > 0
        assert not told(batches), "half of them could go without anybody missing them"


async def test_too_old_batches_leave_once_the_time_is_known(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, max_age_s=30.0)) as log:
        for _ in range(50):
            await batch(log, readings)
        clock.turn(61)
        await batch(log, readings)
        assert [one.seq for one in await everything(log)] == [50, 51]  # the newest of then stays
        assert log.evicted_batches["age"] == 49


async def test_space_is_given_back_when_the_bound_gets_smaller(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock, 400)
    async with running(await opened(path, clock, max_size=4 << 20)) as log:
        for _ in range(300):
            await batch(log, readings)
    before = files_bytes(path)
    bound = 512 << 10
    async with running(await opened(path, clock, max_size=bound)) as log:
        for _ in range(40):
            await batch(log, readings)
        assert files_bytes(path) <= bound + (256 << 10) < before
        assert files_bytes(path) >= bound // 2, "no more leaves than must"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
async def test_what_does_not_fit_into_memory_while_the_disk_is_full_is_told_reading_by_reading(
    tmp_path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock, 10)
    lost: list[Reading] = []
    with small_disk(tmp_path / "disk", 2) as disk:
        path = disk / "log.db"
        async with running(await opened(path, clock, pending_bytes=1_300_000)) as log:
            log.on_lost(lost.append)
            await batch(log, readings)
            filler = fill(disk)
            total = 4000
            while log.trouble is None:
                clock.turn(0.1)
                log.add(readings.next())
                fill(disk)
                await asyncio.sleep(0.01)
            while readings.count < total:
                clock.turn(0.1)
                log.add(readings.next("cems-2" if readings.count % 3 else "cems-1"))
            assert log._writer.pending.weight <= 1_300_000
            assert log.trouble
            newest = log.newest()
            filler.unlink()
            async with asyncio.timeout(30):
                while log.trouble is not None or log._writer.waiting:
                    await log.committed_after(newest)
                    await asyncio.sleep(0.01)
            batches = await everything(log)
            (event,) = events(batches, "log.lost")
            said = event["data"]
            assert said["readings"] == log.losses == len(lost) > 0
            assert sum(said["instruments"].values()) == len(lost)
            assert (said["from"], said["to"]) == (min(r.ts_ms for r in lost), max(r.ts_ms for r in lost))
            gone = [int(reading.sample.values[0]) for reading in lost]  # type: ignore[arg-type]
            assert sorted(values(batches) + gone) == list(range(1, total + 1)), "each is in the feed or told, once"
            assert "full" in said["reason"]


async def test_a_batch_refused_and_a_batch_evicted_are_told_apart(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    draw = random.Random(3)
    async with running(await opened(path, clock, ("city", "county"), max_age_s=20.0)) as log:
        for _ in range(15):
            await batch(log, readings)
            if draw.random() < 0.5:
                log.settle("county", log.newest())
        log.set_aside("city", 3, "0x95 packet too large")
        await committed(log)
        clock.turn(61)
        await batch(log, readings)
        await batch(log, readings)
        said = [event["data"] for event in events(await everything(log), "log.evicted")]
        assert [one["detail"] for one in said if one["reason"] == "refused"] == ["0x95 packet too large"]
        for_city = {s for one in said if one["reason"] == "age" and "city" in one["uplinks"]
                    for s in range(one["first"], one["last"] + 1)}  # fmt: skip
        assert 3 not in for_city
        assert 5 in for_city
        assert body((await everything(log))[-1])["stream"] == log.stream
