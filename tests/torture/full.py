"""`python -m tests.torture.full [--count 100] [--seed S]` (as root: it mounts a tmpfs)

The log's disk filled and freed again and again under the real process. While it is full polling and metrics go on and
nothing is published that is not on the disk; when there is space again everything that was polled comes, or is told.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.harness import until
from tests.torture.command import judged, seeded
from tests.torture.witness import Stage, Witness, counter, gaps, stage

DISK_MIB = 12
FULL = "fieldgate_log_commit_seconds_count"


@contextmanager
def small_disk(folder: Path, mebibytes: int = DISK_MIB) -> Iterator[Path]:
    """A tmpfs of that size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all space that is left."""
    path = disk / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


def cycles(folder: Path, count: int, seed: int) -> Witness:
    """So many times full and free."""
    draw = random.Random(seed)
    with small_disk(folder / "disk") as disk, stage(folder, disk, max_size="4MiB") as scene, scene.gateway.running():
        until(lambda: scene.witness.newest > 10, "the first batches")
        for number in range(count):
            _full_once(scene, disk, draw)
            if number % 10 == 9:
                print(f"{number + 1} times, {len(scene.witness.bodies)} batches", flush=True)
        before = scene.witness.newest
        until(lambda: scene.witness.newest > before + 5, "batches at the end")
        witness = scene.end()
        witness.wrong += gaps(witness)
        return witness


def _full_once(scene: Stage, disk: Path, draw: random.Random) -> None:
    filler = fill(disk)

    def stuck() -> bool:
        fill(disk)  # the log may have found a last page
        before = counter(scene, FULL)
        time.sleep(0.2)  # twenty times commit_every
        return counter(scene, FULL) == before

    until(stuck, "commits to fail")
    polls, batches = counter(scene, "fieldgate_polls_total"), scene.witness.newest
    time.sleep(draw.uniform(0.1, 1.0))  # it stays full
    until(lambda: counter(scene, "fieldgate_polls_total") > polls, "polls while the disk is full")
    scene.witness.compare_full()
    filler.unlink()
    began = time.monotonic()
    until(lambda: scene.witness.newest > batches, "batches after there is space again", patience_s=10.0)
    scene.witness.healing_s.append(time.monotonic() - began)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.full", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    chosen = seeded(parser)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-full-") as folder:
        witness = cycles(Path(folder), chosen.count, chosen.seed)
    more = (f"{witness.told_lost} readings told as lost", f"healed in {max(witness.healing_s):.1f} s at most")
    kept = judged(f"{chosen.count} times full and free in {time.monotonic() - began:.0f} s", witness, more)
    return 0 if kept and len(witness.streams) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
