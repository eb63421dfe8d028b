"""`python -m tests.clocks [--steps 200] [--rounds 10] [--seed S]`

The wall clock ±1 h, ±10 years, unset at boot, behind the log. Prints the seed and what happened; exit code 1 when
a promise was not kept.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.clocks.trials import behind_the_log, never_set, steps, unset_and_rebooted, unset_at_boot, years_ahead


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.clocks", description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="steps of the clock while running")
    parser.add_argument("--rounds", type=int, default=10, help="starts under each kind of wrong clock")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    told = partial(print, flush=True)
    starts: list[Callable[[Path], list[str]]] = [
        lambda folder: unset_at_boot(folder, False, told),
        lambda folder: unset_at_boot(folder, True, told),
        lambda folder: unset_and_rebooted(folder, told),
        lambda folder: never_set(folder, told),
        lambda folder: behind_the_log(folder, told),
        lambda folder: years_ahead(folder, told),
    ]
    trials = [lambda folder: steps(folder, chosen.steps, random.Random(chosen.seed), told), *chosen.rounds * starts]
    wrong: list[str] = []
    for trial in trials:
        with tempfile.TemporaryDirectory(prefix="fieldgate-clocks-") as folder:
            wrong += trial(Path(folder))
    for finding in wrong[:20]:
        print("  !", finding)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
