"""What of the log is in memory: what somebody still needs, and never more than its bound."""

import pytest

from gateway.batch import Batch
from gateway.log import shelf
from gateway.log.shelf import Shelf


def batch(position: int, size: int = 10) -> Batch:
    return Batch(position, "stream", position, position, b"x" * size)


def put(on: Shelf, *positions: int, size: int = 10) -> None:
    on.put([batch(position, size) for position in positions])


async def held(on: Shelf) -> list[int]:
    return [one.position for one in await on.newer(0)]


async def test_what_every_uplink_has_had_leaves_memory_with_the_next_batch() -> None:
    on = Shelf(["city", "county"])
    put(on, 1, 2, 3)
    on.cursors.settle("city", 1)
    on.cursors.settle("city", 2)
    on.cursors.settle("county", 1)
    put(on, 4)
    assert await held(on) == [2, 3, 4]
    on.cursors.settle("county", 2)
    put(on, 5)
    assert await held(on) == [3, 4, 5]


async def test_the_newest_is_there_for_whoever_waits_even_where_nobody_needs_it() -> None:
    on = Shelf([])
    put(on, 1, 2)
    assert await held(on) == [2]


async def test_what_nobody_has_had_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MEMORY_BYTES", 100)
    on = Shelf(["city"])
    put(on, *range(1, 50))
    assert await held(on) == list(range(40, 50))
    put(on, 50, size=1000)
    assert await held(on) == [50]
