"""Log files damaged in every way, at rest and while the log runs: what must hold afterwards, whatever was done.

1. The log opens, commits and does not begin another stream at the start after that (no crash loop).
2. Every body handed out is, byte for byte, one that was committed; no `(stream, seq)` has two bodies.
3. For each uplink, every committed batch was acknowledged, is handed out, or is named in a `log.evicted`.

`python -m tests.torture.mutants [--count 1000] [--seed S] [--running 0.2]`
"""

import argparse
import asyncio
import logging
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.batch import Batch, digest
from gateway.log import Log
from gateway.reading import Event
from tests.fakes.log import Readings, TurnedClock, body, committed, everything, opened, running

MOST_STARTS = 5
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


# What must hold


@dataclass
class Verdict:
    """Of one mutant: what was wrong, and what became of the batches."""

    wrong: list[str] = field(default_factory=list)
    handed_out: int = 0
    reported: int = 0
    new_stream: str = ""


async def _drain(log: Log, seen: dict[str, dict[tuple[str, int], bytes]], verdict: Verdict) -> None:
    """Take and settle everything that each uplink is offered."""
    for uplink in UPLINKS:
        async with asyncio.timeout(60):
            while page := await log.undelivered(uplink, log.newest() + 1):
                for batch in page:
                    other = seen[uplink].setdefault(named(batch), batch.body)
                    if other != batch.body:
                        verdict.wrong.append(f"{named(batch)} has two bodies")
                    log.settle(uplink, batch.position)


async def _quiet(log: Log) -> None:
    """Wait until nothing is salvaged any more."""
    async with asyncio.timeout(60):
        while log._writer.salvaging.active or log._writer.telling.events:
            await asyncio.sleep(0.002)


async def live_through(
    folder: Path, made: Template, draw: random.Random, mutation: Mutation, while_running: bool
) -> tuple[str, Verdict]:
    """Damage the log in `folder`, live on with it, stop, start again; what was done and what came of it."""
    path, clock, verdict = folder / "log.db", TurnedClock(made.clock.wall_ms, made.clock.known), Verdict()
    clock.boot_s = made.clock.boot_s
    truth = {name: batch.body for name, batch in made.batches.items()}
    seen: dict[str, dict[tuple[str, int], bytes]] = {uplink: {} for uplink in UPLINKS}
    told = list(made.told)
    words = "" if while_running else mutation(path, made, draw)
    readings = Readings(clock)
    streams: list[str] = []
    # damage may be met late (a list of free pages, or what was in memory until the stop), but not for ever
    while len(streams) < 2 or (streams[-1] != streams[-2] and len(streams) < MOST_STARTS):
        start = len(streams)
        log = await opened(path, clock, UPLINKS, compression=made.compression)
        async with running(log):
            for step in range(6):
                clock.turn(1.0)
                log.add(readings.next())
                if step == 3:
                    log.add_event(Event(clock.wall_ms, "test"))
                for batch in await committed(log):
                    if truth.setdefault(named(batch), batch.body) != batch.body:
                        verdict.wrong.append(f"{named(batch)} was given twice")
                if step == 2 and while_running and not start:
                    words = mutation(path, made, draw)
                await _drain(log, seen, verdict)
            await _quiet(log)
            await _drain(log, seen, verdict)
            await _quiet(log)
            batches = await everything(log)  # reads all of it, and so finds damage that nobody has met yet
            await _quiet(log)
            await _drain(log, seen, verdict)
            await _quiet(log)
            stream = log.stream
            streams.append(stream)
            if not any(known == stream for known, _ in made.batches):
                batches = await everything(log)
                started = next((one for one in batches if named(one) == (stream, 1)), None)
                verdict.new_stream = body(started)["events"][0]["data"]["reason"] if started else "?"
            for batch in batches:
                truth.setdefault(named(batch), batch.body)
                told += evictions(batch)
    if streams[-1] != streams[-2]:
        verdict.wrong.append("each start begins another stream")
    _judge(made, truth, seen, told, verdict)
    return words, verdict


def _judge(
    made: Template,
    truth: dict[tuple[str, int], bytes],
    seen: dict[str, dict[tuple[str, int], bytes]],
    told: list[dict[str, Any]],
    verdict: Verdict,
) -> None:
    for uplink in UPLINKS:
        for name, text in seen[uplink].items():
            if truth.get(name, text) != text:
                verdict.wrong.append(f"{uplink} was handed {name} with another body")
            told += evictions(Batch(0, *name, 0, text))
        reported = {
            (data["stream"], seq)
            for data in told
            if uplink in data["uplinks"]
            for seq in range(data["first"], data["last"] + 1)
        }
        # of a stream that the mark does not name and of which not one batch is left, nobody knows
        unknown = {stream for stream, _ in truth} - {stream for stream, _ in seen[uplink]}
        for name in truth:
            if name[0] in unknown and name[0] != made.stream:
                continue
            if name in seen[uplink]:
                verdict.handed_out += 1
            elif name in reported:
                verdict.reported += 1
            elif name not in made.acknowledged[uplink]:
                verdict.wrong.append(f"{uplink} never had {name} and was not told")
    for (stream, seq), text in truth.items():
        before = truth.get((stream, seq - 1))
        if before is not None and body(Batch(0, stream, seq, 0, text))["prev"] != digest(before):
            verdict.wrong.append(f"{stream} {seq} does not follow {seq - 1}")


async def templates(folder: Path, draw: random.Random) -> list[Template]:
    """The logs that are damaged."""
    kinds = [(True, 1, "none"), (False, 1, "none"), (False, 1, "zlib"), (True, 2, "zlib"), (False, 2, "none")]
    return [await template(folder / f"t{index}", draw, *kind) for index, kind in enumerate(kinds)]


async def run(folder: Path, count: int, seed: int, share_running: float) -> Iterator[tuple[int, str, Verdict]]:
    """So many mutants; each has a seed of its own."""
    made = await templates(folder, random.Random(seed))
    results = []
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        chosen = draw.choice(made)
        while_running = draw.random() < share_running
        mutation = draw.choice(WHILE_RUNNING if while_running else AT_REST)
        copy = folder / "mutant"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(chosen.folder.with_name(chosen.folder.name + "-left"), copy)
        try:
            words, verdict = await live_through(copy, chosen, draw, mutation, while_running)
        except Exception as error:
            words, verdict = mutation.__name__, Verdict([f"{type(error).__name__}: {error}"])
        results.append((number, f"{chosen.name}{' running' if while_running else ''}: {words}", verdict))
    return iter(results)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--running", type=float, default=0.2, help="part of the mutants damaged while the log runs")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    logging.getLogger("fieldgate").setLevel(logging.CRITICAL)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = list(asyncio.run(run(Path(folder), chosen.count, chosen.seed, chosen.running)))
    streams = Counter(verdict.new_stream or "went on" for _, _, verdict in results)
    wrong = [(number, words, verdict.wrong) for number, words, verdict in results if verdict.wrong]
    print(f"{len(results)} mutants in {time.monotonic() - began:.0f} s, {len(wrong)} broke a promise")
    print(f"  batches handed out {sum(verdict.handed_out for _, _, verdict in results)},", end=" ")
    print(f"reported as lost {sum(verdict.reported for _, _, verdict in results)}")
    print("  streams:", ", ".join(f"{name} {count}" for name, count in streams.most_common()))
    for number, words, verdict in results:
        if verdict.new_stream in ("new", "?"):
            print(f"  {number} {words}: {verdict.new_stream}")
    for number, words, findings in wrong[:20]:
        print(f"  ! {number} {words}: {'; '.join(findings[:3])} ({len(findings)})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
