"""`python -m tests.benchmarks.ramp [--seconds 8] [--decimals]`: most points a second that one core sustains.

Instruments of 100 float32 on lines of their own; missed polls, the worst interval and the cores in use at each load,
the last one 500 instruments every 0.1 s. A load is sustained when no poll is missed and at most one core is in use.
How much of the machine was left idle is said beside it: polls that are missed while nothing is left are the machine's.
"""

import argparse
from dataclasses import dataclass

from tests.benchmarks.gateways import Fieldgate, Gateway, Yardstick
from tests.benchmarks.measure import Figures, measure, workspace
from tests.benchmarks.scene import Load

LOADS = ((20, 0.1), (100, 0.2), (200, 0.2), (500, 0.25), (300, 0.1), (500, 0.1))
TARGET, TARGET_DECIMALS = 500_000, 300_000
"""Points a second that one core should sustain: whole numbers, and values with one to three decimals."""
QUICK = (20, 0.1)
WORST_MS = 110
"""Longest interval of 20 instruments every 0.1 s that is wanted."""
FEW = 0.05
"""Part of the machine's time; with less left idle it was too busy to tell."""


@dataclass(frozen=True)
class Step:
    """One gateway under one load."""

    run: Figures

    @property
    def sustained(self) -> bool:
        """No poll missed, nothing lost, one core at most."""
        return self.run.account.missed_polls < 1 and not self.run.account.lost and self.run.cores <= 1

    def line(self) -> str:
        """In words."""
        load, found = self.run.load, self.run.account
        verdict = "sustained" if self.sustained else "not sustained"
        if not self.sustained and self.run.idle < FEW:
            verdict += " (the machine had no time left)"
        return (
            f"{self.run.gateway:10}{load.devices:4} x 100 every {load.period_s:g} s = {load.rate:9,.0f}/s: "
            f"{self.run.cores:5.2f} cores, {self.run.us_per_point:5.2f} µs/point, "
            f"missed polls {found.missed_polls:5.0f}, interval p50 {found.interval(50):4.0f} "
            f"worst {found.interval(100):4.0f} ms, lost {found.lost}, idle {self.run.idle:4.0%}: {verdict}"
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ramp", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--decimals", action="store_true", help="values with one to three decimals")
    parser.add_argument("--in-flight", type=int, default=2, help="requests under way on a line at once")
    parser.add_argument("--against", default="", help="a yardstick too: lib or raw")
    parser.add_argument("--most", type=float, default=500_000, help="leave out loads above so many points/s")
    parser.add_argument("--least", type=float, default=0, help="leave out loads below so many points/s")
    parser.add_argument("--uvloop", action="store_true")
    chosen = parser.parse_args()
    steps: list[Step] = []
    for devices, period_s in LOADS:
        load = Load(devices, 100, period_s, chosen.decimals)
        sides: list[Gateway] = [Fieldgate("1s", chosen.in_flight, chosen.uvloop)]
        sides += [Yardstick(chosen.against)] if chosen.against else []
        for side in sides if chosen.least <= load.rate <= chosen.most else ():
            with workspace() as folder:
                step = Step(measure(side, load, folder / "run", 3.0, chosen.seconds))
            print(step.line(), flush=True)
            steps.append(step)
    print(verdict([step for step in steps if step.run.gateway == "fieldgate"], chosen.decimals))


def verdict(steps: list[Step], decimals: bool) -> str:
    """The highest load that was sustained, beside what is wanted."""
    target = TARGET_DECIMALS if decimals else TARGET
    most = max((step.run.load.rate for step in steps if step.sustained), default=0.0)
    kind = "values with decimals" if decimals else "whole numbers"
    lines = [f"most sustained with {kind}: {most:,.0f} points/s ({_met(most >= target)}: at least {target:,})"]
    for step in steps:
        if (step.run.load.devices, step.run.load.period_s) == QUICK:
            worst = step.run.account.interval(100)
            good = step.run.account.missed_polls < 1 and worst <= WORST_MS
            lines.append(
                f"20 instruments every 0.1 s: worst {worst:.0f} ms ({_met(good)}: at most {WORST_MS}, none missed)"
            )
    return "\n".join(lines)


def _met(good: bool) -> str:
    return "met" if good else "not met"


if __name__ == "__main__":
    main()
