"""A day of each shipped site in virtual time against a calculation made from the simulator's own truth.

python -m tests.site_day boiler_house --hours 24 --seed 7        (no name: every site)
python -m tests.site_day --hours 2 --restart kill --step -90 --outage 40
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from tests.site_day.comparison import compared
from tests.site_day.day import SITES, Troubles, recorded

SHOWN = 20


def main() -> int:
    """Run, say what was compared and what was found; 1 with findings."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.site_day", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", nargs="*", help="names of shipped sites, or files; default all shipped")
    parser.add_argument("--hours", type=float, default=24.0, help="how long before the midnight it begins")
    parser.add_argument("--before", type=float, default=0.0, help="hours before the midnight at which it ends")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--restart", choices=("stop", "kill"), help="of the gateway, in the middle")
    parser.add_argument("--step", type=float, default=0.0, help="of the wall clock, seconds, after three quarters")
    parser.add_argument("--outage", type=float, default=0.0, help="of every line, seconds, after a quarter")
    given = parser.parse_args()
    troubles = Troubles(given.restart, given.step, given.outage)
    bad = 0
    for name in given.site or sorted(path.stem for path in SITES.glob("*.yaml")):
        began, used = time.monotonic(), _used()
        record = recorded(
            Path(name) if name.endswith(".yaml") else name, given.hours, given.seed, troubles, given.before
        )
        run_s, run_used = time.monotonic() - began, _used()
        findings, feed = compared(record)
        numbers = ", ".join(f"{count} {what}" for what, count in findings.compared.items())
        print(
            f"{name}: {feed.polls} polls, {numbers}, {len(findings.lines)} findings; "
            f"run {run_s:.0f} s ({run_used - used:.0f} s CPU), compared {_used() - run_used:.0f} s CPU",
            flush=True,
        )
        for line in findings.lines[:SHOWN]:
            print("  ", line)
        bad += len(findings.lines)
    return 1 if bad else 0


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
