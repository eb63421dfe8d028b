"""`python -m tests.torture.errors [--rounds 3] [--seed S]` (needs strace and the right to trace)

The disk fails under the running process: each call on the log's files, with each error that disks give, for a while.
Polling and metrics go on, nothing is published that is not in the log, and when the disk is well again so is the log.
"""

import argparse
import random
import signal
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

FAULTS = (
    ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EROFS"), ("fdatasync,fsync", "EIO"),
    # the others are called while the log is opened anew, which a failed write brings about
    ("pwrite64,ftruncate", "EIO"), ("pwrite64,openat", "EIO"), ("pwrite64,openat", "EROFS"),
    ("pwrite64,pread64", "EIO"), ("fdatasync,fsync,ftruncate,unlink", "EIO"), ("pwrite64,fcntl", "ENOLCK"),
    ("pwrite64,openat,ftruncate,fdatasync,fsync,pread64,unlink,newfstatat", "EIO"),
)  # fmt: skip
TROUBLE = "the log cannot be written"


@contextmanager
def failing(scene: Stage, calls: str, error: str, which: str) -> Iterator[None]:
    """Calls on the log's files fail, `which` of them as strace's `when` says."""
    assert scene.gateway.process is not None
    log = scene.witness.log
    paths = [word for ending in ("", "-wal", "-mark") for word in ("-P", f"{log}{ending}")]
    inject = f"inject={calls}:error={error}:when={which}"
    command = ["strace", "-f", "-q", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, *paths]
    tracer = subprocess.Popen([*command, "-p", str(scene.gateway.process.pid)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go, and the process runs on
        tracer.wait(20)


def rounds(folder: Path, count: int, seed: int, faults: tuple[tuple[str, str], ...] = FAULTS) -> Witness:
    """All faults, so many times."""
    draw = random.Random(seed)
    with stage(folder) as scene, scene.gateway.running():
        until(lambda: scene.witness.newest > 10, "the first batches")
        for _ in range(count):
            for calls, error in draw.sample(faults, len(faults)):
                _fail_once(scene, calls, error, draw)
        witness = scene.end()
        witness.wrong += gaps(witness)
        return witness


def _fail_once(scene: Stage, calls: str, error: str, draw: random.Random) -> None:
    which = draw.choice(("1+", "1+2", "1+3", "2..6"))
    polls = counter(scene, "fieldgate_polls_total")
    met = scene.gateway.output().count(TROUBLE)
    with failing(scene, calls, error, which):
        until(lambda: counter(scene, "fieldgate_polls_total") > polls + 10, f"polls while {calls} gives {error}")
        time.sleep(draw.uniform(0.2, 1.5))  # it lasts
    if scene.gateway.output().count(TROUBLE) > met:
        scene.witness.met.add((calls, error))
    before, began = scene.witness.newest, time.monotonic()
    until(lambda: scene.witness.newest > before + 2, f"batches after {calls} gave {error} ({which})", patience_s=20.0)
    scene.witness.healing_s.append(time.monotonic() - began)
    if scene.gateway.process is None or scene.gateway.process.poll() is not None:
        scene.witness.wrong.append(f"the gateway ended while {calls} gave {error}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.errors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = seeded(parser)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-errors-") as folder:
        witness = rounds(Path(folder), chosen.rounds, chosen.seed)
    more = (
        f"begun for {' '.join(str(said['reason']) for said in witness.started)}",
        f"{witness.told_lost} readings told as lost",
        f"{len(witness.met)} faults met",
        f"healed in {max(witness.healing_s):.1f} s at most",
    )
    what = f"{chosen.rounds} times {len(FAULTS)} faults in {time.monotonic() - began:.0f} s"
    return 0 if judged(what, witness, more) else 1


if __name__ == "__main__":
    sys.exit(main())
