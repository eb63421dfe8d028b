"""`python -m tests.benchmarks.memory [--minutes 30]`: does memory grow? A week of W1's polls, as fast as they go.

Polls 20 instruments of 100 points every 50 ms, 20 times W1's pace, and fits a line through the memory in use after
the first quarter of the time; prints MB for each day of W1. 8.4 hours are a week.
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
RESIDENT_TARGET_MB, SLOPE_TARGET_MB = 70.0, 1.0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.parse_args()
    gateway = Fieldgate("100ms", max_size="64MiB")
    with workspace() as folder, scene(folder / "run", Load(period_s=1 / PACE), gateway.topic) as around:
        process = gateway.start(around)
        try:
            until(around.heard, "the first message", START_S)
            began = time.monotonic()
            found: list[tuple[float, int]] = []
            while (passed_s := time.monotonic() - began) < 60 * chosen.minutes:
                found.append((passed_s * PACE / DAY_S, process.resident_bytes()))
                time.sleep(1)
        finally:
            process.end()
    rows = np.array(found[len(found) // 4 :])
    slope = np.polyfit(rows[:, 0], rows[:, 1], 1)[0] / 1e6
    days = found[-1][0]
    print(
        table(
            [
                Figure(f"memory after {days:.2f} days of W1", rows[-1, 1] / 1e6, "MB", RESIDENT_TARGET_MB, 1),
                Figure("its growth a day", slope, "MB", SLOPE_TARGET_MB),
            ]
        )
    )


if __name__ == "__main__":
    main()
