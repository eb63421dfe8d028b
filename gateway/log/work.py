"""One commit: everything that is written in one transaction, in one visit to the database's thread.

Encoding, hashing and compressing happen there too, so that the event loop goes on polling meanwhile.
"""

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.batch import Batch, digest, encode, pack
from gateway.log import eviction
from gateway.log.database import save
from gateway.log.eviction import Evicted, Room
from gateway.log.files import Files
from gateway.log.gathering import Segment
from gateway.log.holding import written
from gateway.log.reader import created
from gateway.log.row import INSERT, columns
from gateway.log.store import Written
from gateway.reading import Event

CURSOR = "cursor:"
GONE = "gone"
KEPT = "kept:"


@dataclass(frozen=True, slots=True)
class End:
    """The newest batch of the log, to which the next one is linked. `seq` 0: the stream has none yet."""

    position: int
    stream: str
    seq: int
    head: str
    created_ms: int = 0


@dataclass(slots=True)
class Work:
    """What is to be committed after `end`. `own` and `generated` are events of the log itself, `own` told once only."""

    gateway: str
    compression: str
    boot: str
    end: End
    created_ms: int
    clock: str
    segments: Sequence[Segment]
    own: Sequence[Event] = ()
    generated: Sequence[Event] = ()
    cursors: Mapping[str, bytes] = field(default_factory=dict)
    states: Mapping[str, bytes | None] = field(default_factory=dict)
    carried: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)  # kept by a file before this one
    aside: Sequence[Segment] = ()  # readings to be held back
    released: Sequence[int] = ()  # rows of `held` whose readings are in the segments
    room: Room | None = None
    look: Sequence[int] = ()  # positions whose time is wanted
    give_back: int = 0  # free pages to return to the file system afterwards
    look_at_files: bool = True  # afterwards; else what Done says of the files is 0
    batches: list[Batch] = field(default_factory=list)  # as encoded by the last attempt
    ends: list[int] = field(default_factory=list)  # for each segment the newest position with it

    def __bool__(self) -> bool:
        return bool(
            self.segments or self.own or self.generated or self.cursors or self.states or self.carried or self.aside
            or self.released or self.room or self.give_back
        )  # fmt: skip


@dataclass(slots=True)
class Done:
    """What was committed, and what the files look like now."""

    batches: list[Batch]
    end: End
    evicted: Evicted
    held: list[tuple[int, str]]  # rows that were put aside: id, boot
    unwritable: list[str]
    seconds: float
    created: dict[int, int] = field(default_factory=dict)
    pages: int = 0
    free_pages: int = 0
    bytes: int = 0  # of all files together
    others: int = 0  # of those beside the database and its WAL, which get shorter only some time after pages left them
    written: int = 0


def commit(connection: sqlite3.Connection, work: Work, files: Files, account: Written) -> Done:
    """Write it. When this returns, a power cut cannot take it back; when it raises, nobody knows.

    Raises sqlite3.Error, OSError.
    """
    started = time.perf_counter()
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    if work.room and work.room.bytes > 0:
        while work.room.bytes > 0 and (freed := files.drop_salvaged()):
            work.room.bytes -= freed
    connection.execute("BEGIN IMMEDIATE")
    done = _transaction(connection, work)
    connection.execute("COMMIT")
    done.seconds = time.perf_counter() - started
    # From here on it is committed. What fails now is the next commit's trouble, and must not make this one doubtful.
    with contextlib.suppress(sqlite3.Error, OSError):
        if work.give_back:
            # each page is a row without columns, which `execute` takes for the end after the first
            connection.executescript(f"PRAGMA incremental_vacuum({work.give_back})")
        done.created = created(connection, work.look)
        if not work.look_at_files:
            return done
        (done.pages,) = connection.execute("PRAGMA page_count").fetchone()
        (done.free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        done.bytes = files.bytes()
        done.others = done.bytes - files.path.stat().st_size - files.wal.stat().st_size
        done.written = account.update()
    return done


def _transaction(connection: sqlite3.Connection, work: Work) -> Done:
    evicted = eviction.evict(connection, work.room) if work.room else Evicted()
    reports = [Event(work.created_ms, eviction.KIND, report.data()) for report in evicted.reports]
    unwritable: list[str] = []
    work.batches, end = encoded(work, [*work.generated, *work.own, *reports], unwritable)
    connection.executemany(INSERT, [columns(batch) for batch in work.batches])
    for segment, position in zip(work.segments, work.ends, strict=False):
        save(connection, {KEPT + name: value for name, value in segment.kept.items()}, position)
    for name, (position, value) in work.carried.items():
        save(connection, {KEPT + name: value}, position)
    states: dict[str, bytes | None] = {CURSOR + name: value for name, value in work.cursors.items()}
    states.update(work.states)
    if evicted.positions and work.room:
        gone = work.room.gone.copy()
        for run in evicted.positions:
            gone.add(*run)
        states[GONE] = gone.written()
    save(connection, states, end.position)
    held: list[tuple[int, str]] = []
    for segment in work.aside:
        row = written(work.boot, segment.readings)
        cursor = connection.execute("INSERT INTO held (boot, crc, body) VALUES (?, ?, ?)", row)
        held.append((cursor.lastrowid or 0, work.boot))
    connection.executemany("DELETE FROM held WHERE id = ?", [(row,) for row in work.released])
    return Done(work.batches, end, evicted, held, unwritable, 0.0)


def encoded(work: Work, events: Sequence[Event], unwritable: list[str]) -> tuple[list[Batch], End]:
    """The batches of the segments, the log's own events in the first; and the newest batch after them."""
    batches: list[Batch] = []
    end = work.end
    work.ends = []
    first = list(events)
    for segment in work.segments or ([Segment()] if events else []):
        if not (segment.readings or segment.windows or segment.events or first):
            work.ends.append(end.position)
            continue
        body = _body(work, end, segment, [*first, *segment.events], unwritable)
        first = []
        work.ends.append(end.position + 1)
        end = End(end.position + 1, end.stream, end.seq + 1, digest(body), work.created_ms)
        stored = pack(body, work.compression)
        batches.append(Batch(end.position, end.stream, end.seq, work.created_ms, stored))
    return batches, end


def _body(work: Work, end: End, segment: Segment, events: list[Event], unwritable: list[str]) -> bytes:
    def of(*parts: Any) -> bytes:
        return encode(work.gateway, end.stream, end.seq + 1, end.head, work.created_ms, work.clock, *parts)

    try:
        return of(segment.readings, segment.windows, events)
    except (TypeError, ValueError):
        pass
    # Something in it is no JSON. One such item must not stop the log: it is left out, and the feed says so.
    kept: list[list[Any]] = [[], [], []]
    parts: tuple[Sequence[Any], ...] = (segment.readings, segment.windows, events)
    for index, items in enumerate(parts):
        for item in items:
            alone: list[list[Any]] = [[], [], []]
            alone[index] = [item]
            try:
                of(*alone)
            except (TypeError, ValueError) as error:
                unwritable.append(f"{type(item).__name__} of {item.instrument}: {error}")
            else:
                kept[index].append(item)
    kept[2].append(Event(work.created_ms, "log.lost", {"reason": "unwritable", "items": unwritable[:100]}))
    return of(*kept)
