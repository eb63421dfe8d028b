"""`python -m tests.hostile [--exchanges 1000000] [--seed S] [--line tcp|rtu|rtu-tcp|udp|all] [--share 0.05]`

Prints the seed and what happened; exit code 1 when a value was wrong or a null had no reason.
"""

import argparse
import asyncio
import logging
import random
import sys

from tests.hostile.exchanges import KINDS, Account, run


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--exchanges", type=int, default=1_000_000, help="over all lines together")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--line", choices=(*KINDS, "all"), default="all")
    parser.add_argument("--share", type=float, default=0.05, help="part of the answers that are spoilt")
    parser.add_argument("--lines", type=int, default=24, help="lines at once, of each kind")
    chosen = parser.parse_args()
    kinds = KINDS if chosen.line == "all" else (chosen.line,)
    print(f"seed {chosen.seed}", flush=True)
    logging.getLogger("fieldgate").setLevel(logging.ERROR)  # thousands of lines go down and up
    clean = True
    for kind in kinds:
        account = asyncio.run(
            run(kind, chosen.exchanges // len(kinds), chosen.seed, share=chosen.share, lines=chosen.lines)
        )
        clean &= _told(kind, account)
    return 0 if clean else 1


def _told(kind: str, account: Account) -> bool:
    spoilt = sum(account.done.values())
    print(f"{kind}: {account.exchanges} exchanges in {account.polls} polls, {account.seconds:.1f} s, {spoilt} spoilt")
    print(f"  polls with every value {account.good}, accounted for {account.samples} of {account.polls}")
    print(f"  wrong values {len(account.wrong)}, nulls without a reason {len(account.unexplained)}")
    print("  results:", ", ".join(f"{name} {count}" for name, count in account.results.most_common()))
    print("  seen by the line:", ", ".join(f"{name} {count}" for name, count in account.seen.most_common()))
    print("  done:", ", ".join(f"{name} {count}" for name, count in account.done.most_common()))
    for finding in (account.wrong + account.unexplained)[:20]:
        print("  !", finding)
    return not account.wrong and not account.unexplained and account.samples == account.polls


if __name__ == "__main__":
    sys.exit(main())
