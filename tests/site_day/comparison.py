"""A recorded day against the calculation: readings, calculated values, windows, events, accounts, evidence."""

from collections.abc import Iterator, Mapping
from typing import Any

from drivers.profile import InstrumentSpec
from gateway.evidence.check import check_feed
from gateway.evidence.item import Item
from gateway.settings.steps import TO_PA
from tests.site_day import events, scenes, vapour
from tests.site_day.calculated import calculated
from tests.site_day.day import MIDNIGHT_MS, UTC_OFFSET_S, Record, Troubles
from tests.site_day.events import Expected
from tests.site_day.feed import Feed, read
from tests.site_day.polls import Findings, Poll, measured, same
from tests.site_day.windows import DAY, LENGTHS, MINUTE, Wanted, wanted_of

OFFSET_MS = UTC_OFFSET_S * 1000
TOLERANCE = {"sd": 1e-3, "leq": 1e-4, "ld": 1e-4, "ln": 1e-4, "ldn": 1e-4}
"""Levels are counted in steps of 0.01 dB."""
LATEST_MS = 2500
"""How long before the end of the run something may be due and not told any more."""


def compared(record: Record) -> tuple[Findings, Feed]:
    """Everything that does not agree."""
    findings = Findings()
    feed = read(record.payloads)
    for text in feed.findings:
        findings.add(text)
    for part, count in record.failures.items():
        findings.add(f"{part} failed {count} times")
    polls = calculated(record, feed, measured(record, feed, findings), findings)
    for name in feed.samples.keys() - polls.keys():
        findings.add(f"{name}: samples of an instrument that there is not")
    end_ms = record.to_ms + round(record.troubles.step_s * 1000)
    windows = {name: _wanted(record, name, polls[name]) for name in polls}
    _windows(record, feed, windows, end_ms, findings)
    events.compare(_events(record, polls, windows, end_ms), feed.events, findings)
    if record.troubles == Troubles():
        scenes.compare(record, feed, findings)
    report = check_feed(
        [Item(topic, body, f"payload {at}") for at, (topic, body) in enumerate(record.payloads)], record.key
    )
    findings.count("batches", feed.batches)
    for finding in report.findings:
        findings.add(f"verify: {finding}")
    return findings, feed


def _windowed(record: Record, name: str) -> tuple[InstrumentSpec, Any, Mapping[str, str], Mapping[str, float]]:
    spec = next(one for one in record.site.everything if one.id == name)
    derived = next((one for one in record.site.derived if one.spec.id == name), None)
    means = {point: derived.formulas[point] for point in derived.of_means} if derived is not None else {}
    return spec, record.site.steps[name].windows, means, derived.constants if derived is not None else {}


def _wanted(record: Record, name: str, polls: list[Poll]) -> dict[tuple[str, int], dict[str, Wanted]]:
    """Every window of an instrument."""
    spec, keys, means, constants = _windowed(record, name)
    if keys is None:
        return {}
    numbers = [
        point.id
        for point in spec.points
        if getattr(point, "type", None) != "string"
        and getattr(point, "states", None) is None
        and point.quantity != "state"
    ]
    points = {
        point: [(poll.due, poll.values[point], poll.flags[point]) for poll in polls] for point in keys.points or numbers
    }
    return wanted_of(points, keys, round(spec.every_s * 1000), OFFSET_MS, means, constants)


def _windows(
    record: Record,
    feed: Feed,
    wanted: Mapping[str, Mapping[tuple[str, int], Mapping[str, Wanted]]],
    end_ms: int,
    findings: Findings,
) -> None:
    told = dict(feed.windows)
    for name, windows in wanted.items():
        keys = record.site.steps[name].windows
        for (period, start), points in windows.items():
            over = start + LENGTHS[period] * MINUTE + round(keys.grace_s * 1000) if keys is not None else 0
            found = told.pop((name, period, start), None)
            where = f"{name} {period} {start}"
            if over >= end_ms - LATEST_MS:
                continue  # it was told at the step of a clock, if at all, and will be revised
            if found is None:
                if points:
                    findings.add(f"{where}: not told")
                continue
            findings.count("windows")
            if found[1].keys() != points.keys():
                findings.add(f"{where}: points {sorted(found[1])} instead of {sorted(points)}")
            for point, one in points.items():
                for key, value in one.items():
                    findings.count("numbers")
                    mine = found[1].get(point, {}).get(key)
                    good = mine in value if isinstance(value, set) else same(mine, value, TOLERANCE.get(key, 1e-9))
                    if not good:
                        findings.add(f"{where}: {key} of {point} is {mine!r} instead of {value!r}")
    for key in told:
        findings.add(f"{key}: a window that there should not be")


def _events(
    record: Record,
    polls: Mapping[str, list[Poll]],
    windows: Mapping[str, Mapping[tuple[str, int], Mapping[str, Wanted]]],
    end_ms: int,
) -> Iterator[Expected]:
    site = record.site
    for name in polls:
        for one in events.of_steps(name, site.steps[name], polls, windows[name], OFFSET_MS):
            yield _in_time(record, one, end_ms)
    if site.vapour_recovery is not None:
        unit = {f"{spec.id}/{point.id}": point.unit for spec in site.everything for point in spec.points}
        pressures = {"tank": site.vapour_recovery.tank, "line": site.vapour_recovery.line}
        to_pa = {key: TO_PA[unit[source] or ""] for key, source in pressures.items() if source is not None}
        yield from vapour.expected(site.vapour_recovery, polls, end_ms, OFFSET_MS, to_pa)
    yield from events.completeness(polls, end_ms, OFFSET_MS)
    if record.troubles.step_s < 0:
        # a clock set back across midnight has the day told that it left, which is revised when it is over
        for name in polls:
            early = Expected("completeness", record.from_ms, end_ms, name, data={"to": MIDNIGHT_MS + DAY}, surely=False)
            yield early
    yield from _of_the_gateway(record, end_ms)


def _in_time(record: Record, one: Expected, end_ms: int) -> Expected:
    """What windows bring is told when the clock is there; it may jump there. At the end it may not be told any more."""
    if one.to_ms > one.from_ms:
        one.to_ms += max(0, round(record.troubles.step_s * 1000))
    if one.to_ms > end_ms - LATEST_MS:
        one.surely = False
    return one


def _of_the_gateway(record: Record, end_ms: int) -> Iterator[Expected]:
    """Starts, stops, the hourly checkpoints, a step of the clock."""
    begin = record.from_ms - 1000
    latest = max(end_ms, record.to_ms) + 20_000
    yield Expected("log.started", begin, latest, data={"reason": "new"})
    yield Expected("configuration.changed", begin, latest)
    for number, _ in enumerate(record.lives):
        yield Expected("gateway.started", begin, latest)
        if number == len(record.lives) - 1 or record.troubles.restart == "stop":
            yield Expected("gateway.stopping", begin, latest, data={"reason": "stop"})
    hours = sum(ended - began for began, ended in record.lives) / 3_600_000
    for number in range(round(hours) + 2 + len(record.lives) * 2):
        yield Expected("log.checkpoint", begin, latest, surely=number < int(hours))
    if record.troubles.step_s:
        yield Expected("clock.stepped", begin, latest)
