"""`python -m tests.torture.stops [--count 500] [--seed S]`

SIGTERM at random moments of the real process' life, its start included; a fifth get it twice. Each stop must end with
exit code 0 within 10 s, the log must be closed cleanly (no WAL is left) and the stream go on.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.system.harness import until
from tests.torture.command import judged, seeded
from tests.torture.witness import Stage, Witness, stage


def stops(folder: Path, count: int, seed: int) -> Witness:
    """So many stops."""
    draw = random.Random(seed)
    with stage(folder) as scene:
        for number in range(count):
            _stop_once(scene, draw, number)
            if number % 50 == 49:
                print(f"{number + 1} stops, {len(scene.witness.bodies)} batches", flush=True)
        return scene.live_on()


def _stop_once(scene: Stage, draw: random.Random, number: int) -> None:
    before = scene.witness.newest
    scene.gateway.start()
    process = scene.gateway.process
    assert process is not None
    if started := draw.random() < 0.7:
        until(lambda: scene.witness.newest > before, "a batch of this start")
        time.sleep(draw.uniform(0.0, 0.5))  # the random moment
    else:
        time.sleep(draw.uniform(0.0, 2.0))
    process.send_signal(signal.SIGTERM)
    if draw.random() < 0.2:
        time.sleep(draw.uniform(0.0, 0.2))
        process.send_signal(signal.SIGTERM)
    code = process.wait(10)
    # before the interpreter has come to its signal handlers, SIGTERM ends it as it ends any program
    if code != 0 and (started or code != -signal.SIGTERM):
        scene.witness.wrong.append(f"stop {number} ended with {code}: {scene.gateway.output()[-500:]}")
    wal = scene.witness.log.with_name("log.db-wal")
    if code == 0 and wal.exists():
        scene.witness.wrong.append(f"stop {number} left a WAL of {wal.stat().st_size} bytes")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.stops", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    chosen = seeded(parser)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-stops-") as folder:
        witness = stops(Path(folder), chosen.count, chosen.seed)
    kept = judged(f"{chosen.count} stops in {time.monotonic() - began:.0f} s", witness)
    return 0 if kept and len(witness.streams) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
