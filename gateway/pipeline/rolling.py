"""Means over several windows in a row (ozone over eight hours), and the highest of a day (ozone, demand).

`window.rolling` for each span of `count` windows, when its last one is told, and again when a revision changes it;
`window.peak` for each day, when the first window of a later day is told: the highest of the spans that lie within it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from gateway.domain.steps import Rolling
from gateway.domain.windows import LENGTHS_MS
from gateway.pipeline.calendar import day_bounds
from gateway.reading import Event, Window

DAY_MS = 25 * 3_600_000


@dataclass(slots=True)
class _Standing:
    """Means of the newest windows by start (None: not valid), spans that were told by end, and the day under way."""

    means: dict[int, float | None] = field(default_factory=dict)
    told: dict[int, float | None] = field(default_factory=dict)
    day_ms: int | None = None


class Rollings:
    """The rolling means of one instrument."""

    def __init__(self, instrument: str, rollings: Iterable[Rolling], zone: tzinfo) -> None:
        self._instrument = instrument
        self._rollings = tuple(rollings)
        self._zone = zone
        self._standing = {rolling.name: _Standing() for rolling in self._rollings}

    def look(self, window: Window, now_ms: int) -> list[Event]:
        """A window that was told, also a revised one."""
        events: list[Event] = []
        for rolling in self._rollings:
            values = window.values.get(rolling.point)
            if rolling.of == window.period and values is not None:
                mean = values["mean"] if values["flag"] == "N" else None
                events += self._one(rolling, self._standing[rolling.name], window.start_ms, mean, now_ms)
        return events

    def _one(
        self, rolling: Rolling, standing: _Standing, start_ms: int, mean: float | None, now_ms: int
    ) -> list[Event]:
        events: list[Event] = []
        day_ms = day_bounds(start_ms, self._zone)[0]
        if standing.day_ms is not None and day_ms > standing.day_ms:
            events += self._peak(rolling, standing, standing.day_ms, now_ms)
        if standing.day_ms is None or day_ms > standing.day_ms:
            standing.day_ms = day_ms
        length = LENGTHS_MS[rolling.of]
        standing.means[start_ms] = mean
        newest = max(standing.means)
        for number in range(rolling.count):
            end = start_ms + (number + 1) * length
            if end > newest + length:
                break
            span, valid = self._span(rolling, standing, end)
            if rolling.count > 1 and (end not in standing.told or standing.told[end] != span):
                standing.told[end] = span
                data = {"start": end - rolling.count * length, "end": end, "mean": span, "valid": valid}
                events.append(self._event(now_ms, "window.rolling", rolling, data))
        for rows in (standing.means, standing.told):
            for old in [at for at in rows if at < newest - DAY_MS - rolling.count * length]:
                del rows[old]
        return events

    def _span(self, rolling: Rolling, standing: _Standing, end: int) -> tuple[float | None, int]:
        """Mean of the span that ends so, None with too few valid windows; how many are valid."""
        length = LENGTHS_MS[rolling.of]
        found = [standing.means.get(end - (back + 1) * length) for back in range(rolling.count)]
        valid = [mean for mean in found if mean is not None]
        return (sum(valid) / len(valid) if len(valid) >= rolling.least else None), len(valid)

    def _peak(self, rolling: Rolling, standing: _Standing, day_ms: int, now_ms: int) -> list[Event]:
        first, after, name = day_bounds(day_ms, self._zone)
        length = LENGTHS_MS[rolling.of]
        ends = [at + length for at in standing.means if first <= at + length - rolling.count * length and at < after]
        spans = {end: mean for end in ends if (mean := self._span(rolling, standing, end)[0]) is not None}
        if not spans:
            return []
        end = max(spans, key=lambda at: (spans[at], -at))
        data = {"day": name, "peak": spans[end], "start": end - rolling.count * length, "end": end, "spans": len(spans)}
        return [self._event(now_ms, "window.peak", rolling, data)]

    def _event(self, now_ms: int, kind: str, rolling: Rolling, data: Mapping[str, Any]) -> Event:
        more = {"name": rolling.name, "of": rolling.of, "count": rolling.count, **data}
        return Event(now_ms, kind, more, self._instrument, rolling.point, "info")

    def state(self) -> dict[str, Any]:
        """For a kept state."""
        return {
            name: [list(one.means.items()), list(one.told.items()), one.day_ms] for name, one in self._standing.items()
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a kept state."""
        for name, (means, told, day_ms) in kept.items():
            if name in self._standing:
                self._standing[name] = _Standing(dict(means), dict(told), day_ms)
