"""What the commands of this folder have in common: a seed that is told first, and at the end what came of it."""

import argparse
import random
from collections.abc import Sequence

from tests.torture.witness import Witness

MOST_SHOWN = 20


def seeded(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with `--seed`; the seed is printed before anything is done with it."""
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    return chosen


def judged(what: str, witness: Witness, more: Sequence[str] = ()) -> bool:
    """Print what the witness saw, and `more` of it; whether every promise was kept."""
    counts = [f"{len(witness.bodies)} batches in {len(witness.streams)} stream(s)", f"{witness.repeats} repeats", *more]
    print(f"{what}: {', '.join(counts)}, {len(witness.wrong)} broken promises")
    show(witness.wrong)
    return not witness.wrong


def show(wrong: Sequence[str]) -> None:
    """The first findings."""
    for finding in wrong[:MOST_SHOWN]:
        print("  !", finding)
