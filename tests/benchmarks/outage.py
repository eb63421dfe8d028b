"""`python -m tests.benchmarks.outage [--down 30] [--kill]`: the broker is away (W3), and the gateway is killed (W5).

2,000 points/s; the broker is stopped and started again, with `--kill` the gateway gets a kill -9 in the middle and is
started again. Prints what was lost, when the first message came after the broker was up, and how fast the backlog left.
Readings that the instruments served and that no commit had taken when the kill came are told apart: they are lost to
any gateway, and nothing else may be.
"""

import argparse
import time

import numpy as np

from tests.benchmarks.account import account
from tests.benchmarks.gateways import Fieldgate, Gateway, Yardstick
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.scene import Load, scene
from tests.system.harness import until

BEFORE_S, AFTER_S = 6.0, 20.0


def main() -> None:
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
                around.broker.stop()
                time.sleep(chosen.down / 2)
                killed_s = time.time()
                if chosen.kill:
                    process.kill()
                    process = gateway.start(around)
                time.sleep(chosen.down / 2)
                around.broker.start()
                up_s = time.time()
                time.sleep(chosen.after)
                end_s = time.time()
                time.sleep(3)
            finally:
                process.end()
        found = account(gateway, load, around.served_file, around.feed_file, begin_s, end_s)
    after = found.first_s[found.first_s > up_s]
    late = found.first_s[(found.first_s > up_s) & (found.latency_ms > 2000)]
    lost_at = np.sort(found.lost_s - killed_s)
    print(f"{gateway.name}: {found.served} served, {found.lost} lost, {found.doubled} doubled")
    if len(lost_at):
        print(f"  the lost were served {-lost_at[0]:.2f} to {-lost_at[-1]:.2f} s before the kill")
    print(f"  first message {after.min() - up_s:.2f} s after the broker was up")
    if len(late):
        spent_s = late.max() - late.min()
        print(f"  {len(late)} points of backlog in {spent_s:.2f} s ({len(late) / max(spent_s, 1e-3):,.0f} points/s)")


if __name__ == "__main__":
    main()
