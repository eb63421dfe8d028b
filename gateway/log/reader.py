"""Reading batches back: checked one by one, and what is not there as it was written is named, never handed out."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.batch import Batch
from gateway.log.holding import read as read_held
from gateway.log.intervals import Intervals
from gateway.log.row import SELECT, Damaged, checked

MOST_BYTES = 8 << 20
"""Bodies read at once; batches beyond wait for the next read."""


@dataclass(slots=True)
class Found:
    """What was read of the wanted positions: the batches, and those that are damaged or missing."""

    batches: list[Batch] = field(default_factory=list)
    bad: Intervals = field(default_factory=Intervals)
    absent: Intervals = field(default_factory=Intervals)  # those of `bad` that have no row at all
    cut: bool = False  # there was more than fits


@dataclass(frozen=True, slots=True)
class Name:
    """Batches by name, with the time of those around them."""

    stream: str
    first: int
    last: int
    from_ms: int
    to_ms: int


def read(connection: sqlite3.Connection, runs: Sequence[tuple[int, int]], limit: int) -> Found:
    """Up to `limit` batches of the runs, in order. Raises sqlite3.Error."""
    found = Found()
    size = 0
    for first, last in runs:
        if len(found.batches) >= limit:
            found.cut = True
            break
        expected = first
        rows = connection.execute(f"{SELECT} WHERE position BETWEEN ? AND ? ORDER BY position", (first, last))
        for row in rows:
            if len(found.batches) >= limit or size >= MOST_BYTES:
                rows.close()
                found.cut = True
                return found
            _absent(found, expected, row[0] - 1)
            try:
                batch = checked(row)
            except Damaged:
                found.bad.add(row[0])
            else:
                found.batches.append(batch)
                size += len(batch.body)
            expected = row[0] + 1
        _absent(found, expected, last)
    return found


def _absent(found: Found, first: int, last: int) -> None:
    found.bad.add(first, last)
    found.absent.add(first, last)


def names(connection: sqlite3.Connection, runs: Sequence[tuple[int, int]]) -> list[Name]:
    """What the batches at these positions were called, as far as their neighbours tell. Raises sqlite3.Error.

    Within a stream position and seq rise together, so one sound batch of it names all others.
    """
    result: list[Name] = []
    for first, last in runs:
        before = sound(connection, f"{SELECT} WHERE position < ? ORDER BY position DESC LIMIT 64", first)
        after = sound(connection, f"{SELECT} WHERE position > ? ORDER BY position LIMIT 64", last)
        from_ms = before.created_ms if before else 0
        to_ms = after.created_ms if after else from_ms
        end = last
        if after:
            start = after.position - after.seq  # where the stream's seq 0 would be
            own = max(first, start + 1)
            if own <= last:
                result.append(Name(after.stream, own - start, last - start, from_ms or to_ms, to_ms))
            end = min(last, start)
        if before and first <= end:
            start = before.position - before.seq
            result.append(Name(before.stream, first - start, end - start, from_ms, to_ms))
    return result


def sound(connection: sqlite3.Connection, question: str, *positions: int) -> Batch | None:
    """The first row of the answer that is as it was written. Raises sqlite3.Error."""
    for row in connection.execute(question, positions):
        try:
            return checked(row)
        except Damaged:
            continue
    return None


def created(connection: sqlite3.Connection, positions: Sequence[int]) -> dict[int, int]:
    """`created_ms` by position, of those that are there. Raises sqlite3.Error."""
    result: dict[int, int] = {}
    for position in positions:
        row = connection.execute("SELECT created_ms FROM batches WHERE position = ?", (position,)).fetchone()
        if row and isinstance(row[0], int):
            result[position] = row[0]
    return result


def held(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Id and boot of every row of held readings, oldest first. Raises sqlite3.Error."""
    return connection.execute("SELECT id, boot FROM held ORDER BY id").fetchall()


def held_rows(connection: sqlite3.Connection, ids: Sequence[int]) -> list[tuple[int, str, int, bytes]]:
    """Rows of held readings, oldest first. Raises sqlite3.Error."""
    marks = ", ".join("?" * len(ids))
    return connection.execute(f"SELECT id, boot, crc, body FROM held WHERE id IN ({marks}) ORDER BY id", ids).fetchall()  # noqa: S608  # only question marks


def held_since(connection: sqlite3.Connection, boot: str) -> float | None:
    """Boot second of the first reading held back in that boot; None if none is told. Raises sqlite3.Error."""
    question = "SELECT id, boot, crc, body FROM held WHERE boot = ? ORDER BY id"
    for row in connection.execute(question, (boot,)) if boot else ():
        try:
            return read_held(row).readings[0].monotonic_s
        except (ValueError, IndexError):
            continue  # a damaged row is told when it is released
    return None
