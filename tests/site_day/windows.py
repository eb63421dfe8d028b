"""Windows the slow, obvious way: every sample is kept, and each window looks through all of its own.

Days begin at local midnight of a zone without summer time. The rules of validity are the table of
gateway/domain/windows.py, which has its own tests; what they mean is written down here once more.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.windows import WindowKeys, WindowRule
from tests.site_day.formulas import NoValue, names_of, value

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LENGTHS = {"1m": 1, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60, "1d": 1440}
WORST_FIRST = "BDFTCMS"
UNITS = {"s": 1000, "min": MINUTE, "h": HOUR}

Row = tuple[int, Any, str]
"""(due ms, value, flag) of one point; every poll is there."""
Wanted = dict[str, Any]


class Slow:
    """The windows of one point."""

    def __init__(self, rows: Sequence[Row], keys: WindowKeys, every_ms: int, offset_ms: int) -> None:
        self._keys = keys
        self._every_ms = every_ms
        self._offset_ms = offset_ms
        self._minutes: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            self._minutes[row[0] // MINUTE * MINUTE].append(row)
        self._made: dict[tuple[str, int], Wanted | None] = {}

    def starts(self, period: str) -> list[int]:
        """Where the windows begin that have a sample."""
        length = LENGTHS[period] * MINUTE
        return sorted({at - (at + self._offset_ms) % length for at in self._minutes})

    def rows(self, period: str, start: int) -> list[Row]:
        """The samples of one window."""
        ends = range(start, start + LENGTHS[period] * MINUTE, MINUTE)
        return [row for at in ends if at in self._minutes for row in self._minutes[at]]

    def window(self, period: str, start: int) -> Wanted | None:
        """What the window says; None if it says nothing of the point."""
        key = period, start
        if key not in self._made:
            self._made[key] = self._window(period, start)
        return self._made[key]

    def parts(self, period: str, start: int) -> list[float]:
        """Means of the valid minutes of an hour (or less), of the valid hours of a day."""
        inner = "1h" if period == "1d" else "1m"
        step = LENGTHS[inner] * MINUTE
        inside = (self.window(inner, at) for at in range(start, start + LENGTHS[period] * MINUTE, step))
        return [one["mean"] for one in inside if one is not None and one["flag"] == "N"]

    def _window(self, period: str, start: int) -> Wanted | None:
        mine = self.rows(period, start)
        good = [given for _, given, flag in mine if flag == "N" and given is not None]
        bad = Counter(flag for _, _, flag in mine if flag != "N")
        if not good and not bad:
            return None
        minute, hour, day = self._keys.rules()
        rule = {"1m": minute, "1d": day}.get(period, hour)
        means = [] if period == "1m" else self.parts(period, start)
        mean = math.fsum(good) / len(good) if good else None
        if rule.mean == "parts" and means:
            mean = math.fsum(means) / len(means)
        if self._valid(rule, period, len(good), len(mine), len(means)):
            flag = "N"
        elif rule.otherwise is not None:
            flag = rule.otherwise.value
        else:
            flag = min(bad, key=lambda one: (-bad[one], WORST_FIRST.index(one))) if bad else "B"
        return {
            "mean": mean,
            "min": min(good, default=None),
            "max": max(good, default=None),
            "sum": math.fsum(good) if good else None,
            "n": len(mine),
            "valid": len(good),
            "flag": flag,
        }

    def _valid(self, rule: WindowRule, period: str, good: int, told: int, parts: int) -> bool:
        minutes = LENGTHS[period]
        expected = max(told, minutes * MINUTE // self._every_ms) if self._every_ms else told
        enough = [good > 0]
        if rule.samples is not None:
            enough.append(good >= rule.samples)
        if rule.share is not None:
            enough.append(good >= rule.share * expected)
        if rule.parts == "all":
            enough.append(parts == (24 if period == "1d" else minutes))
        elif rule.parts is not None:
            enough.append(parts >= (rule.parts if period == "1d" else rule.parts * minutes / 60))
        return all(enough)


def levels(good: Sequence[float]) -> Wanted:
    """Sound levels: of n samples from loud to quiet the one at n · share; meters resolve 0.01 dB at best."""
    if not good:
        return {"leq": None, "sd": None, **{f"l{share}": None for share in (5, 10, 50, 90, 95)}}
    loud = sorted(good, reverse=True)
    found: Wanted = {"leq": leq(good), "sd": statistics.pstdev(good)}
    for share in (5, 10, 50, 90, 95):
        found[f"l{share}"] = loud[max(1, math.ceil(len(loud) * share / 100)) - 1]
    return found


def leq(good: Sequence[float]) -> float | None:
    """10 lg of the mean energy."""
    return 10 * math.log10(math.fsum(10 ** (one / 10) for one in good) / len(good)) if good else None


def day_and_night(rows: Sequence[Row], daytime: tuple[int, int], offset_ms: int) -> Wanted:
    """Ld, Ln, Ldn of a day."""
    light, dark = [], []
    for due, given, flag in rows:
        if flag == "N" and given is not None:
            hour = (due + offset_ms) % DAY // HOUR
            (light if daytime[0] <= hour < daytime[1] else dark).append(given)
    day, night = leq(light), leq(dark)
    both = None
    if day is not None and night is not None:
        hours = daytime[1] - daytime[0]
        both = 10 * math.log10((hours * 10 ** (day / 10) + (24 - hours) * 10 ** ((night + 10) / 10)) / 24)
    return {"ld": day, "ln": night, "ldn": both}


def wanted_of(
    points: Mapping[str, Sequence[Row]],
    keys: WindowKeys,
    every_ms: int,
    offset_ms: int,
    means: Mapping[str, str],
    constants: Mapping[str, float],
) -> dict[tuple[str, int], dict[str, Wanted]]:
    """Every window of one instrument: (period, start) -> point -> what it must say. `means`: formulas of means."""
    slow = {point: Slow(rows, keys, every_ms, offset_ms) for point, rows in points.items()}
    found: dict[tuple[str, int], dict[str, Wanted]] = {}
    for period in keys.periods:
        for start in sorted({at for one in slow.values() for at in one.starts(period)}):
            made = {point: dict(one) for point in slow if (one := slow[point].window(period, start)) is not None}
            for point, formula in means.items():
                if point in made:
                    _from_means(made, point, formula, constants)
            for point in keys.levels:
                if point in made:
                    rows = slow[point].rows(period, start)
                    made[point] |= levels([given for _, given, flag in rows if flag == "N" and given is not None])
                    if period == "1d":
                        made[point] |= day_and_night(rows, keys.daytime, offset_ms)
            for point, unit in keys.totals.items():
                if point in made:
                    made[point]["total"] = _total(slow[point], period, start, made[point]["mean"], UNITS[unit])
            found[period, start] = made
    return found


def _total(slow: Slow, period: str, start: int, mean: float | None, unit_ms: int) -> float | None:
    """Rate times time; of a day the sum of its valid hours."""
    if period == "1d":
        hours = slow.parts("1d", start)
        return math.fsum(hours) * HOUR / unit_ms if hours else None
    return None if mean is None else mean * (LENGTHS[period] * MINUTE / unit_ms)


def _from_means(made: dict[str, Wanted], point: str, formula: str, constants: Mapping[str, float]) -> None:
    used = [name for name in names_of(formula) if name not in constants]
    known = {name: made[name]["mean"] for name in used if name in made and made[name]["mean"] is not None}
    doubts = {made[name]["flag"] for name in used if name in made and made[name]["flag"] != "N"}
    one = made[point]
    try:
        if len(known) < len(used):
            raise NoValue
        one["mean"] = value(formula, {**known, **constants})
        one["flag"] = doubts or one["flag"]
    except NoValue:
        one["mean"] = None
        one["flag"] = doubts or "D"
