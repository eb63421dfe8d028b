"""Garbage through codecs and settings: `python -m tests.fuzz modbus|meters|messages|settings [NAME …] --count N`.

modbus    every framing and the decoder of registers
meters    protocols that are asked question by question; NAME: dlt645, mbus, … (default: all of them)
messages  codecs of instruments that speak unasked; NAME: text, hj212 (default: both)
settings  site files with one mistake: each is refused at its place

Prints the seed and what came out; exit code 1 for what was not to come out.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.fakes.meters import FULLEST
from tests.fuzz import messages, meters, modbus, settings
from tests.fuzz.targets import TARGETS

NAMES: Mapping[str, tuple[str, ...]] = {
    "modbus": (),
    "meters": tuple(sorted(FULLEST)),
    "messages": tuple(sorted(TARGETS)),
    "settings": (),
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(NAMES))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES[chosen.what]):
        parser.error(f"{chosen.what} has no {', '.join(sorted(unknown))}; it has: {', '.join(NAMES[chosen.what])}")
    print(f"seed {chosen.seed}", flush=True)
    if chosen.what == "settings":
        return _settings(chosen.count, chosen.seed)
    for name in chosen.names or NAMES[chosen.what] or ("modbus",):
        _codec(chosen.what, name, chosen.count, chosen.seed)
    return 0


def _codec(what: str, name: str, count: int, seed: int) -> None:
    """Feed one codec and tell what came of it. Raises AssertionError, naming the input, for anything undeclared."""
    started_s = time.monotonic()
    if what == "modbus":
        came = modbus.run(count, seed)
    elif what == "meters":
        came = meters.run(name, count, seed)
    else:
        came = messages.run(TARGETS[name], count, seed)
    spent_s = time.monotonic() - started_s
    rate = came.inputs / spent_s
    print(f"{name}: {came.inputs} inputs in {spent_s:.0f} s, {rate:.0f} a second; only declared errors")
    print(f"  slowest {came.slowest_s * 1000:.2f} ms; {dict(came.outcomes.most_common())}", flush=True)


def _settings(count: int, seed: int) -> int:
    chance = random.Random(seed)
    kinds: Counter[str] = Counter()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            broken = settings.mutant(chance)
            kinds[broken.kind] += 1
            if (words := settings.complaint(broken, Path(folder))) is not None:
                bad += 1
                print(words)
    print(f"{count} mutants of {len(kinds)} kinds, {count - bad} refused at their place, {bad} not")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
