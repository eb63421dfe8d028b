"""Every change to a feed is found: many random ones, as a command.

python -m tests.gateway.evidence.mutations --count 100000 --seed 11
"""

import argparse
import random
import sys
from collections import Counter

from gateway.evidence.check import check_feed
from gateway.evidence.item import Item
from gateway.evidence.report import Report
from tests.fakes.feed import signed_feed, signer

WAYS = ("remove", "flip", "cut", "insert", "twin")
BEFORE_LAST_CHECKPOINT = range(1, 13)
"""Indexes into `signed_feed()`: of its last batch nothing speaks yet, and a record may begin after its first."""


def mutated(bodies: list[bytes], index: int, how: str, place: int, value: int) -> list[bytes]:
    """A feed that differs from the given one in batch `index`, or in what stands around it."""
    bodies = list(bodies)
    body = bodies[index]
    match how:
        case "remove":
            del bodies[index]
        case "flip":
            at = place % len(body)
            bodies[index] = body[:at] + bytes([body[at] ^ (1 + value % 255)]) + body[at + 1 :]
        case "cut":
            bodies[index] = body[: place % len(body)]
        case "insert":
            at = place % (len(body) + 1)
            bodies[index] = body[:at] + bytes([value]) + body[at:]
        case "twin":
            bodies.insert(place % len(bodies), body.replace(b'"clock":"synced"', b'"clock":"holdover"'))
    return bodies


def checked(bodies: list[bytes]) -> Report:
    """The report with the feed's key pinned."""
    return check_feed((Item(None, body, f"line {n}") for n, body in enumerate(bodies, 1)), signer().key)


def main() -> None:
    """Print what was found how often; exit 1 if a change was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance, bodies = random.Random(options.seed), signed_feed().bodies
    kinds: Counter[str] = Counter()
    missed = 0
    for _ in range(options.count):
        change = (
            chance.choice(BEFORE_LAST_CHECKPOINT),
            chance.choice(WAYS),
            chance.randrange(10_000),
            chance.randrange(256),
        )
        feed = mutated(bodies, *change)
        chance.shuffle(feed)
        report = checked(feed)
        kinds.update({finding.kind for finding in report.findings})
        if report.consistent:
            missed += 1
            print(f"missed: {change}")
    print(f"{options.count} changes, {missed} missed; findings: {dict(kinds.most_common())}")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
