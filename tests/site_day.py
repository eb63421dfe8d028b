"""A day of a shipped site on a virtual clock: its instruments' own truth through the real pipeline, compared with a
calculation that keeps every sample and looks through all of them.

    python -m tests.site_day boiler_house --hours 24 --seed 7        (no name: every site)
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.contract import Flag, Sample, Value
from drivers.simulator.behaviour import behaviour
from drivers.simulator.kinds import scenes
from gateway.pipeline.completeness import Completeness
from gateway.processing import pipeline_of
from gateway.reading import Event, Reading
from gateway.settings import Site, load
from tests.gateway.pipeline.slow_windows import starts, window

SITES = Path(__file__).parents[1] / "config" / "sites"
MIDNIGHT = 1_764_000_000_000  # in Shanghai
MOST_POINTS = 3
"""Points of an instrument that are compared; the slow way takes its time."""


@dataclass
class Day:
    """What came of it: samples by instrument, windows with their last word, events, completeness, and findings."""

    samples: dict[str, list[tuple[int, dict[str, Value], dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    windows: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    compared: int = 0


def run(name: str, hours: float, seed: int) -> Day:
    """The last `hours` before a midnight, and a little after it."""
    site = load(SITES / f"{name}.yaml")
    day = Day()
    zone = ZoneInfo(site.timezone)
    pipeline, completeness = pipeline_of(site), Completeness(zone)
    places = scenes(site.instruments, seed, 8 * 3600)
    acting = {spec.id: behaviour(spec, places, seed) for spec in site.instruments}
    start_ms = MIDNIGHT - round(hours * 3_600_000)
    polls = sorted(
        (at_ms, spec.id)
        for spec in site.instruments
        for at_ms in range(start_ms, MIDNIGHT, round(spec.every_s * 1000) or 1000)
    )
    points = {spec.id: tuple(point.id for point in spec.points) for spec in site.instruments}
    ticked_ms = start_ms
    for at_ms, instrument in polls:
        while ticked_ms + 1000 <= at_ms:
            ticked_ms += 1000
            _tick(pipeline, day, ticked_ms)
        one = acting[instrument]
        flag = one.condition(at_ms / 1000)
        values = one.at(at_ms / 1000)
        flags = {} if flag is Flag.NORMAL else dict.fromkeys(range(len(values)), flag)
        sample = Sample(values, flags, dict.fromkeys(flags, "state: simulated"))
        passed = pipeline.passed(Reading(instrument, points[instrument], at_ms, 0, sample, at_ms / 1000))
        day.events += passed.events
        for reading in passed.readings:
            completeness.count(reading)
            day.events += pipeline.entered(reading)
            named = dict(zip(reading.points, reading.sample.values, strict=True))
            marks = {reading.points[index]: flag.value for index, flag in reading.sample.flags.items()}
            day.samples[reading.instrument].append((at_ms, named, marks))
    _tick(pipeline, day, MIDNIGHT + 120_000)
    _compare(site, day, zone)
    for event in completeness.events(MIDNIGHT + 120_000):
        counted = sum(len(values) for _, values, _ in day.samples[event.instrument or ""])
        if event.data["expected"] != counted:
            day.findings.append(f"{event.instrument}: expected {event.data['expected']}, of {counted}")
        day.compared += 1
    return day


def _tick(pipeline: Any, day: Day, now_ms: int) -> None:
    windows, events = pipeline.due(now_ms)
    day.events += events
    for one in windows:
        day.windows[one.instrument, one.period, one.start_ms] = one.values


def _compare(site: Site, day: Day, zone: ZoneInfo) -> None:
    of_means = {(one.spec.id, point) for one in site.derived for point in one.of_means}
    every_ms = {spec.id: round(spec.every_s * 1000) or 1000 for spec in site.everything}
    for instrument, rows in day.samples.items():
        keys = site.steps[instrument].windows
        if keys is None:
            continue
        told = sorted({point for key, values in day.windows.items() if key[0] == instrument for point in values})
        for point in told[:MOST_POINTS]:
            samples = [(at, values[point], flags.get(point, "N")) for at, values, flags in rows]
            for period in keys.periods:
                for start, end in starts(period, samples, zone).items():
                    wanted = window(period, start, end, samples, zone, keys, every_ms[instrument])
                    found = day.windows.get((instrument, period, start), {}).get(point)
                    differ(
                        day, f"{instrument}/{point} {period} {start}", wanted, found, (instrument, point) in of_means
                    )


def differ(day: Day, name: str, wanted: dict[str, Any] | None, found: dict[str, Any] | None, of_means: bool) -> None:
    if wanted is None or found is None:
        if wanted is not found:
            day.findings.append(f"{name}: {found} instead of {wanted}")
        return
    for key, value in wanted.items():
        if of_means and key in ("mean", "flag"):
            continue
        day.compared += 1
        mine = found[key]
        near = mine == value or (
            not isinstance(value, str) and None not in (mine, value) and abs(mine - value) <= 1e-9 * max(1, abs(value))
        )
        if not near:
            day.findings.append(f"{name}: {key} is {mine} instead of {value}")


def main() -> None:
    """Run and say what was found; exit 1 with findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", nargs="?")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    bad = 0
    for name in [given.site] if given.site else sorted(path.stem for path in SITES.glob("*.yaml")):
        day = run(name, given.hours, given.seed)
        kinds: dict[str, int] = defaultdict(int)
        for event in day.events:
            kinds[event.kind] += 1
        polls = sum(map(len, day.samples.values()))
        print(f"{name}: {polls} samples, {len(day.windows)} windows, {dict(kinds)}, {day.compared} numbers compared,",
              f"{len(day.findings)} findings", flush=True)  # fmt: skip
        for finding in day.findings[:20]:
            print("  ", finding)
        bad += len(day.findings)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
