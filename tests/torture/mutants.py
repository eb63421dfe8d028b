"""Log files damaged in every way, at rest and while the log runs: what must hold afterwards, whatever was done.

1. The log opens, commits and does not begin another stream at the start after that (no crash loop).
2. Every body handed out is, byte for byte, one that was committed; no `(stream, seq)` has two bodies.
3. For each uplink, every committed batch was acknowledged, is handed out, or is named in a `log.evicted`.

`python -m tests.torture.mutants [--count 1000] [--seed S] [--running 0.2] [--process]`; `--process` starts the real
gateway on each (mutants_process.py), which takes some five seconds a mutant.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.batch import Batch, digest
from gateway.log import Log
from gateway.reading import Event
from tests.fakes.log import Readings, TurnedClock, body, committed, everything, opened, running
from tests.torture.mutations import AT_REST, UPLINKS, WHILE_RUNNING, Mutation, Template, evictions, named, template

MOST_STARTS = 5


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
    judge(made, truth, seen, told, verdict, UPLINKS)
    return words, verdict


def judge(
    made: Template,
    truth: dict[tuple[str, int], bytes],
    seen: dict[str, dict[tuple[str, int], bytes]],
    told: list[dict[str, Any]],
    verdict: Verdict,
    uplinks: Sequence[str],
) -> None:
    """Everything but a start that does not come to rest."""
    for uplink in uplinks:
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


def _under_the_process(folder: Path, count: int, seed: int, running: float) -> Iterator[tuple[int, str, Verdict]]:
    from tests.torture import mutants_process  # it takes its verdicts from here

    made = asyncio.run(templates(folder, random.Random(seed)))
    for number, words, verdict in mutants_process.run(folder, made, count, seed, running):
        print(f"{number} {words}: {verdict.new_stream or 'went on'}", *verdict.wrong, sep="\n  ! ", flush=True)
        yield number, words, verdict


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--running", type=float, default=0.2, help="part of the mutants damaged while the log runs")
    parser.add_argument("--process", action="store_true", help="under the real process, with a broker and a slave")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    logging.getLogger("fieldgate").setLevel(logging.CRITICAL)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.process:
            results = list(_under_the_process(Path(folder), chosen.count, chosen.seed, chosen.running))
        else:
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
