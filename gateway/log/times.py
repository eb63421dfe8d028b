"""Batches by the time they were created, for whoever asks for a range again; and when those were that are gone.

Creation times rise with the positions except where the clock was set back. The log remembers those positions (state
`turns`), so that between two of them a time is found by halving. Positions that came out of a damaged file have no
such record: there, row after row is looked at.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from gateway.batch import Batch, plain
from gateway.log.intervals import Intervals
from gateway.log.reader import Found, read, sound
from gateway.log.row import SELECT
from gateway.log.stream import began_ms

TURNS = "turns"
MOST_TURNS = 1000
"""Positions remembered at which the time went back; a clock set back more often costs the oldest their record."""

SCAN_ROWS = 4096
"""Rows looked at in one visit to the database's thread where times have no order: some 10 ms."""


@dataclass(slots=True)
class Page:
    """Batches of a range. `after` is where to look on; `more` whether there is anything to look at."""

    found: Found
    after: int
    more: bool


def read_turns(value: bytes) -> list[int]:
    """Positions of batches created before the batch before them, rising. Raises ValueError."""
    turns = orjson.loads(value)
    if not isinstance(turns, list) or not all(isinstance(turn, int) for turn in turns):
        raise ValueError(f"no list of positions: {value[:80]!r}")
    return sorted(turns)


def written_turns(turns: Sequence[int]) -> bytes:
    """For `read_turns`."""
    return orjson.dumps(list(turns))


def between(
    connection: sqlite3.Connection,
    turns: Sequence[int],
    gone: Intervals,
    newest: int,
    from_ms: int,
    to_ms: int,
    after: int,
    limit: int,
) -> Page:
    """The next batches with from_ms <= created_ms < to_ms beyond `after`. The first of `turns` begins what has an
    order. Raises sqlite3.Error."""
    ordered = turns[0] if turns else newest + 1
    if after + 1 < ordered:
        return _scanned(connection, gone, ordered - 1, from_ms, to_ms, after, limit)
    for first, beyond in pairwise((*turns, newest + 1)):
        if beyond <= after + 1:
            continue
        low = _first_from(connection, max(first, after + 1), beyond - 1, from_ms)
        high = _first_from(connection, low, beyond - 1, to_ms)
        runs = list(gone.gaps(low, high - 1))
        if runs:
            found = read(connection, runs, limit)
            if found.batches or found.bad:
                end = found.batches[-1].position if found.cut and found.batches else high - 1
                return Page(found, end, more=True)
    return Page(Found(), newest, more=False)


def _scanned(
    connection: sqlite3.Connection, gone: Intervals, last: int, from_ms: int, to_ms: int, after: int, limit: int
) -> Page:
    rows = connection.execute(
        "SELECT position, created_ms FROM batches WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?",
        (after + 1, last, SCAN_ROWS),
    ).fetchall()
    wanted = Intervals()
    end = last if len(rows) < SCAN_ROWS else rows[-1][0]
    for position, created_ms in rows:
        if position not in gone and isinstance(created_ms, int) and from_ms <= created_ms < to_ms:
            wanted.add(position)
            if wanted.total == limit:
                end = position
                break
    found = read(connection, list(wanted), limit)
    if found.cut and found.batches:
        end = found.batches[-1].position
    return Page(found, end, more=True)


def _first_from(connection: sqlite3.Connection, first: int, last: int, ms: int) -> int:
    """The first position of first..last from which on batches were created at `ms` or later; last + 1 if none was."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        # only what is as it was written: a damaged time would lead the search astray
        batch = sound(connection, f"{SELECT} WHERE position >= ? AND position < ? ORDER BY position", middle, high)
        if batch is None or batch.created_ms >= ms:
            high = middle
        else:
            low = batch.position + 1
    return low


def gone_times(connection: sqlite3.Connection, gone: Intervals, newest: int, since_ms: int) -> Intervals:
    """When the batches were created that the log no longer holds, in ms, by what stands around them.

    `since_ms`: when the first batch of all was made, 0 if that is not known. Raises sqlite3.Error.
    """
    times = Intervals()
    for first, last in gone:
        if first > newest:
            break
        before = sound(connection, f"{SELECT} WHERE position < ? ORDER BY position DESC LIMIT 64", first)
        after = sound(connection, f"{SELECT} WHERE position > ? ORDER BY position LIMIT 64", last)
        if after is None:
            continue
        for low, high in _between_neighbours(before, after, since_ms):
            times.add(low, high - 1)
    return times


def _between_neighbours(before: Batch | None, after: Batch, since_ms: int) -> list[tuple[int, int]]:
    """Spans [from, to) in which batches were made that came after `before` and before `after`, and are gone."""
    if before is not None and before.stream == after.stream:
        return [(before.created_ms + 1, after.created_ms)] if after.seq > before.seq + 1 else []
    began = began_ms(after.stream)
    if after.seq > 1:  # the beginning of its stream is gone, and with it the word of what was before
        earliest = before.created_ms + 1 if before is not None else min(since_ms or began, began or after.created_ms)
        return [(earliest, after.created_ms)]
    earlier = previous(after)
    if earlier is None:  # it was the first of all
        return []
    if before is None:
        earliest = since_ms or began_ms(earlier["stream"])
        return [(earliest, began or after.created_ms)] if earliest else []
    if earlier["stream"] == before.stream and earlier["last"] <= before.seq:
        return []
    return [(before.created_ms + 1, began or after.created_ms)]


def previous(first: Batch) -> dict[str, Any] | None:
    """What the first batch of a stream says of the stream before."""
    earlier: dict[str, Any] | None = started(first).get("previous")
    return earlier


def started(first: Batch) -> dict[str, Any]:
    """The data of `log.started` in the first batch of a stream."""
    for event in orjson.loads(plain(first.body))["events"]:
        if event["kind"] == "log.started":
            data: dict[str, Any] = event["data"]
            return data
    return {}
