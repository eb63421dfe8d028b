"""`python -m tests.benchmarks.memory [--minutes 30]`: memory under W1, and does it grow? A week, as fast as it goes.

First W1 itself (20 instruments of 100 points every second) for a minute and a half: by then the caches are full. Then
every 50 ms, 20 times W1's pace, with batches 20 times as large; a line is fitted through the memory in use in the
second half of the time; its growth is told for each day of W1. 8.4 hours are a week.
"""

import argparse
import time

import numpy as np

from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.scene import Load, scene
from tests.benchmarks.verdict import Figure, table
from tests.system.harness import until

PACE = 20
DAY_S = 86_400
FULL_S = 90.0
RESIDENT_TARGET_MB, SLOPE_TARGET_MB = 70.0, 1.0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.parse_args()
    usual = followed(Load(), FULL_S)[-1][1] / 1e6
    found = followed(Load(period_s=1 / PACE), 60 * chosen.minutes)
    rows = np.array([(passed_s * PACE / DAY_S, used) for passed_s, used in found[len(found) // 2 :]])
    slope = np.polyfit(rows[:, 0], rows[:, 1], 1)[0] / 1e6
    print(
        table(
            [
                Figure(f"memory after {FULL_S:.0f} s of W1", usual, "MB", RESIDENT_TARGET_MB, 1),
                Figure(
                    f"memory at {PACE} times its pace, {rows[-1, 0]:.2f} days of W1", rows[-1, 1] / 1e6, "MB", None, 1
                ),
                Figure("its growth a day of W1", slope, "MB", SLOPE_TARGET_MB),
            ]
        )
    )


def followed(load: Load, seconds: float) -> list[tuple[float, int]]:
    """(seconds since the first message, bytes in use), each second."""
    gateway = Fieldgate("100ms", max_size="64MiB")
    with workspace() as folder, scene(folder / "run", load, gateway.topic) as around:
        process = gateway.start(around)
        try:
            until(around.heard, "the first message", START_S)
            began = time.monotonic()
            found: list[tuple[float, int]] = []
            while (passed_s := time.monotonic() - began) < seconds:
                found.append((passed_s, process.resident_bytes()))
                time.sleep(1)
            return found
        finally:
            process.end()


if __name__ == "__main__":
    main()
