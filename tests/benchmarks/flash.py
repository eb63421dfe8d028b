"""`python -m tests.benchmarks.flash [--seconds 60] [--only quiet]`: bytes written to the disk, WAL and all, zlib.

For each reading at 2,000 points/s with `commit_every: 1s` (whole numbers, and values with decimals), and a day of a
quiet site (6 instruments of 10 points every 5 s) with its share of a core, by how often it commits. What the process
causes to be written is read from Linux's account (/proc/PID/io), in whole blocks of the disk; log lines go to a file on
the same disk and are counted too. A commit writes a block of 4 KiB at least, so a day of 5 s polls that are each
committed at once cannot cost less than 71 MB.
"""

import argparse

from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import Figures, measure, workspace
from tests.benchmarks.scene import Load
from tests.benchmarks.verdict import Figure, table

QUIET = Load(devices=6, points=10, period_s=5.0)
QUIET_COMMITS = ("1s", "10s", "60s")
DAY_S = 86_400
WRITTEN_TARGET, QUIET_TARGET_MB, QUIET_TARGET_PERCENT = 8.0, 25.0, 0.3
WARM_S = 5.0
COMMITS = 6
"""Of the quiet site, the measured time has at least so many."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=("readings", "quiet"))
    chosen = parser.parse_args()
    figures: list[Figure] = []
    if chosen.only != "quiet":
        for words, load in (("whole numbers", Load()), ("decimals", Load(decimals=True))):
            run = written(load, chosen.seconds)
            name = f"bytes for each reading, {load.rate:,.0f}/s, {words}"
            figures.append(Figure(name, run.written_per_point, "B", WRITTEN_TARGET, 1))
    if chosen.only != "readings":
        for commit_every in QUIET_COMMITS:
            figures += quiet(commit_every, chosen.seconds)
    print(table(figures))


def quiet(commit_every: str, seconds: float) -> list[Figure]:
    """A day of the quiet site."""
    run = written(QUIET, max(seconds, COMMITS * float(commit_every.removesuffix("s"))), commit_every)
    name = f"quiet site, commit_every {commit_every}"
    return [
        Figure(f"{name}: written a day", run.written_bytes / run.seconds * DAY_S / 1e6, "MB", QUIET_TARGET_MB, 1),
        Figure(f"{name}: of a core", 100 * run.cores, "%", QUIET_TARGET_PERCENT, 3),
        Figure(f"{name}: memory", run.resident_bytes / 1e6, "MB", None, 1),
    ]


def written(load: Load, seconds: float, commit_every: str = "1s") -> Figures:
    """One run of the gateway."""
    with workspace() as folder:
        return measure(Fieldgate(commit_every, compression="zlib"), load, folder / "run", WARM_S, seconds)


if __name__ == "__main__":
    main()
