"""Batches leave for their age by the time that the machine has run, whatever a wall clock says."""

import sqlite3
from pathlib import Path

import orjson
import pytest

from gateway.clock import ClockState
from gateway.log import Log
from gateway.log.age import AGE, FINE, Age
from tests.fakes.log import Readings, TurnedClock, committed, events, everything, opened, running

YEAR_S = 365.25 * 86400.0


async def batches(log: Log, clock: TurnedClock, count: int, apart_s: float = 1.0) -> None:
    """So many more are committed."""
    readings = Readings(clock)
    for _ in range(count):
        clock.turn(apart_s)
        log.add(readings.next())
        await committed(log)


async def seqs(log: Log) -> list[int]:
    return [batch.seq for batch in await everything(log)]


@pytest.mark.parametrize("years", [10, -10, -55])
async def test_a_clock_that_is_years_wrong_and_says_synchronised_costs_no_batch(
    path: Path, clock: TurnedClock, years: int
) -> None:
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 10)
        clock.wall_ms += round(years * YEAR_S * 1000)
        await batches(log, clock, 3, apart_s=100.0)
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 3, apart_s=100.0)
        clock.wall_ms -= round(years * YEAR_S * 1000)
        await batches(log, clock, 3, apart_s=100.0)
        assert await seqs(log) == list(range(1, log.seq + 1))
        assert not events(await everything(log), "log.evicted")


async def test_batches_leave_after_so_much_running_time_under_any_clock(path: Path, clock: TurnedClock) -> None:
    clock.wall_ms, clock.known = 5_000, ClockState.HOLDOVER  # a board without a battery that nobody tells the time
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 40, apart_s=100.0)
        kept = await seqs(log)
        assert 3600 / 100 <= len(kept) <= 3600 / 100 + 3
        assert kept[-1] == log.seq == 40


async def test_running_time_goes_on_over_restarts_and_kills_of_one_boot(path: Path, clock: TurnedClock) -> None:
    for start in range(8):
        async with running(await opened(path, clock, max_age_s=3600.0), close=start % 2 == 0) as log:
            await batches(log, clock, 5, apart_s=100.0)
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 1, apart_s=100.0)
        assert 3600 / 100 <= len(await seqs(log)) <= 3600 / 100 + 3


async def test_time_in_which_the_machine_was_off_does_not_count(path: Path, clock: TurnedClock) -> None:
    for boot in range(3):
        clock.boot_s = 10.0
        clock.wall_ms += round(10 * YEAR_S * 1000)
        async with running(await opened(path, clock, max_age_s=3600.0, boot=f"boot-{boot}")) as log:
            await batches(log, clock, 10, apart_s=100.0)
            assert await seqs(log) == list(range(1, log.seq + 1))
    clock.boot_s = 10.0
    async with running(await opened(path, clock, max_age_s=3600.0, boot="last")) as log:
        await batches(log, clock, 20, apart_s=100.0)  # 3,000 s before the boot, and 2,000 s since
        assert 3600 / 100 <= len(await seqs(log)) <= 3600 / 100 + 3


async def test_the_age_of_a_log_without_an_account_counts_from_now(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 30, apart_s=100.0)
    database = sqlite3.connect(path)
    assert database.execute("DELETE FROM state WHERE name = ?", (AGE,)).rowcount == 1
    database.commit()
    database.close()
    async with running(await opened(path, clock, max_age_s=3600.0)) as log:
        await batches(log, clock, 30, apart_s=100.0)
        assert await seqs(log) == list(range(1, log.seq + 1))
        await batches(log, clock, 10, apart_s=100.0)
        assert len(await seqs(log)) < 45


def test_marks_stay_few_and_tell_the_age_to_a_part_of_a_hundred() -> None:
    clock = TurnedClock()
    age = Age(1280.0, clock, "boot")
    age.load({})
    for position in range(1, 10_000):
        clock.turn(1.0)
        saved = age.to_save(position)
        assert age.old() <= max(0, position - 1280)
        assert position < 2000 or age.old() >= position - 1280 - 1280 // FINE - 2
        assert saved is None or len(orjson.loads(saved)["marks"]) <= FINE + 3


def test_an_account_that_cannot_be_read_is_begun_anew() -> None:
    clock = TurnedClock()
    for text in (
        b"",
        b"[]",
        b'{"ran":1}',
        b'{"ran":"x","at":1,"boot":"","marks":[]}',
        b'{"ran":9e9,"at":1,"marks":[1]}',
    ):
        age = Age(60.0, clock, "boot")
        age.load({AGE: (0, text)})
        assert age.ran_ms == 0
        assert age.old() == 0
