"""GB 20952-2020 once more, over the whole day at once: fuellings from the scene, rules from the pressures."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.domain.vapour_recovery import VapourKeys, VapourRules
from tests.site_day.events import Expected
from tests.site_day.polls import Poll
from tests.site_day.windows import DAY, MINUTE

LEVELS = {"N": "info", "0": "info", "1": "warning", "2": "alarm"}


def expected(
    keys: VapourKeys, polls: Mapping[str, Sequence[Poll]], end_ms: int, offset_ms: int, to_pa: Mapping[str, float]
) -> Iterator[Expected]:
    """All events of one station."""
    rules = keys.resolved()
    for nozzle in keys.nozzles:
        yield from _nozzle(keys, rules, nozzle, polls, end_ms, offset_ms)
    if keys.tank is not None:
        rows = list(_rows(keys.tank, polls, to_pa.get("tank", 1.0)))
        high, low = keys.valve_positive_pa, keys.valve_negative_pa

        def critical(pressure: float) -> bool:
            above = high is not None and pressure > high + rules.critical_pa
            return above or (low is not None and pressure < low - rules.critical_pa)

        yield from _rule(keys, "C", rows, critical, 0, 1, rules.critical_for_s)
        # the fifth day in a row cannot come within one or two days
        yield from _rule(keys, "B", rows, lambda p: abs(p) <= rules.zero_pa, rules.zero_for_s, 1, None)
        if rules.high or rules.resistance:
            raise NotImplementedError("rules D and E are not compared here")
    if keys.outlet is not None:
        rows = list(_rows(keys.outlet, polls, 1.0))
        yield from _rule(
            keys, "F", rows, lambda c: c > rules.outlet_limit, 0, rules.outlet_readings, rules.outlet_for_s
        )
    limit = rules.unloading_limit
    if keys.unloading is not None and limit is not None:
        rows = list(_rows(keys.unloading, polls, 1.0))
        yield from _rule(keys, "U", rows, lambda c: c > limit, 0, 1, None)
    for name in sorted({source.split("/")[0] for _, source in keys.sources()}):
        yield from _faults(keys, name, polls[name], rules.fault_polls)


def _rows(source: str, polls: Mapping[str, Sequence[Poll]], factor: float) -> Iterator[tuple[Poll, float]]:
    instrument, point = source.split("/")
    for poll in polls[instrument]:
        given = poll.values[point]
        if poll.flags[point] == "N" and isinstance(given, int | float):
            yield poll, given * factor


def _rule(
    keys: VapourKeys, rule: str, rows: Sequence[tuple[Poll, float]], holds: Callable[[float], bool],
    warning_s: float, readings: int, alarm_s: float | None,
) -> Iterator[Expected]:  # fmt: skip
    """Runs of values for which it holds, broken by a gap; a state that was reached stays until one does not."""
    gap_ms = keys.resolved().gap_s * 1000
    state, begin, count, before = "0", 0, 0, None
    for poll, number in rows:
        if not holds(number):
            if state != "0":
                yield _told(keys, poll, rule, "0", {"value": number})
            state, count, before = "0", 0, None
            continue
        if before is None or poll.due - before.due > gap_ms or poll.due < before.due:
            begin, count = poll.due, 0
        count, before = count + 1, poll
        lasted_s = (poll.due - begin) / 1000
        reached = state
        if state == "0" and lasted_s >= warning_s and count >= readings:
            reached = "1"
        if reached == "1" and alarm_s is not None and lasted_s >= alarm_s:
            reached = "2"
        if reached != state:
            state = reached
            yield _told(keys, poll, rule, state, {"value": number, "since": begin})


def _faults(keys: VapourKeys, name: str, polls: Sequence[Poll], most: int) -> Iterator[Expected]:
    silent = 0
    for poll in polls:
        if all(given is None for given in poll.values.values()):
            silent += 1
            if silent == most:
                yield _told(keys, poll, "G", "1", {"instrument": name})
        else:
            if silent >= most:
                yield _told(keys, poll, "G", "0", {"instrument": name})
            silent = 0


def _told(keys: VapourKeys, poll: Poll, rule: str, state: str, data: Mapping[str, Any]) -> Expected:
    more = {"rule": rule, "state": state, "version": keys.version, **data}
    return Expected("vapour.rule", poll.ts, poll.ts, keys.id, None, LEVELS[state], more)


def _nozzle(
    keys: VapourKeys, rules: VapourRules, nozzle: Any, polls: Mapping[str, Sequence[Poll]], end_ms: int, offset_ms: int
) -> Iterator[Expected]:
    """Records as the controller showed them, one after another; the day's judgement from their whole list."""
    instrument = nozzle.fuel.split("/")[0]
    points = {
        key: getattr(nozzle, key).split("/")[1]
        for key in ("fuel", "vapour", "seconds", "fresh")
        if getattr(nozzle, key)
    }
    rows = [poll for poll in polls[instrument] if all(poll.values[point] is not None for point in points.values())]
    days: dict[int, list[tuple[float, float]]] = {}
    begun = None
    for before, after in itertools.pairwise(rows):
        shown = [poll.values[points["fuel"]] for poll in (before, after)]
        fresh = "fresh" in points and before.values[points["fresh"]] != 0 and after.values[points["fresh"]] == 0
        if (shown[0] == shown[1] and not fresh) or not shown[1]:
            continue
        fuel = float(shown[1]) * nozzle.fuel_litres  # type: ignore[arg-type]
        vapour = float(after.values[points["vapour"]]) * nozzle.vapour_litres  # type: ignore[arg-type]
        ratio = vapour / fuel
        outside = not rules.band[0] <= ratio <= rules.band[1]
        data: dict[str, Any] = {"nozzle": nozzle.nozzle, "fuel": fuel, "vapour": vapour, "ratio": ratio}
        seconds = after.values[points["seconds"]] if "seconds" in points else None
        slow = bool(seconds) and outside and fuel / float(seconds) * 60 < rules.slow_fuel  # type: ignore[arg-type]
        judged = fuel >= rules.least_volume_l and not slow
        data |= {"judged": judged, "outside": outside, "version": keys.version}
        yield Expected("vapour.fuelling", after.ts, after.ts, keys.id, None, "info", data)
        day = after.due - (after.due + offset_ms) % DAY
        begun = day if begun is None else begun
        days.setdefault(day, [])
        if judged:
            days[day].append((fuel, ratio))
    first = min((poll.due for poll in polls[instrument]), default=end_ms)
    yield from _days(keys, rules, nozzle.nozzle, days, first - (first + offset_ms) % DAY, end_ms)


def _days(
    keys: VapourKeys, rules: VapourRules, nozzle: str, days: Mapping[int, Sequence[tuple[float, float]]],
    first_day: int, end_ms: int,
) -> Iterator[Expected]:  # fmt: skip
    """Each day that is over, a minute after midnight; days with too few fuellings wait for the following ones."""
    waiting: list[tuple[float, float]] = []
    row = 0
    day = first_day
    while day + DAY + MINUTE < end_ms - 2500:
        waiting += days.get(day, ())
        outside = sum(not rules.band[0] <= ratio <= rules.band[1] for _, ratio in waiting)
        data: dict[str, Any] = {"nozzle": nozzle, "fuellings": len(waiting), "outside": outside}
        state = "N"
        if len(waiting) >= rules.least_fuellings:
            data["share"] = outside / len(waiting)
            row = row + 1 if outside > rules.share * len(waiting) else 0
            state = "0" if not row else "1" if row < rules.days else "2"
            waiting = []
        data["state"] = state
        at = day + DAY + MINUTE
        # a fuelling in that minute turns the day earlier
        yield Expected("vapour.day", at - MINUTE, at + 3000, keys.id, None, LEVELS[state], data)
        day += DAY
