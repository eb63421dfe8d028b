"""`python -m tests.torture.kills [--count 1000] [--seed S] [--longest 0.8]`

kill -9 of the real process at random moments under load, a fifth of them during its start. After each kill the log on
disk must hold all that was published; at the end nothing is missing, doubled, altered, and there is one stream.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.system.harness import until
from tests.torture.command import judged, seeded
from tests.torture.witness import Stage, Witness, stage


def kills(folder: Path, count: int, seed: int, longest_s: float) -> Witness:
    """So many kills, then a clean stop."""
    draw = random.Random(seed)
    with stage(folder) as scene:
        for number in range(count):
            _kill_once(scene, draw, longest_s)
            if number % 50 == 49:
                print(
                    f"{number + 1} kills, {len(scene.witness.bodies)} batches, {len(scene.witness.wrong)} wrong",
                    flush=True,
                )
        return scene.live_on()


def _kill_once(scene: Stage, draw: random.Random, longest_s: float) -> None:
    before = scene.witness.newest
    scene.gateway.start()
    if draw.random() < 0.8:
        until(lambda: scene.witness.newest > before, "a batch of this start")
        time.sleep(draw.uniform(0.0, longest_s))  # the random moment
    else:
        time.sleep(draw.uniform(0.0, 1.0))
    scene.gateway.kill()
    scene.witness.compare_log()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--longest", type=float, default=0.8, help="seconds a started gateway lives at most")
    chosen = seeded(parser)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-kills-") as folder:
        witness = kills(Path(folder), chosen.count, chosen.seed, chosen.longest)
    kept = judged(f"{chosen.count} kills in {time.monotonic() - began:.0f} s", witness)
    return 0 if kept and len(witness.streams) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
