"""`python -m tests.torture.writes [--first 1] [--last 500] [--step 1]` (needs strace)

The real process killed at its N-th write to the log's files, for each N: the kill comes when the kernel is entered, so
everything before is written and that write is not. The first ones on a new log, the others on one that lives on.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.command import show
from tests.torture.witness import Stage, Witness, stage

NEW_LOG = 60
"""Up to this write the log is made anew each time: its schema, first stream and mark are being written."""


def sweep(folder: Path, numbers: list[int]) -> tuple[list[Witness], int]:
    """A kill at each of these writes; witnesses of all logs, and how many kills came."""
    witnesses: list[Witness] = []
    killed = 0
    for number in [number for number in numbers if number <= NEW_LOG]:
        place = folder / f"new-{number}"
        place.mkdir()
        with stage(place) as scene:
            killed += _killed_at(scene, number)
            witnesses.append(scene.live_on())
        shutil.rmtree(place)
    later = [number for number in numbers if number > NEW_LOG]
    if later:
        with stage(folder) as scene:
            for at, number in enumerate(later):
                killed += _killed_at(scene, number)
                scene.witness.compare_log()
                if at % 50 == 49:
                    print(f"write {number}, {len(scene.witness.bodies)} batches, {killed} kills", flush=True)
            witnesses.append(scene.live_on())
    return witnesses, killed


def _killed_at(scene: Stage, number: int) -> bool:
    """Start it under strace; whether it died of that write."""
    log = scene.witness.log
    paths = [word for ending in ("", "-wal", "-mark", "-shm") for word in ("-P", f"{log}{ending}")]
    inject = f"inject=pwrite64,write:signal=KILL:when={number}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64,write", "-e", inject, *paths]
    scene.gateway.start(command)
    assert scene.gateway.process is not None
    try:
        code = scene.gateway.process.wait(60)
    except subprocess.TimeoutExpired:
        scene.gateway.kill()
        return False
    return code != 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.writes", description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=500)
    parser.add_argument("--step", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    numbers = list(range(chosen.first, chosen.last + 1, chosen.step))
    with tempfile.TemporaryDirectory(prefix="fieldgate-writes-") as folder:
        witnesses, killed = sweep(Path(folder), numbers)
    wrong = [finding for witness in witnesses for finding in witness.wrong]
    batches = sum(len(witness.bodies) for witness in witnesses)
    seconds = time.monotonic() - began
    print(f"{killed} kills at {len(numbers)} writes in {seconds:.0f} s:", end=" ")
    print(f"{batches} batches, {len(wrong)} broken promises")
    show(wrong)
    return 1 if wrong or killed != len(numbers) else 0


if __name__ == "__main__":
    sys.exit(main())
