"""`python -m tests.benchmarks.outage [--down 30] [--kill]`: the broker is away (W3), and the gateway is killed (W5).

2,000 points/s; the broker is stopped and started again, with `--kill` the gateway gets a kill -9 in the middle and is
started again. Prints what was lost, when the first message came after the broker was up, and how fast the backlog left.
Readings that the instruments served and that no commit had taken when the kill came are told apart: they are lost to
any gateway, and nothing else may be. So are those that were sent and not acknowledged when the broker was stopped: with
QoS 1 they are sent again, and nothing else may be doubled.
"""

import argparse
import sys
import time

from tests.benchmarks.account import Account, account
from tests.benchmarks.gateways import Fieldgate, Gateway, Yardstick
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.scene import Load, scene
from tests.system.harness import until

BEFORE_S, AFTER_S = 6.0, 20.0
FIRST_S = 1.0
"""Longest time from the broker's start to the first message."""
COMMIT_TAKES_S = 0.5
"""Allowed for the commit itself and for readings that were on their way: the commit they were in had not returned."""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.outage", description=__doc__)
    parser.add_argument("--down", type=float, default=30.0, help="seconds without a broker")
    parser.add_argument("--after", type=float, default=AFTER_S, help="seconds to watch afterwards")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--commit-every", default="100ms")
    parser.add_argument("--yardstick", default="", help="lib or raw instead of fieldgate")
    chosen = parser.parse_args()
    gateway: Gateway = Yardstick(chosen.yardstick) if chosen.yardstick else Fieldgate(chosen.commit_every)
    load = Load()
    with workspace() as folder:
        with scene(folder / "run", load, gateway.topic) as around:
            process = gateway.start(around)
            try:
                until(around.heard, "the first message", START_S)
                time.sleep(2)
                begin_s = time.time()
                time.sleep(BEFORE_S)
                stopped_s = time.time()
                around.broker.stop()
                around.subscriber.end()
                time.sleep(chosen.down / 2)
                killed_s = time.time()
                if chosen.kill:
                    process.kill()
                    process = gateway.start(around)
                time.sleep(chosen.down / 2)
                around.broker.start()
                up_s = time.time()
                around.listen()
                time.sleep(chosen.after)
                end_s = time.time()
                time.sleep(3)
            finally:
                process.end()
        found = account(gateway, load, around.served_file, around.feed_file, begin_s, end_s)
    findings = told(
        gateway.name, found, stopped_s, up_s, killed_s if chosen.kill else None, commit_s(chosen.commit_every)
    )
    print("as wanted" if not findings else "not as wanted: " + "; ".join(findings))
    return 1 if findings else 0


def told(
    name: str, found: Account, stopped_s: float, up_s: float, killed_s: float | None, commit_every_s: float
) -> list[str]:
    """Print the figures; what is not as wanted."""
    # what the broker had taken before its stop comes from its own memory
    ours = (found.first_s > up_s) & (found.first_s - found.latency_ms / 1000 > stopped_s)
    after, late = found.first_s[ours], found.first_s[ours & (found.latency_ms > 2000)]
    print(f"{name}: {found.served} served, {found.lost} lost, {found.doubled} doubled")
    findings = []
    on_their_way = int((abs(found.doubled_s - stopped_s) <= commit_every_s + COMMIT_TAKES_S).sum())
    if len(found.doubled_s):
        print(f"  {on_their_way} of the doubled were on their way, unacknowledged, when the broker was stopped")
    if len(found.doubled_s) > on_their_way:
        findings.append(f"{len(found.doubled_s) - on_their_way} doubled without need")
    uncommitted = 0
    if killed_s is not None and found.lost:
        before_s = killed_s - found.lost_s
        print(f"  the lost were served {before_s.max():.2f} to {before_s.min():.2f} s before the kill")
        uncommitted = int((before_s <= commit_every_s + COMMIT_TAKES_S).sum())
    if found.lost > uncommitted:
        findings.append(f"{found.lost - uncommitted} lost that were committed, or served while nobody was killed")
    if not len(after):
        return [*findings, "nothing came after the broker was up"]
    first_s = after.min() - up_s
    print(f"  first message {first_s:.2f} s after the broker was up")
    if first_s > FIRST_S:
        findings.append(f"first message after {first_s:.2f} s")
    if len(late):
        spent_s = late.max() - late.min()
        print(f"  {len(late)} points of backlog in {spent_s:.2f} s ({len(late) / max(spent_s, 1e-3):,.0f} points/s)")
    return findings


def commit_s(duration: str) -> float:
    """`100ms` or `1s` in seconds."""
    return float(duration[:-2]) / 1000 if duration.endswith("ms") else float(duration[:-1])


if __name__ == "__main__":
    sys.exit(main())
