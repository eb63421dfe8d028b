"""`python -m tests.benchmarks.ramp [--seconds 8] [--decimals]`: most points a second that one core sustains.

Instruments of 100 float32 on lines of their own; missed polls, the worst interval and the cores in use at each load,
the last one 500 instruments every 0.1 s. A load is sustained when no poll is missed and at most one core is in use.
"""

import argparse

from tests.benchmarks.gateways import Fieldgate, Gateway, Yardstick
from tests.benchmarks.measure import measure, workspace
from tests.benchmarks.scene import Load

LOADS = ((20, 0.1), (100, 0.2), (200, 0.2), (500, 0.25), (300, 0.1), (500, 0.1))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ramp", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--decimals", action="store_true", help="values with one to three decimals")
    parser.add_argument("--in-flight", type=int, default=2, help="requests under way on a line at once")
    parser.add_argument("--against", default="", help="a yardstick too: lib or raw")
    parser.add_argument("--most", type=float, default=500_000, help="leave out loads above so many points/s")
    chosen = parser.parse_args()
    for devices, period_s in LOADS:
        load = Load(devices, 100, period_s, chosen.decimals)
        sides: list[Gateway] = [Fieldgate("1s", chosen.in_flight)]
        sides += [Yardstick(chosen.against)] if chosen.against else []
        for side in sides if load.rate <= chosen.most else ():
            with workspace() as folder:
                run = measure(side, load, folder / "run", 3.0, chosen.seconds)
            found = run.account
            print(
                f"{side.name:10}{devices:4} x 100 every {period_s:g} s = {load.rate:9,.0f}/s: {run.cores:5.2f} cores, "
                f"{run.us_per_point:5.2f} µs/point, missed polls {found.missed_polls:5.0f}, "
                f"interval p50 {found.interval(50):4.0f} worst {found.interval(100):4.0f} ms, lost {found.lost}",
                flush=True,
            )


if __name__ == "__main__":
    main()
