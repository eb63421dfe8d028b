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
        before = scene.witness.newest
        with scene.gateway.running():
            until(lambda: scene.witness.newest > before + 5, "batches of the last start")
            assert scene.gateway.stop() == 0
        scene.settle()
        scene.witness.judge()
        return scene.witness


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
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--longest", type=float, default=0.8, help="seconds a started gateway lives at most")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fieldgate-kills-") as folder:
        witness = kills(Path(folder), chosen.count, chosen.seed, chosen.longest)
    wrong, streams = witness.wrong, {stream for stream, _ in witness.bodies}
    print(f"{chosen.count} kills in {time.monotonic() - began:.0f} s: {len(witness.bodies)} batches", end=" ")
    print(f"in {len(streams)} stream(s), {witness.repeats} repeats, {len(wrong)} broken promises")
    for finding in wrong[:20]:
        print("  !", finding)
    return 1 if wrong or len(streams) != 1 else 0


if __name__ == "__main__":
    sys.exit(main())
