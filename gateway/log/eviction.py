"""Which batches leave a log that is too large or too old, and how the feed is told.

Delivered batches go before undelivered ones, each kind oldest first. An undelivered one leaves only together with
a report in the batch that is committed in the same transaction; a report that is itself evicted is told again.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gateway.batch import plain
from gateway.log.database import PAGE_SIZE
from gateway.log.intervals import Intervals
from gateway.log.row import SELECT, Damaged, checked

KIND = "log.evicted"
RUN_ROWS = 1000
"""Rows removed in one transaction at most: enough to keep up with any intake, little enough not to delay a commit."""

RUN_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """Batches `first` to `last` of `stream`, which `uplinks` had not acknowledged, are no longer there."""

    stream: str
    first: int
    last: int
    batches: int
    from_ms: int
    to_ms: int
    uplinks: tuple[str, ...]
    reason: str

    def data(self) -> dict[str, Any]:
        """The event's data (contract.md §2)."""
        return {
            "stream": self.stream,
            "first": self.first,
            "last": self.last,
            "batches": self.batches,
            "from": self.from_ms,
            "to": self.to_ms,
            "uplinks": list(self.uplinks),
            "reason": self.reason,
        }

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Report":
        """What `data` made. Raises KeyError, TypeError."""
        return cls(
            data["stream"], data["first"], data["last"], data["batches"], data["from"], data["to"],
            tuple(data["uplinks"]), data["reason"],
        )  # fmt: skip


def merged(reports: Iterable[Report]) -> list[Report]:
    """The same said with fewer reports: runs of one stream that touch or overlap, for the same uplinks and reason."""
    result: list[Report] = []
    for report in sorted(reports, key=lambda one: (one.stream, one.reason, one.uplinks, one.first, one.last)):
        last = result[-1] if result else None
        if (
            last is not None
            and (last.stream, last.reason, last.uplinks) == (report.stream, report.reason, report.uplinks)
            and report.first <= last.last + 1
        ):
            end = max(last.last, report.last)
            # a run without holes counts its seqs; with holes it is not known which were told twice
            whole = last.batches == last.last - last.first + 1 and report.batches == report.last - report.first + 1
            batches = end - last.first + 1 if whole else min(last.batches + report.batches, end - last.first + 1)
            result[-1] = replace(
                last,
                last=end,
                batches=batches,
                from_ms=min(last.from_ms, report.from_ms),
                to_ms=max(last.to_ms, report.to_ms),
            )
        else:
            result.append(report)
    return result


@dataclass(slots=True)
class Room:
    """How much is to leave: `bytes` of rows (0: none for size), and rows up to position `old` (0: none for age).

    `settled` has, by uplink, what it has acknowledged; `gone` what is no longer there; `newest` always stays.
    """

    bytes: int
    old: int
    settled: Mapping[str, Intervals]
    gone: Intervals
    newest: int


@dataclass(slots=True)
class Evicted:
    """What left: positions with the reason, and the reports of those that were not delivered."""

    positions: Intervals = field(default_factory=Intervals)
    reports: list[Report] = field(default_factory=list)
    delivered: dict[str, int] = field(default_factory=dict)
    undelivered: dict[str, int] = field(default_factory=dict)


def evict(connection: sqlite3.Connection, room: Room) -> Evicted:
    """Remove one run of batches within the transaction under way. Raises sqlite3.Error."""
    evicted = Evicted()
    if room.old:
        _evict_old(connection, room, evicted)
    if room.bytes:
        _evict_for_size(connection, room, evicted)
    evicted.reports = merged(evicted.reports)
    return evicted


def _evict_old(connection: sqlite3.Connection, room: Room, evicted: Evicted) -> None:
    rows = connection.execute(
        "SELECT position FROM batches WHERE position <= ? AND position < ? ORDER BY position LIMIT ?",
        (room.old, room.newest, RUN_ROWS),
    ).fetchall()
    for first, last in Intervals((position, position) for (position,) in rows):
        _remove(connection, room, evicted, first, last, "age")


def _evict_for_size(connection: sqlite3.Connection, room: Room, evicted: Evicted) -> None:
    wanted = min(room.bytes, RUN_BYTES)
    rows_left = RUN_ROWS
    for runs in (_delivered(room), _present(room)):
        for first, last in runs:
            taken = Intervals()
            sizes = connection.execute(
                "SELECT position, length(body) FROM batches WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?",
                (first, last, rows_left),
            )
            for position, length in sizes:
                if wanted <= 0:
                    break
                taken.add(position)
                wanted -= stored_bytes(length)
                rows_left -= 1
            sizes.close()
            for run in taken:
                _remove(connection, room, evicted, *run, "size")
            if wanted <= 0 or rows_left <= 0:
                return


def stored_bytes(body: int) -> int:
    """About how many bytes of the file a row with a body of that length takes."""
    return 64 + -(-body // (PAGE_SIZE - 4)) * PAGE_SIZE


def _delivered(room: Room) -> Iterable[tuple[int, int]]:
    """Runs of positions that every uplink has acknowledged and that are still there, oldest first."""
    common: Intervals | None = None
    for settled in room.settled.values():
        common = settled if common is None else common.common(settled)
    runs = [(1, room.newest - 1)] if common is None else list(common.within(1, room.newest - 1))
    for first, last in runs:
        yield from room.gone.gaps(first, last)


def _present(room: Room) -> Iterable[tuple[int, int]]:
    return room.gone.gaps(1, room.newest - 1)


def _remove(connection: sqlite3.Connection, room: Room, evicted: Evicted, first: int, last: int, reason: str) -> None:
    for one, other in list(evicted.positions.gaps(first, last)):
        lacking = {name for name, settled in room.settled.items() if any(settled.gaps(one, other))}
        if lacking:
            _report(connection, room, evicted, one, other, reason)
        connection.execute("DELETE FROM batches WHERE position BETWEEN ? AND ?", (one, other))
        if not lacking:
            evicted.delivered[reason] = evicted.delivered.get(reason, 0) + other - one + 1
        evicted.positions.add(one, other)


def _report(connection: sqlite3.Connection, room: Room, evicted: Evicted, first: int, last: int, reason: str) -> None:
    """One report for each row that some uplink lacks, and again those that the row itself carries."""
    for row in connection.execute(f"{SELECT} WHERE position BETWEEN ? AND ?", (first, last)):
        position, stream, seq, created_ms = row[:4]
        lacking = tuple(sorted(name for name, settled in room.settled.items() if position not in settled))
        if not lacking:
            evicted.delivered[reason] = evicted.delivered.get(reason, 0) + 1
            continue
        evicted.undelivered[reason] = evicted.undelivered.get(reason, 0) + 1
        evicted.reports.append(Report(stream, seq, seq, 1, created_ms, created_ms, lacking, reason))
        try:
            evicted.reports.extend(carried(checked(row).body))
        except Damaged:
            continue  # its own reports cannot be read; that it is gone has been said


def carried(body: bytes) -> Sequence[Report]:
    """The eviction reports in a batch's body."""
    text = plain(body)
    if b'"' + KIND.encode() + b'"' not in text:
        return ()
    return [Report.read(event["data"]) for event in orjson.loads(text)["events"] if event["kind"] == KIND]
