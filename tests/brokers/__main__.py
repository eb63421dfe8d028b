"""`python -m tests.brokers [kills|hostile|takeover|all] [--count 200] [--rounds 5] [--seed S]`

Prints the seed and what happened; exit code 1 when a promise was not kept.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.brokers.setting import Setting, check, setting
from tests.brokers.takeover import takeover
from tests.brokers.trials import HOSTILE, hostile, kills


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.brokers", description=__doc__)
    parser.add_argument("what", choices=("kills", "hostile", "takeover", "all"), nargs="?", default="all")
    parser.add_argument("--count", type=int, default=200, help="kills and restarts of the broker")
    parser.add_argument("--rounds", type=int, default=5, help="times that each hostile broker is met")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    clean = True
    for what in ("kills", "hostile", "takeover") if chosen.what == "all" else (chosen.what,):
        chance = random.Random(chosen.seed)
        with tempfile.TemporaryDirectory(prefix="fieldgate-brokers-") as folder:
            if what == "takeover":
                takeover(Path(folder), wait_s=60.0, watch_s=200.0, told=print)
                continue
            with setting(Path(folder)) as on:
                if what == "kills":
                    kills(on, chosen.count, chance, told)
                else:
                    hostile(on, HOSTILE, chosen.rounds, chance, told)
                clean &= finished(what, on)
    return 0 if clean else 1


def told(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def finished(what: str, on: Setting) -> bool:
    """Drain, stop, check, print."""
    on.drained(120)
    assert on.gateway.stop() == 0
    account = check(on)
    print(f"{what}: {account}")
    for finding in account.findings[:20]:
        print("  !", finding)
    return not account.findings


if __name__ == "__main__":
    sys.exit(main())
