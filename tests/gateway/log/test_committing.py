"""Commits that the timer begins and nobody awaits, among those that the task makes."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.log import Log
from gateway.log.store import Store
from gateway.reading import Event
from tests.fakes.log import Readings, TurnedClock, committed, events, everything, opened, running, unchained, values


@pytest.mark.parametrize("seed", range(3))
async def test_timed_commits_and_the_tasks_own_follow_one_another_in_one_chain(
    path: Path, clock: TurnedClock, seed: int
) -> None:
    chance, readings, told = Random(seed), Readings(clock), 0
    log = await opened(path, clock)
    async with running(log):
        for _ in range(150):
            log.add(readings.next())
            if chance.random() < 0.2:
                log.add_event(Event(1, "some.event"))
                told += 1
            if chance.random() < 0.1:
                log.keep("state", b"%d" % readings.count)
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.004, 0.006)))
    log = await opened(path, clock)
    batches = await everything(log)
    assert unchained(batches) == []
    assert values(batches) == list(range(1, readings.count + 1))
    assert len(events(batches, "some.event")) == told
    await log.close()


async def test_event_during_a_timed_commit_is_in_the_batch_after_it(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        await committed(log)
        for _ in range(5):
            log.add(readings.next())
            await under_way(log)
            log.add_event(Event(1, "some.event"))
            last = log.newest() + 2
            async with asyncio.timeout(20):
                while log.newest() < last:
                    await log.committed_after(log.newest())
        batches = await everything(log)
    assert unchained(batches) == []
    assert [len(events([batch], "some.event")) for batch in batches[1:]] == [0, 1] * 5


async def under_way(log: Log) -> None:
    """Until a commit has begun."""
    async with asyncio.timeout(20):
        while log._writer.committing is None:
            await asyncio.sleep(0)


async def test_stop_of_the_task_leaves_a_timed_commit_that_is_under_way_to_its_end(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock)
    log = await opened(path, clock)
    task = asyncio.create_task(log.run())
    await committed(log)
    log.add(readings.next())
    await under_way(log)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    log.add(readings.next())
    await log.close()
    log = await opened(path, clock)
    batches = await everything(log)
    assert (values(batches), unchained(batches)) == ([1, 2], [])
    await log.close()


async def test_unexpected_failure_of_a_timed_commit_fails_the_task(path: Path, clock: TurnedClock) -> None:
    log = await opened(path, clock)
    task = asyncio.create_task(log.run())
    await committed(log)
    store = log._writer.store
    assert store is not None

    def broken(*_: Any) -> "asyncio.Future[Any]":
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(ZeroDivisionError())
        return failed

    store.begin = broken  # type: ignore[method-assign]
    log.add(Readings(clock).next())
    with pytest.raises(ZeroDivisionError):
        await task
    del store.begin  # type: ignore[method-assign]
    await log.close()


async def test_jobs_are_done_in_the_databases_thread_in_their_order_awaited_or_not(path: Path) -> None:
    done: list[tuple[int, int]] = []

    def job(number: int) -> Callable[[sqlite3.Connection], int]:
        def noted(_: sqlite3.Connection) -> int:
            done.append((number, threading.get_ident()))
            return number

        return noted

    store = await Store.open(path, 1 << 20)
    begun = store.begin(job(1))
    assert await store.call(job(2)) == 2
    assert begun.result() == 1
    with pytest.raises(sqlite3.OperationalError):
        await store.begin(lambda connection: connection.execute("no statement"))
    store.begin(job(3))
    await store.close()
    assert [number for number, _ in done] == [1, 2, 3]
    threads = {thread for _, thread in done}
    assert len(threads) == 1
    assert threading.get_ident() not in threads
