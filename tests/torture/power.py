"""`python -m tests.torture.power [--images 10000] [--seed S]` (needs gcc)

Power cuts. The real process runs with a recorder of what it writes to the log's folder and what it syncs: new log,
load, clean stop, start, kill -9, start, stop. Then images are made of what a disk may hold when the power goes at any
moment: what was synced is there; of what was not, nothing, all, the first part, or any 512-byte sectors of it; names of
files as far as the folder was synced, or further. Each image is opened: every batch whose commit had returned must be
in it, as it was published, and the log must go on without giving a seq twice. A commit has returned when the mark
beside the log names it.
"""

import argparse
import asyncio
import json
import logging
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.batch import plain
from tests.fakes.log import Readings, TurnedClock, committed, everything, opened, running
from tests.system.harness import until
from tests.torture.command import seeded, show
from tests.torture.witness import stage

SECTOR = 512
START_MS = 1_800_000_000_000  # after everything in the recorded log


@dataclass(frozen=True, slots=True)
class Op:
    """One recorded call."""

    kind: str
    name: str
    offset: int
    data: bytes


def record(folder: Path, batches: int) -> tuple[list[Op], dict[tuple[str, int], bytes]]:
    """What the process did to the files of its log, and the bodies that it published."""
    shim, file, place = folder / "recorder.so", folder / "record", folder / "log"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(source), "-ldl", "-lpthread"], check=True)
    place.mkdir()
    with stage(folder, place, max_size="4MiB", compression="zlib") as scene:
        scene.gateway.environment |= {
            "LD_PRELOAD": str(shim), "RECORD_FILE": str(file), "RECORD_PREFIX": str(place.resolve()),
        }  # fmt: skip
        for part in range(1, 4):
            wanted = scene.witness.newest + batches // 3
            with scene.gateway.running():
                until(lambda wanted=wanted: scene.witness.newest >= wanted, "batches", patience_s=120)  # type: ignore[misc]
                if part == 2:
                    scene.gateway.kill()
                else:
                    assert scene.gateway.stop() == 0
        scene.settle()
        assert scene.witness.judge() == []
        assert not any(scene.witness.told.values())
        return list(_parsed(file.read_bytes())), scene.witness.bodies


def _parsed(data: bytes) -> Iterator[Op]:
    at = 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        kind, path_length = struct.unpack_from("<cH", data, at + 4)
        begin = at + 7
        name = Path(data[begin : begin + path_length].decode()).name
        (offset,) = struct.unpack_from("<q", data, begin + path_length)
        yield Op(kind.decode(), name, offset, data[begin + path_length + 8 : at + 4 + length])
        at += 4 + length


@dataclass(eq=False)
class File:
    """What is certainly on the disk, and what may be."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Op] = field(default_factory=list)

    def sync(self) -> None:
        for op in self.pending:
            _apply(self.durable, op)
        self.pending.clear()

    def after_cut(self, draw: random.Random) -> bytes:
        content = bytearray(self.durable)
        kept = draw.choice(("none", "all", "first", "sectors", "sectors", "sectors"))
        if kept == "none":
            return bytes(content)
        pending = self.pending
        if kept == "first":
            pending = pending[: draw.randint(0, len(pending))]
        share = draw.choice((0.1, 0.5, 0.9))
        for op in pending:
            if op.kind == "T":
                if kept != "sectors" or draw.random() < share:
                    _apply(content, op)
                continue
            for start in range(0, len(op.data), SECTOR):
                if kept != "sectors" or draw.random() < share:
                    _apply(content, Op("W", op.name, op.offset + start, op.data[start : start + SECTOR]))
        return bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "T":
        if op.offset < len(content):
            del content[op.offset :]
        else:
            content.extend(bytes(op.offset - len(content)))
        return
    if op.offset > len(content):
        content.extend(bytes(op.offset - len(content)))
    content[op.offset : op.offset + len(op.data)] = op.data


class Disk:
    """The folder of the log, as far as the recorded calls up to now have brought it."""

    def __init__(self) -> None:
        self.committed: dict[str, int] = {}
        """By stream, the newest seq whose commit has returned."""
        self._names: dict[str, File] = {}
        self._durable: dict[str, File] = {}
        self._changes: list[tuple[str, File | None]] = []

    def step(self, op: Op) -> None:
        """One call has returned."""
        if op.name.endswith("-shm"):
            return  # only an index, made anew at each opening
        if op.kind == "D":
            for name, file in self._changes:
                _rename(self._durable, name, file)
            self._changes.clear()
        elif op.kind == "U":
            self._names.pop(op.name, None)
            self._changes.append((op.name, None))
        elif op.kind == "M":
            file = self._names.pop(op.name)
            target = Path(op.data.decode()).name
            self._names[target] = file
            self._changes += [(op.name, None), (target, file)]
        else:
            file = self._names.get(op.name) or self._create(op.name)
            if op.kind in "WT":
                file.pending.append(op)
            elif op.kind == "S":
                file.sync()
            if op.kind == "W" and op.name.endswith("-mark"):
                words = op.data.split()
                if words[1] != b"-" and int(words[2]):
                    self.committed[words[1].decode()] = int(words[2])

    def _create(self, name: str) -> File:
        file = self._names[name] = File()
        self._changes.append((name, file))
        return file

    def image(self, folder: Path, draw: random.Random) -> None:
        """What the disk may hold if the power goes now."""
        names = dict(self._durable)
        for name, file in self._changes[: draw.choice((0, len(self._changes), draw.randint(0, len(self._changes))))]:
            _rename(names, name, file)
        for name, file in names.items():
            (folder / name).write_bytes(file.after_cut(draw))


def _rename(names: dict[str, File], name: str, file: File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


async def opens(folder: Path, disk: Disk, bodies: dict[tuple[str, int], bytes]) -> tuple[str, list[str]]:
    """How the log in the folder went on, and what is wrong with it."""
    wrong: list[str] = []
    clock = TurnedClock(START_MS)
    log = await opened(folder / "log.db", clock, compression="zlib", boot="another")
    async with running(log):
        log.add(Readings(clock).next())
        await committed(log)
        found = {(batch.stream, batch.seq): plain(batch.body) for batch in await everything(log)}
        if list(folder.glob("*-damaged-*")) or list(folder.glob("*-salvaged-*")):
            wrong.append("the file was damaged")
        for stream, newest in disk.committed.items():
            lost = [seq for seq in range(1, newest + 1) if (stream, seq) not in found]
            if lost:
                wrong.append(f"{len(lost)} committed batches lost: {stream} {lost[0]} to {lost[-1]} of {newest}")
        for (stream, seq), text in bodies.items():
            if seq <= disk.committed.get(stream, 0) and found.get((stream, seq), text) != text:
                wrong.append(f"{stream} {seq} is not as published")
        if log.stream in disk.committed:
            if log.seq <= disk.committed[log.stream]:
                wrong.append("a seq was given twice")
            return "went on", wrong
        started = json.loads(found[log.stream, 1])["events"][0]["data"]["reason"]
    return str(started), wrong


def images(
    folder: Path, ops: list[Op], bodies: dict[tuple[str, int], bytes], count: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Cut the power so many times; what became of the logs, and what was wrong."""
    draw = random.Random(seed)
    cuts = sorted(draw.randrange(1, len(ops) + 1) for _ in range(count))
    disk, done = Disk(), 0
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    place = folder / "image"
    with asyncio.Runner() as runner:
        for number, cut in enumerate(cuts):
            while done < cut:
                disk.step(ops[done])
                done += 1
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            disk.image(place, draw)
            outcome, findings = runner.run(opens(place, disk, bodies))
            outcomes[outcome] += 1
            wrong += [f"image {number} after call {cut} of {len(ops)}: {finding}" for finding in findings]
    return outcomes, wrong


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.power", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batches", type=int, default=600, help="how much is recorded")
    chosen = seeded(parser)
    logging.getLogger("fieldgate").setLevel(logging.ERROR)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-power-") as folder:
        ops, bodies = record(Path(folder), chosen.batches)
        kinds = Counter(op.kind for op in ops)
        print(f"recorded {len(ops)} calls ({kinds['W']} writes, {kinds['S']} syncs), {len(bodies)} batches", flush=True)
        memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(folder)
        with tempfile.TemporaryDirectory(prefix="fieldgate-power-", dir=memory) as place:
            outcomes, wrong = images(Path(place), ops, bodies, chosen.images, chosen.seed)
    print(f"{chosen.images} power cuts in {time.monotonic() - began:.0f} s: {len(wrong)} broken promises;", end=" ")
    print("streams:", ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    show(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
