"""`python -m tests.benchmarks.flash [--seconds 60]`: bytes written to the disk, WAL and all, zlib, `commit_every: 1s`.

For each reading at 2,000 points/s (whole numbers, and values with decimals), and a day of a quiet site (6
instruments of 10 points every 5 s) with its share of a core. What the process causes to be written is read from
Linux's account (/proc/PID/io); log lines go to a file on the same disk and are counted too.
"""

import argparse

from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import Figures, measure, workspace
from tests.benchmarks.scene import Load

QUIET = Load(devices=6, points=10, period_s=5.0)
DAY_S = 86_400


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    for words, load in (("whole numbers", Load()), ("decimals", Load(decimals=True))):
        run = written(load, chosen.seconds)
        print(f"{load.rate:,.0f} points/s, {words}: {run.written_per_point:.1f} bytes written for each", flush=True)
    run = written(QUIET, chosen.seconds)
    daily = run.written_bytes / run.seconds * DAY_S / 1e6
    print(
        f"a quiet site: {run.cores:.2%} of a core, {daily:.1f} MB written a day, RSS {run.resident_bytes / 1e6:.0f} MB"
    )


def written(load: Load, seconds: float) -> Figures:
    """One run of the gateway."""
    with workspace() as folder:
        return measure(Fieldgate("1s", compression="zlib"), load, folder / "run", 5.0, seconds)


if __name__ == "__main__":
    main()
