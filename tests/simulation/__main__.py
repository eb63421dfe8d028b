"""`python -m tests.simulation [--seeds 1000] [--first S] [--seconds 60]`; one seed again: `--first S --seeds 1`.

Seeds from `first` on; each is a course of random faults in virtual time. Prints every seed with findings; exit code 1
when there was one.
"""

import argparse
import random
import sys
import time
from collections import Counter

from tests.simulation.course import run_seed


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=random.randrange(1_000_000_000))
    parser.add_argument("--seconds", type=float, default=60.0, help="virtual seconds of faults in each")
    chosen = parser.parse_args()
    began = time.monotonic()
    bad, batches, readings, lives, virtual_s = 0, 0, 0, 0, 0.0
    done: Counter[str] = Counter()
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        outcome = run_seed(seed, chosen.seconds)
        batches, readings, lives = batches + outcome.batches, readings + outcome.readings, lives + outcome.lives
        virtual_s += outcome.virtual_s
        done += outcome.done
        if outcome.findings:
            bad += 1
            print(f"seed {seed}: {len(outcome.findings)} findings", flush=True)
            for finding in outcome.findings[:10]:
                print("  !", finding, flush=True)
        if (seed - chosen.first + 1) % 100 == 0:
            print(f"{seed - chosen.first + 1} seeds in {time.monotonic() - began:.0f} s, {bad} bad", flush=True)
    print(f"{chosen.seeds} seeds from {chosen.first}: {bad} with findings; {batches} batches, {readings} readings, "
          f"{lives} lives, {virtual_s / 3600:.1f} h of virtual time in {time.monotonic() - began:.0f} s")  # fmt: skip
    print("faults:", ", ".join(f"{name} {count}" for name, count in done.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
