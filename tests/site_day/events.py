"""The events that the day must have, from the polls and windows as they must be; and the comparison both ways."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.steps import Limit, MarkRule, Rolling, StepKeys, WaterClassKeys
from tests.site_day.polls import CLASSES, Findings, Poll, same
from tests.site_day.windows import DAY, HOUR, LENGTHS, MINUTE, Wanted

Windows = Mapping[tuple[str, int], Mapping[str, Wanted]]


@dataclass(slots=True)
class Expected:
    """One event that must be told once, between two instants of the gateway's clock. `data`: what it must say."""

    kind: str
    from_ms: int
    to_ms: int
    instrument: str | None = None
    point: str | None = None
    level: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    surely: bool = True
    """False: it may be there."""


def of_steps(
    name: str, keys: StepKeys, polls: Mapping[str, Sequence[Poll]], windows: Windows, offset_ms: int
) -> Iterator[Expected]:
    """What the steps of one instrument tell. Raises NotImplementedError for a step that is not looked at here."""
    for step in ("checks", "deadband"):
        if getattr(keys, step):
            raise NotImplementedError(f"{name}: {step} is not compared yet")
    mine = polls.get(name, [])
    grace_ms = round(keys.windows.grace_s * 1000) if keys.windows is not None else 0
    for limit in keys.limits or ():
        if limit.of is None:
            rows = [(p.due, p.ts, p.ts, p.values[limit.point]) for p in mine if p.flags[limit.point] == "N"]
        else:
            rows = list(_judged(limit, windows, grace_ms))
        yield from _limit(name, limit, rows)
    for rule in keys.marks or ():
        yield from _mark(name, rule, polls)
    for point in keys.watch or ():
        yield from _watched(name, point, mine)
    if keys.batch is not None:
        yield from _batches(name, keys, mine)
    if keys.water_class is not None:
        yield from _classes(name, keys.water_class, mine, offset_ms)
    for rolling in keys.rolling or ():
        yield from _rolling(name, rolling, windows, grace_ms, offset_ms)


def _judged(limit: Limit, windows: Windows, grace_ms: int) -> Iterator[tuple[int, int, int, Any]]:
    """(start, earliest, latest moment of the telling, value) of each valid window."""
    assert limit.of is not None
    for (period, start), values in sorted(windows.items(), key=lambda one: one[0][1]):
        one = values.get(limit.point)
        if period == limit.of and one is not None and one["flag"] == "N" and one.get(limit.value) is not None:
            told = start + LENGTHS[period] * MINUTE + grace_ms
            yield start, told, told + 3000, one[limit.value]


def _limit(name: str, limit: Limit, rows: Iterable[tuple[int, int, int, Any]]) -> Iterator[Expected]:
    """Exceeded when it was beyond for `delay` without a good value between; over when it is back at `clear`."""
    since: int | None = None
    told = False
    worst = 0.0
    for at, from_ms, to_ms, number in rows:
        beyond = number > limit.above if limit.above is not None else number < (limit.below or 0)
        if beyond:
            worst = number if since is None else (max if limit.above is not None else min)(worst, number)
            since = at if since is None else since
            if not told and at - since >= limit.delay_s * 1000:
                told = True
                data = {"limit": limit.name, "value": float(number), "since": since}
                yield Expected("limit.exceeded", from_ms, to_ms, name, limit.point, limit.level, data)
            continue
        back = limit.clear if limit.clear is not None else limit.above if limit.above is not None else limit.below
        if told and not (number <= back if limit.above is not None else number >= back):
            continue
        if told:
            data = {"limit": limit.name, "from": since, "to": at, "worst": float(worst)}
            yield Expected("limit.cleared", from_ms, to_ms, name, limit.point, "info", data)
        since, told = None, False


def _mark(name: str, rule: MarkRule, polls: Mapping[str, Sequence[Poll]]) -> Iterator[Expected]:
    instrument, point = rule.when.split("/")
    on = False
    for poll in polls[instrument]:
        given = poll.values[point]
        if given is None:
            continue
        now = any(given == one and isinstance(given, bool) == isinstance(one, bool) for one in rule.equals)
        if now != on:
            on = now
            data = {"flag": rule.flag.value, "who": rule.who or rule.when}
            yield Expected("mark.set" if now else "mark.ended", poll.ts, poll.ts, name, None, "info", data)


def _watched(name: str, point: str, polls: Sequence[Poll]) -> Iterator[Expected]:
    seen = [poll for poll in polls if poll.values[point] is not None]
    for before, after in itertools.pairwise(seen):
        if before.values[point] != after.values[point]:
            data = {"from": before.values[point], "to": after.values[point]}
            yield Expected("parameter.changed", after.ts, after.ts, name, point, "warning", data)


def _batches(name: str, keys: StepKeys, polls: Sequence[Poll]) -> Iterator[Expected]:
    """A result when the analyser leaves its measuring state, sampled when it entered it."""
    batch = keys.batch
    assert batch is not None
    if batch.state is None:
        whole = [poll for poll in polls if all(poll.values[point] is not None for point in batch.points)]
        for before, after in itertools.pairwise(whole):
            results = {point: after.values[point] for point in batch.points}
            if results != {point: before.values[point] for point in batch.points}:
                yield Expected("batch.result", after.ts, after.ts, name, None, "info", {"values": results})
        return
    known = [poll for poll in polls if poll.values[batch.state] is not None]
    begun: Poll | None = None
    for poll in known:
        if poll.values[batch.state] in batch.measuring:
            begun = begun or poll
        elif begun is not None:
            data = {"values": {point: poll.values[point] for point in batch.points}, "sampled": begun.ts}
            yield Expected("batch.result", poll.ts, poll.ts, name, None, "info", data)
            begun = None


CLASSES_OF_WATER = ("I", "II", "III", "IV", "V", "below V")
GB_3838: Mapping[str, Sequence[float]] = {
    "permanganate_index": (2, 4, 6, 10, 15), "cod": (15, 15, 20, 30, 40), "bod5": (3, 3, 4, 6, 10),
    "ammonia_nitrogen": (0.15, 0.5, 1.0, 1.5, 2.0), "total_phosphorus": (0.02, 0.1, 0.2, 0.3, 0.4),
    "total_nitrogen": (0.2, 0.5, 1.0, 1.5, 2.0), "lake": (0.01, 0.025, 0.05, 0.1, 0.2),
}  # fmt: skip
"""GB 3838-2002 table 1, typed from the table once more."""


def class_of(factor: str, number: float, lake: bool) -> int:
    """0 is class I, 5 below V."""
    if factor == "ph":
        return 0 if 6 <= number <= 9 else 5
    if factor == "dissolved_oxygen":
        return sum(number < least for least in (7.5, 6, 5, 3, 2))
    return sum(number > most for most in GB_3838["lake" if lake and factor == "total_phosphorus" else factor])


def _classes(name: str, keys: WaterClassKeys, polls: Sequence[Poll], offset_ms: int) -> Iterator[Expected]:
    """One for each cycle that a later poll follows, judged by the newest valid values before it."""
    cycle_ms = round(keys.every_s * 1000)

    def cycle_of(poll: Poll) -> int:
        since = (poll.due + offset_ms) % DAY
        return poll.due - since % cycle_ms

    for number, poll in enumerate(polls):
        if number == 0 or cycle_of(polls[number - 1]) == (to_ms := cycle_of(poll)):
            continue
        from_ms = cycle_of(polls[number - 1])
        sample: dict[str, float] = {}
        for factor, point in keys.factors.items():
            good = [p for p in polls[:number] if p.flags[point] == "N" and p.due >= to_ms - keys.max_age_s * 1000]
            if good:
                sample[factor] = good[-1].values[point]  # type: ignore[assignment]
        data: dict[str, Any] = {"from": from_ms, "to": to_ms}
        data["missing"] = [factor for factor in keys.factors if factor not in sample]
        data["class"] = None
        level = "info"
        if sample:
            classes = {factor: class_of(factor, given, keys.lake) for factor, given in sample.items()}
            worst = max(classes.values())
            data["class"] = CLASSES_OF_WATER[worst]
            data["deciding"] = [factor for factor in sample if classes[factor] == worst]
            data["factors"] = {
                factor: {"value": given, "class": CLASSES_OF_WATER[classes[factor]]} for factor, given in sample.items()
            }
            if keys.target is not None:
                data["exceeded"] = worst > CLASSES_OF_WATER.index(keys.target)
                level = "warning" if data["exceeded"] else "info"
        yield Expected("water.class", poll.ts, poll.ts, name, None, level, data)


def _rolling(name: str, rolling: Rolling, windows: Windows, grace_ms: int, offset_ms: int) -> Iterator[Expected]:
    length = LENGTHS[rolling.of] * MINUTE
    told = {
        start: v[rolling.point] for (period, start), v in windows.items() if period == rolling.of and rolling.point in v
    }
    means = {start: one["mean"] if one["flag"] == "N" else None for start, one in told.items()}

    def span(end: int) -> tuple[float | None, int]:
        row = [means.get(end - (back + 1) * length) for back in range(rolling.count)]
        good = [mean for mean in row if mean is not None]
        return (math.fsum(good) / len(good) if len(good) >= rolling.least else None), len(good)

    for start in sorted(told):
        end = start + length
        if rolling.count > 1:
            mean, valid = span(end)
            data = {
                "name": rolling.name,
                "start": end - rolling.count * length,
                "end": end,
                "mean": mean,
                "valid": valid,
            }
            at = end + grace_ms
            yield Expected("window.rolling", at, at + 3000, name, rolling.point, "info", data)
    days = sorted({start - (start + offset_ms) % DAY for start in told})
    for day, following in itertools.pairwise(days):
        ends = [s + length for s in told if day <= s + length - rolling.count * length and s < day + DAY]
        spans = {end: span(end)[0] for end in ends if span(end)[0] is not None}
        if not spans:
            continue
        peak = max(mean for mean in spans.values() if mean is not None)
        # told with the first window of the next day; equal spans: the first
        at = min(start for start in told if start >= following) + length + grace_ms
        data = {"name": rolling.name, "peak": peak, "spans": len(spans)}
        yield Expected("window.peak", at, at + 3000, name, rolling.point, "info", data)


def completeness(polls: Mapping[str, Sequence[Poll]], end_ms: int, offset_ms: int) -> Iterator[Expected]:
    """The account of each day that is over, of each instrument."""
    for name, rows in polls.items():
        days: dict[int, list[Poll]] = defaultdict(list)
        for poll in rows:
            days[poll.due - (poll.due + offset_ms) % DAY].append(poll)
        for first, mine in days.items():
            if first + DAY + MINUTE > end_ms - 2500:
                continue
            nulls = dict.fromkeys(CLASSES, 0)
            for poll in mine:
                for point, given in poll.values.items():
                    if given is None:
                        nulls[poll.why[point].partition(":")[0]] += 1
            expected = sum(len(poll.values) for poll in mine)
            data = {
                "from": first, "to": first + DAY, "expected": expected, "unchanged": 0, "null": nulls,
                "measured": expected - sum(nulls.values()),
            }  # fmt: skip
            at = first + DAY + MINUTE
            yield Expected("completeness", at - HOUR, end_ms, name, None, None, data)


def compare(expected: Iterable[Expected], told: Sequence[Mapping[str, Any]], findings: Findings) -> None:
    """Each expected event is told, once, and no other. Of a day's account the last word counts."""
    left: dict[tuple[str, str | None, str | None], list[Mapping[str, Any]]] = defaultdict(list)
    for one in told:
        key = one["kind"], one.get("instrument"), one.get("point")
        if one["kind"] == "completeness":
            left[key] = [each for each in left[key] if each["data"]["from"] != one["data"]["from"]]
        left[key].append(one)
    for event in expected:
        findings.count("events")
        rows = left[event.kind, event.instrument, event.point]
        found = next((one for one in rows if _is(event, one)), None)
        if found is not None:
            rows.remove(found)
        elif event.surely:
            near = min(rows, key=lambda one: abs(one["ts"] - event.from_ms), default=None)
            findings.add(f"missing: {event}; nearest: {near}")
    for rows in left.values():
        for one in rows:
            findings.add(f"unexpected: {one}")


def _is(event: Expected, told: Mapping[str, Any]) -> bool:
    if not event.from_ms <= told["ts"] <= event.to_ms:
        return False
    if event.level is not None and told.get("level") != event.level:
        return False
    return all(_same(told["data"].get(key), value) for key, value in event.data.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, Mapping):
        return isinstance(one, Mapping) and all(_same(one.get(key), value) for key, value in other.items())
    if isinstance(other, list):
        return isinstance(one, list) and one == other
    return same(one, other)
