"""The thread of the database: one hop a job, whether awaited or begun; what of aiosqlite that stands on."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.log.store import Store


def thread_and_sum(connection: sqlite3.Connection, one: int, other: int) -> tuple[int, int]:
    return threading.get_ident(), connection.execute("SELECT ? + ?", (one, other)).fetchone()[0]


async def test_jobs_run_in_one_thread_of_their_own_in_the_order_they_were_given(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "log.db", 1 << 20)
    order: list[str] = []
    try:
        begun = store.begin(lambda connection: order.append("begun"))
        thread, total = await store.call(thread_and_sum, 1, other=2)
        order.append("called")
        assert begun.done()
        again, _ = await store.begin(thread_and_sum, 1, 2)
    finally:
        await store.close()
    assert (total, order) == (3, ["begun", "called"])
    assert thread == again != threading.get_ident()


async def test_error_of_a_job_comes_to_whoever_gave_it_and_the_thread_goes_on(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "log.db", 1 << 20)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM nothing_of_that_name")

    try:
        with pytest.raises(sqlite3.OperationalError, match="nothing_of_that_name"):
            await store.call(fails)
        with pytest.raises(sqlite3.OperationalError, match="nothing_of_that_name"):
            await store.begin(fails)
        assert (await store.call(thread_and_sum, 2, 2))[1] == 4
    finally:
        await store.close()


async def test_job_whose_caller_is_cancelled_is_done_all_the_same(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "log.db", 1 << 20)
    may, done = threading.Event(), threading.Event()

    def waits(connection: sqlite3.Connection) -> None:
        assert may.wait(30)
        done.set()

    try:
        caller = asyncio.create_task(store.call(waits))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        may.set()
        await store.call(thread_and_sum, 1, 1)
        assert done.is_set()
    finally:
        await store.close()
