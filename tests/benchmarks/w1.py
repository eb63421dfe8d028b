"""`python -m tests.benchmarks.w1 [--seconds 10] [--pairs 5] [--against lib,raw]`: workload W1 beside the yardsticks.

20 instruments of 100 float32 values, every second. CPU is measured with `commit_every: 100ms`, the yardsticks' own
tick, and latency with `commit_every: 5ms` and a tick of 5 ms. The gateways take turns; medians are printed.
"""

import argparse
from statistics import median

from tests.benchmarks.gateways import Fieldgate, Gateway, Yardstick
from tests.benchmarks.measure import Figures, workspace
from tests.benchmarks.pairs import alternating
from tests.benchmarks.scene import Load

COMMITS = (("100ms", 0.1), ("5ms", 0.005), ("1s", 0.1))
"""`commit_every` and the tick of the yardsticks beside it, which know nothing longer than their own 100 ms."""

MOST_US, MOST_RATIO, MOST_INTERVAL_MS, MOST_LATENCY_MS = 8.0, 0.65, 1008, (8, 15)
"""What is wanted; latency with `commit_every: 5ms`."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.w1", description=__doc__)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--points", type=int, default=100, help="float32 values of each device")
    parser.add_argument("--period", type=float, default=1.0, help="seconds")
    parser.add_argument("--decimals", action="store_true", help="values with one to three decimals")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each window")
    parser.add_argument("--warm", type=float, default=4.0)
    parser.add_argument("--pairs", type=int, default=5, help="how often each gateway has its turn")
    parser.add_argument("--against", default="lib,raw", help="yardsticks: lib, raw")
    parser.add_argument("--in-flight", type=int, default=1, help="requests under way on a line at once")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--commits", default="100ms,5ms", help="of 100ms, 5ms, 1s")
    chosen = parser.parse_args()
    load = Load(chosen.devices, chosen.points, chosen.period, chosen.decimals)
    print(f"{load.devices} x {load.points} float32 every {load.period_s:g} s: {load.rate:,.0f} points/s", flush=True)
    for commit_every, tick_s in COMMITS:
        if commit_every in chosen.commits.split(","):
            sides: list[Gateway] = [Fieldgate(commit_every, chosen.in_flight, chosen.uvloop)]
            sides += [Yardstick(mode, tick_s) for mode in chosen.against.split(",") if mode]
            found = take_turns(sides, load, chosen.pairs, chosen.warm, chosen.seconds)
            print(f"\ncommit every {commit_every}")
            print(table(found))
            print(verdicts(found, commit_every))


def verdicts(found: dict[str, list[Figures]], commit_every: str) -> str:
    """Medians beside what is wanted."""
    ours = found["fieldgate"]
    accounts = [run.account for run in ours]
    wanted = [
        ("µs/point", median(run.us_per_point for run in ours), MOST_US),
        ("worst interval, ms", median(one.interval(100) for one in accounts), MOST_INTERVAL_MS),
        ("missed polls", round(sum(one.missed_polls for one in accounts)), 0),
    ]
    if "ref-lib" in found:
        pairs = zip(ours, found["ref-lib"], strict=True)
        wanted.append((": ref-lib", median(one.us_per_point / other.us_per_point for one, other in pairs), MOST_RATIO))
    if commit_every == "5ms":
        wanted.append(("latency p50, ms", median(one.latency(50) for one in accounts), MOST_LATENCY_MS[0]))
        wanted.append(("latency p99, ms", median(one.latency(99) for one in accounts), MOST_LATENCY_MS[1]))
    idle = min(run.idle for runs in found.values() for run in runs)
    return "\n".join(
        [
            f"  {'met' if value <= most else 'NOT met'}: {name} {value:.2f}, at most {most}"
            for name, value, most in wanted
        ]
        + [f"  at least {idle:.0%} of the machine was idle"]
    )


def take_turns(sides: list[Gateway], load: Load, turns: int, warm_s: float, seconds: float) -> dict[str, list[Figures]]:
    """The figures of each gateway by its name."""
    with workspace() as folder:
        found = alternating(sides, load, folder, pairs=turns, warm_s=warm_s, seconds=seconds)
    return {side.name: runs for side, runs in zip(sides, found, strict=True)}


def table(found: dict[str, list[Figures]]) -> str:
    """One line a gateway, medians; and the ratios of each pair's CPU per point."""
    head = (
        f"{'':10}{'µs/point':>9}{'cores':>7}{'RSS MB':>8}{'interval p50/worst':>20}{'missed':>8}"
        f"{'latency p50/p99':>17}{'lost':>6}{'doubled':>9}{'B written/point':>17}"
    )
    lines = [head]
    for name, runs in found.items():
        mid = {
            "us": median(run.us_per_point for run in runs),
            "cores": median(run.cores for run in runs),
            "rss": median(run.resident_bytes for run in runs) / 1e6,
            "p50": median(run.account.interval(50) for run in runs),
            "worst": median(run.account.interval(100) for run in runs),
            "l50": median(run.account.latency(50) for run in runs),
            "l99": median(run.account.latency(99) for run in runs),
            "written": median(run.written_per_point for run in runs),
        }
        missed, lost = sum(run.account.missed_polls for run in runs), sum(run.account.lost for run in runs)
        doubled = sum(run.account.doubled for run in runs)
        lines.append(
            f"{name:10}{mid['us']:9.2f}{mid['cores']:7.3f}{mid['rss']:8.1f}{mid['p50']:12.0f} / {mid['worst']:5.0f}"
            f"{missed:8.0f}{mid['l50']:9.0f} / {mid['l99']:5.0f}{lost:6}{doubled:9}{mid['written']:17.1f}"
        )
        assert not any(run.account.foreign or run.account.nulls for run in runs), f"{name}: values that nobody served"
    ours = found["fieldgate"]
    for name, runs in found.items():
        if name != "fieldgate":
            ratios = sorted(one.us_per_point / other.us_per_point for one, other in zip(ours, runs, strict=True))
            lines.append(
                f"CPU fieldgate : {name} = {median(ratios):.2f} (pairs {', '.join(f'{one:.2f}' for one in ratios)})"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
