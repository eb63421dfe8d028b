"""Windows the slow, obvious way: keep every sample, and look through all of them for each window."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.windows import WindowKeys, WindowRule

MINUTES = {"1m": 1, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}
WORST_FIRST = "BDFTCMS"

Samples = Sequence[tuple[int, float | None, str]]
"""(due ms, value, flag) of one point; every poll is there."""


def midnight_before(at_ms: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    return int(datetime(local.year, local.month, local.day, tzinfo=zone).timestamp()) * 1000


def starts(period: str, samples: Samples, zone: ZoneInfo) -> dict[int, int]:
    """Start and end of every window that has a sample."""
    found: dict[int, int] = {}
    for due, _, _ in samples:
        first = midnight_before(due, zone)
        after = midnight_before(first + int(timedelta(hours=26).total_seconds()) * 1000, zone)
        if period == "1d":
            found[first] = after
            continue
        length = MINUTES[period] * 60_000
        start = first
        while start + length <= due:
            start += length
        found[start] = min(start + length, after)
    return found


def window(
    period: str, start: int, end: int, samples: Samples, zone: ZoneInfo, keys: WindowKeys, every_ms: int
) -> dict[str, Any] | None:
    """What the window must say of the point; None if it says nothing of it."""
    minute, hour, day = keys.rules()
    rule = {"1m": minute, "1d": day}.get(period, hour)
    mine = [sample for sample in samples if start <= sample[0] < end]
    good = [value for _, value, flag in mine if flag == "N" and value is not None]
    bad = [flag for _, _, flag in mine if flag != "N"]
    if not good and not bad:
        return None
    means: list[float] = []
    whole = 1
    if period != "1m":
        inner = "1h" if period == "1d" else "1m"
        whole = (end - start) // (3_600_000 if period == "1d" else 60_000)
        for at, until in sorted(starts(inner, mine, zone).items()):
            part = window(inner, at, until, samples, zone, keys, every_ms)
            if part is not None and part["flag"] == "N":
                means.append(part["mean"])
    valid = is_valid(rule, good, mine, end - start, every_ms, len(means) if period != "1m" else 1, whole, period)
    mean = math.fsum(good) / len(good) if good else None
    if rule.mean == "parts" and means:
        mean = math.fsum(means) / len(means)
    otherwise = rule.otherwise or (
        min(set(bad), key=lambda flag: (-bad.count(flag), WORST_FIRST.index(flag))) if bad else "B"
    )
    return {
        "mean": mean,
        "min": min(good, default=None),
        "max": max(good, default=None),
        "sum": math.fsum(good) if good else None,
        "n": len(mine),
        "valid": len(good),
        "flag": "N" if valid else str(otherwise),
    }


def is_valid(
    rule: WindowRule,
    good: Sequence[float],
    mine: Samples,
    length: int,
    every_ms: int,
    parts: int,
    whole: int,
    period: str,
) -> bool:
    if not good:
        return False
    if rule.samples is not None and len(good) < rule.samples:
        return False
    if rule.share is not None and len(good) < rule.share * max(len(mine), length // every_ms):
        return False
    if rule.parts == "all":
        return parts >= whole
    if rule.parts is not None:
        return parts >= (rule.parts if period == "1d" else rule.parts * whole / 60)
    return True
