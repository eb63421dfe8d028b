"""Limits with hysteresis and delay: a crossing is an event, and so is its end.

    good ── beyond the limit for `delay` ──► exceeded (limit.exceeded) ── back at `clear` ──► good (limit.cleared)

Only values with flag N are judged; a flagged or missing value neither begins nor ends anything. A limit `of` a window
judges the mean of each valid window by its start. A window that is revised after it was judged is judged anew where
that changes the verdict: `limit.revised`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.steps import Limit
from gateway.reading import Event, Reading, Window

JUDGED_WINDOWS = 100
"""Verdicts remembered for each limit of a window, against revisions: four days of hours."""


@dataclass(slots=True)
class _Standing:
    """Where a limit stands: since when its value is beyond, whether that was told, and the furthest value."""

    since_ms: int | None = None
    told: bool = False
    worst: float = 0.0
    judged: dict[int, bool] = field(default_factory=dict)


class Limits:
    """The limits of one instrument."""

    def __init__(self, instrument: str, limits: Iterable[Limit]) -> None:
        self._instrument = instrument
        self._samples = [limit for limit in limits if limit.of is None]
        self._windows = [limit for limit in limits if limit.of is not None]
        self._standing = {limit.name: _Standing() for limit in limits}

    def look(self, reading: Reading) -> list[Event]:
        """Events of the limits of samples."""
        events: list[Event] = []
        for limit in self._samples:
            if limit.point not in reading.points:
                continue
            index = reading.points.index(limit.point)
            value = reading.sample.values[index]
            if value is None or isinstance(value, str) or index in reading.sample.flags:
                continue
            events += self._judge(limit, float(value), reading.ts_ms - reading.lag_ms, reading.ts_ms, {})
        return events

    def look_at_window(self, window: Window, now_ms: int) -> list[Event]:
        """Events of the limits of windows."""
        events: list[Event] = []
        for limit in self._windows:
            values = window.values.get(limit.point)
            if limit.of != window.period or values is None or values["flag"] != "N":
                continue
            if values.get(limit.value) is None:
                continue
            mean = float(values[limit.value])
            standing = self._standing[limit.name]
            more = {"start": window.start_ms, "rev": window.rev}
            beyond = _beyond(limit, mean)
            if window.start_ms in standing.judged:
                if standing.judged[window.start_ms] != beyond:
                    data = {"limit": limit.name, "value": mean, "exceeded": beyond, **_bound(limit), **more}
                    events.append(self._event(now_ms, "limit.revised", limit, data))
            else:
                events += self._judge(limit, mean, window.start_ms, now_ms, more)
            standing.judged[window.start_ms] = beyond
            if len(standing.judged) > JUDGED_WINDOWS:
                del standing.judged[min(standing.judged)]
        return events

    def _judge(self, limit: Limit, value: float, at_ms: int, now_ms: int, more: Mapping[str, Any]) -> list[Event]:
        standing = self._standing[limit.name]
        if _beyond(limit, value):
            if standing.since_ms is None or at_ms < standing.since_ms:
                # the clock was set back behind the beginning: it begins again
                standing.since_ms, standing.worst = at_ms, value
            standing.worst = max(standing.worst, value) if limit.above is not None else min(standing.worst, value)
            if standing.told or at_ms - standing.since_ms < limit.delay_s * 1000:
                return []
            standing.told = True
            data = {"limit": limit.name, "value": value, "since": standing.since_ms, **_bound(limit), **more}
            return [self._event(now_ms, "limit.exceeded", limit, data)]
        if standing.told and not _cleared(limit, value):
            return []
        was, since_ms, worst = standing.told, standing.since_ms, standing.worst
        standing.since_ms, standing.told = None, False
        if not was:
            return []
        data = {"limit": limit.name, "value": value, "from": since_ms, "to": at_ms, "worst": worst, **_bound(limit)}
        return [self._event(now_ms, "limit.cleared", limit, {**data, **more}, "info")]

    def _event(self, now_ms: int, kind: str, limit: Limit, data: Mapping[str, Any], level: str | None = None) -> Event:
        if limit.of is not None:
            data = {**data, "of": limit.of}
        if limit.why is not None:
            data = {**data, "why": limit.why}
        return Event(now_ms, kind, data, self._instrument, limit.point, level or limit.level)

    def state(self) -> dict[str, Any]:
        """For a kept state."""
        return {
            name: [one.since_ms, one.told, one.worst, list(one.judged.items())] for name, one in self._standing.items()
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a kept state."""
        for name, (since_ms, told, worst, judged) in kept.items():
            if name in self._standing:
                self._standing[name] = _Standing(since_ms, told, worst, dict(judged))


def _bound(limit: Limit) -> dict[str, float]:
    return {"above": limit.above} if limit.above is not None else {"below": limit.below or 0.0}


def _beyond(limit: Limit, value: float) -> bool:
    return value > limit.above if limit.above is not None else value < (limit.below or 0.0)


def _cleared(limit: Limit, value: float) -> bool:
    if limit.clear is None:
        return True
    return value <= limit.clear if limit.above is not None else value >= limit.clear
