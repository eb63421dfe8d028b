"""Logs as they were left, with what is known of them from outside, and the ways in which their files are damaged."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.batch import Batch
from tests.fakes.log import Readings, TurnedClock, body, committed, opened, running

UPLINKS = ("city", "county")
PAGE = 512


@dataclass
class Template:
    """A log as it was left, and what is known of it from outside."""

    name: str
    folder: Path
    clock: TurnedClock
    compression: str
    batches: dict[tuple[str, int], Batch] = field(default_factory=dict)
    acknowledged: dict[str, set[tuple[str, int]]] = field(default_factory=lambda: {name: set() for name in UPLINKS})
    told: list[dict[str, Any]] = field(default_factory=list)
    stream: str = ""
    """The one that the mark names."""
    older: dict[str, bytes] = field(default_factory=dict)
    """The log's files as they were somewhat earlier."""


def named(batch: Batch) -> tuple[str, int]:
    return batch.stream, batch.seq


def evictions(batch: Batch) -> list[dict[str, Any]]:
    """What its `log.evicted` events say."""
    return [event["data"] for event in body(batch)["events"] if event["kind"] == "log.evicted"]


async def template(folder: Path, draw: random.Random, closed: bool, streams: int, compression: str) -> Template:
    """A log with small and large batches, delivered in part, some evicted, stopped cleanly or killed."""
    clock = TurnedClock()
    made = Template(f"{'closed' if closed else 'killed'}-{streams}-{compression}", folder, clock, compression)
    folder.mkdir()
    path = folder / "log.db"
    for start in range(streams):
        if start:
            path.with_name("log.db-mark").unlink()
        last = start == streams - 1
        log = await opened(path, clock, UPLINKS, compression=compression, max_age_s=90.0)
        async with running(log, close=closed or not last):
            small, large = Readings(clock, 2), Readings(clock, 400)
            for step in range(30):
                clock.turn(1.0 if step != 5 else 61.0)
                log.add((large if draw.random() < 0.3 else small).next())
                for batch in await committed(log):
                    made.batches[named(batch)] = batch
                    made.told += evictions(batch)
                    for uplink in UPLINKS:
                        if draw.random() < 0.6:
                            log.settle(uplink, batch.position)
                            made.acknowledged[uplink].add(named(batch))
                if last and step == 20:
                    made.older = {file.name: file.read_bytes() for file in folder.iterdir()}
        made.stream = log.stream
        if last:
            shutil.copytree(folder, folder.with_name(folder.name + "-left"))
    return made


# What is done to the files

Mutation = Callable[[Path, Template, random.Random], str]


def _flip(path: Path, draw: random.Random, count: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def flips(log: Path, made: Template, draw: random.Random) -> str:
    count = draw.choice((1, 1, 2, 5, 20, 200))
    _flip(log, draw, count)
    return f"{count} bits flipped"


def header(log: Path, made: Template, draw: random.Random) -> str:
    data = bytearray(log.read_bytes())
    at = draw.randrange(100)
    data[at] = draw.randrange(256)
    log.write_bytes(data)
    return f"header byte {at} set to {data[at]}"


def blocks(log: Path, made: Template, draw: random.Random) -> str:
    data = bytearray(log.read_bytes())
    size = draw.choice((512, 512, 4096, 65536))
    count = draw.choice((1, 2, 8))
    zero = draw.random() < 0.5
    for _ in range(count):
        at = draw.randrange(max(1, len(data) // size)) * size
        length = len(data[at : at + size])
        data[at : at + size] = bytes(length) if zero else draw.randbytes(length)
    log.write_bytes(data)
    return f"{count} blocks of {size} bytes {'zeroed' if zero else 'overwritten'}"


def swapped(log: Path, made: Template, draw: random.Random) -> str:
    data = bytearray(log.read_bytes())
    one, other = (draw.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]
    log.write_bytes(data)
    return f"pages {one // PAGE} and {other // PAGE} swapped"


def shortened(log: Path, made: Template, draw: random.Random) -> str:
    length = draw.choice((0, 1, 99, draw.randrange(log.stat().st_size), draw.randrange(log.stat().st_size)))
    with log.open("r+b") as file:
        file.truncate(length)
    return f"cut to {length} bytes"


def lengthened(log: Path, made: Template, draw: random.Random) -> str:
    with log.open("ab") as file:
        file.write(draw.randbytes(draw.choice((1, 512, 70_000))))
    return "garbage appended"


def absent(log: Path, made: Template, draw: random.Random) -> str:
    log.unlink()
    return "deleted"


def replaced(log: Path, made: Template, draw: random.Random) -> str:
    kind = draw.choice(("garbage", "text", "foreign", "foreign-tables"))
    log.unlink()
    if kind == "garbage":
        log.write_bytes(draw.randbytes(50_000))
    elif kind == "text":
        log.write_text("gateway: {id: lyu-gas-017}\n" * 100)
    else:
        database = sqlite3.connect(log)
        if kind == "foreign":
            database.execute("CREATE TABLE readings (at INTEGER, value REAL)")
            database.executemany("INSERT INTO readings VALUES (?, ?)", [(n, n / 3) for n in range(500)])
        else:
            database.execute("CREATE TABLE batches (position INTEGER PRIMARY KEY, body TEXT)")
        database.commit()
        database.close()
    return f"replaced by {kind}"


def restored(log: Path, made: Template, draw: random.Random) -> str:
    """A copy from before put back; the mark is the newer one."""
    with_wal = draw.random() < 0.5
    log.write_bytes(made.older["log.db"])
    wal = log.with_name("log.db-wal")
    wal.unlink(missing_ok=True)
    if with_wal:
        wal.write_bytes(made.older["log.db-wal"])
    return f"an older copy put back {'with' if with_wal else 'without'} its WAL"


def wal(log: Path, made: Template, draw: random.Random) -> str:
    path = log.with_name("log.db-wal")
    if not path.exists() or path.stat().st_size == 0:
        path.write_bytes(made.older["log.db-wal"])
        return "an old WAL put beside a log that was closed"
    kind = draw.choice(("deleted", "cut", "flipped", "zeroed", "old", "garbage", "swapped"))
    size = path.stat().st_size
    if kind == "deleted":
        path.unlink()
    elif kind == "cut":
        with path.open("r+b") as file:
            file.truncate(draw.randrange(size))
    elif kind == "flipped":
        _flip(path, draw, draw.choice((1, 3, 50)))
    elif kind == "zeroed":
        data = bytearray(path.read_bytes())
        at = draw.randrange(size)
        data[at : at + 4096] = bytes(len(data[at : at + 4096]))
        path.write_bytes(data)
    elif kind == "old":
        path.write_bytes(made.older["log.db-wal"])
    elif kind == "garbage":
        path.write_bytes(draw.randbytes(30_000))
    else:
        data = bytearray(path.read_bytes())
        frame = 24 + PAGE
        one, other = (32 + draw.randrange(max(1, (size - 32) // frame)) * frame for _ in range(2))
        data[one : one + frame], data[other : other + frame] = data[other : other + frame], data[one : one + frame]
        path.write_bytes(data[:size])
    return f"WAL {kind}"


def index(log: Path, made: Template, draw: random.Random) -> str:
    log.with_name("log.db-shm").write_bytes(draw.randbytes(32768))
    return "index overwritten"


def mark(log: Path, made: Template, draw: random.Random) -> str:
    path = log.with_name("log.db-mark")
    kind = draw.choice(("deleted", "garbage", "empty", "flipped"))
    if kind == "deleted":
        path.unlink()
    elif kind == "flipped":
        _flip(path, draw, 1)
    else:
        path.write_bytes(b"" if kind == "empty" else draw.randbytes(256))
    return f"mark {kind}"


AT_REST: tuple[Mutation, ...] = (
    flips, flips, flips, header, blocks, blocks, swapped, shortened, lengthened, absent, replaced, restored, wal, wal,
    wal, index, mark,
)  # fmt: skip
WHILE_RUNNING: tuple[Mutation, ...] = (flips, header, blocks, blocks, swapped)
"""What a bad card does to a file that is open. (Cutting a file that a process has mapped or open is done by nobody.)"""
