"""What a window says of each point: mean, extremes, sum, counts, flag; totals and sound levels where they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from math import ceil
from typing import Any

from gateway.domain import noise
from gateway.domain.expression import Expression, FormulaError
from gateway.domain.windows import HOUR_MS, MINUTE_MS, UNIT_MS, WindowKeys, WindowRule
from gateway.pipeline.cells import Cell, Hour, Part, joined_tallies
from gateway.pipeline.tally import Tally, commonest


@dataclass(frozen=True, slots=True)
class MeansFormula:
    """A calculated point whose mean in a window comes from the means of other points and from constants."""

    point: str
    expression: Expression
    constants: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Windowed:
    """What is wanted of one instrument. `points` are the ids that are counted; `period_ms` 0: polled unevenly."""

    keys: WindowKeys
    points: tuple[str, ...]
    period_ms: int
    means: tuple[MeansFormula, ...] = ()


class WindowValues:
    """The values of the windows of one instrument, over the hours that it is shown."""

    def __init__(self, wanted: Windowed, zone: tzinfo, hours: Mapping[int, Hour]) -> None:
        self._zone = zone
        self._hours = hours
        self._points = wanted.points
        self._period_ms = wanted.period_ms
        self._formulas = wanted.means
        self._levels = {at for at, point in enumerate(wanted.points) if point in wanted.keys.levels}
        self._daytime = wanted.keys.daytime
        self._totals = {point: UNIT_MS[unit] for point, unit in wanted.keys.totals.items()}
        self._minute_rule, self._hour_rule, self._day_rule = wanted.keys.rules()

    def of(self, period: str, start: int, end: int) -> dict[str, dict[str, Any]]:
        if period == "1d":
            part, rule, parts = self._day(start, end), self._day_rule, (end - start) // HOUR_MS
        elif period == "1m":
            part, rule, parts = self._minutes(start, end), self._minute_rule, 1
        else:
            part, rule, parts = self._minutes(start, end), self._hour_rule, (end - start) // MINUTE_MS
        values = {
            point: self._value(part, at, rule, end - start, parts)
            for at, point in enumerate(self._points)
            if part.tallies[at].valid or part.tallies[at].flags
        }
        for formula in self._formulas:
            if formula.point in values:
                _from_means(formula, values)
        for at in self._levels:
            if self._points[at] in values:
                values[self._points[at]] |= _levels(part.tallies[at].levels)
                if period == "1d":
                    values[self._points[at]] |= self._day_and_night(start, end, at)
        for point, unit_ms in self._totals.items():
            if point in values:
                values[point]["total"] = self._total(part, point, values[point]["mean"], period, end - start, unit_ms)
        return values

    def _day_and_night(self, start: int, end: int, at: int) -> dict[str, float | None]:
        """Ld and Ln of the calendar day from its hours, and Ldn."""
        first, after = self._daytime
        light, dark = Tally(), Tally()
        for hour in self.between(start, end):
            local = datetime.fromtimestamp(hour.start / 1000, self._zone).hour
            (light if first <= local < after else dark).join(self.part(hour).tallies[at])
        day, night = noise.leq(light.levels), noise.leq(dark.levels)
        both = noise.ldn(day, night, after - first) if day is not None and night is not None else None
        return {"ld": day, "ln": night, "ldn": both}

    def _total(
        self, part: Part, point: str, mean: float | None, period: str, length: int, unit_ms: int
    ) -> float | None:
        """Rate times time; of a day the sum over its valid hours (HJ 75-2017: day sum = sum of hours)."""
        if period == "1d":
            means = part.means[self._points.index(point)]
            return sum(means) * HOUR_MS / unit_ms if means else None
        return None if mean is None else mean * length / unit_ms

    def _value(self, part: Part, at: int, rule: WindowRule, length: int, parts: int) -> dict[str, Any]:
        tally, means = part.tallies[at], part.means[at]
        mean = sum(means) / len(means) if rule.mean == "parts" and means else tally.mean
        ok = self._valid(rule, tally, part.polls, len(means), length, parts)
        flag = "N" if ok else rule.otherwise.value if rule.otherwise else commonest(tally.flags)
        found = tally.valid > 0
        return {
            "mean": mean,
            "min": tally.low,
            "max": tally.high,
            "sum": tally.sum if found else None,
            "n": part.polls,
            "valid": tally.valid,
            "flag": flag,
        }

    def _valid(self, rule: WindowRule, tally: Tally, polls: int, good: int, length: int, parts: int) -> bool:
        if not tally.valid or (rule.samples is not None and tally.valid < rule.samples):
            return False
        if rule.share is not None:
            expected = max(polls, length // self._period_ms if self._period_ms else 0)
            if tally.valid < ceil(rule.share * expected):
                return False
        if rule.parts is None:
            return True
        if rule.parts == "all":
            return good >= parts
        whole = HOUR_MS // MINUTE_MS  # a rule speaks of an hour; a day's is in hours and not scaled
        scaled = ceil(rule.parts * parts / whole) if length <= HOUR_MS else rule.parts
        return good >= scaled

    def _cells(self, start: int, end: int) -> list[Cell]:
        cells = [cell for hour in self.between(start, end) for cell in (hour.cells or {}).values()]
        return sorted((cell for cell in cells if start <= cell.start < end), key=lambda cell: cell.start)

    def _minutes(self, start: int, end: int) -> Part:
        """Minutes joined; the means are those of the valid minutes."""
        cells = self._cells(start, end)
        means: list[list[float]] = []
        for at in range(len(self._points)):
            good = (
                cell.tallies[at].mean
                for cell in cells
                if self._valid(self._minute_rule, cell.tallies[at], cell.polls, 1, MINUTE_MS, 1)
            )
            means.append([mean for mean in good if mean is not None])
        return Part(
            sum(cell.polls for cell in cells), joined_tallies(self._points, [cell.tallies for cell in cells]), means
        )

    def _day(self, start: int, end: int) -> Part:
        """Hours joined; the means are those of the valid hours."""
        hours = sorted(self.between(start, end), key=lambda hour: hour.start)
        means: list[list[float]] = [[] for _ in self._points]
        parts = [(hour, self.part(hour)) for hour in hours]
        for hour, part in parts:
            length = hour.after - hour.start
            for at in range(len(self._points)):
                value = self._value(part, at, self._hour_rule, length, length // MINUTE_MS)
                if value["flag"] == "N":
                    means[at].append(value["mean"])
        polls = sum(part.polls for _, part in parts)
        return Part(polls, joined_tallies(self._points, [part.tallies for _, part in parts]), means)

    def part(self, hour: Hour) -> Part:
        if hour.part is None:
            hour.part = self._minutes(hour.start, hour.after)
        return hour.part

    def between(self, start: int, end: int) -> list[Hour]:
        return [hour for hour in self._hours.values() if hour.start < end and hour.after > start]


def _levels(levels: dict[int, int]) -> dict[str, float | None]:
    """Leq, the standard deviation, and the levels exceeded."""
    found = {"leq": noise.leq(levels), "sd": noise.deviation(levels)}
    return found | {f"l{share}": noise.exceeded(levels, share) for share in noise.PERCENTILES}


def _from_means(formula: MeansFormula, values: dict[str, dict[str, Any]]) -> None:
    """Put the mean that the formula makes of other means in place of the mean of its own samples."""
    one = values[formula.point]
    used = [values.get(name) for name in formula.expression.names if name not in formula.constants]
    known = {name: value["mean"] for name, value in values.items() if value["mean"] is not None}
    doubtful = next((value for value in used if value is None or value["flag"] != "N"), one)
    try:
        one["mean"] = formula.expression.value({**known, **formula.constants})
        if doubtful is not None and doubtful["flag"] != "N":
            one["flag"] = doubtful["flag"]
    except (FormulaError, KeyError):
        one["mean"] = None
        one["flag"] = doubtful["flag"] if doubtful is not None and doubtful["flag"] != "N" else "D"
