"""`python -m tests.city [--share 1.0] [--at-once 170] [--seconds 300] [--seed 1]`

115 petrol stations, 40 water points, 3 traffic air stations and 12 boiler houses, each a gateway of its own, against
one mosquitto. Prints what they used and what came; exit code 1 when anything is wrong with the record.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
from pathlib import Path

from tests.city.city import CITY, cores, run


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.city", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="part of the city's gateways")
    parser.add_argument("--at-once", type=int, default=170, help="gateways at the same time; the rest in turn")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long each runs")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    logging.getLogger("fieldgate").setLevel(logging.ERROR)
    sites = {name: max(1, round(count * chosen.share)) for name, count in CITY.items()}
    with tempfile.TemporaryDirectory(prefix="fieldgate-city-") as folder:
        found = asyncio.run(run(sites, chosen.at_once, chosen.seconds, Path(folder), chosen.seed))
    own = found.cpu_s / found.gateways / chosen.seconds
    print(f"{found.gateways} gateways, {found.instruments} instruments, {found.seconds:.0f} s on {cores()} cores")
    print(f"{found.batches} batches, {found.values} values; nulls: {found.nulls or 'none'}")
    print(f"a gateway, its start included: {own:.2%} of a core, {statistics.median(found.rss_mb):.0f} MB")
    print(f"the broker: {found.broker_cpu_s / found.seconds:.2%} of a core")
    print(f"findings: {len(found.findings)}")
    for finding in found.findings[:20]:
        print("  !", finding)
    print("\n".join(found.verified.splitlines()[:6]))
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
