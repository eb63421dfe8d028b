"""The nouns that travel from the poller to the log: readings, windows, events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drivers.contract import Flag, Sample, Value

__all__ = ["Event", "Flag", "Reading", "Sample", "Value", "Window"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One expected poll of one instrument, made or not, stamped by the poller.

    `ts_ms` is when the poll's last exchange completed (UTC, gateway clock); `lag_ms` the ms since it was
    due, so `ts_ms - lag_ms` is the due time. `points` are the ids of `sample.values`, in order.
    `monotonic_s` is the boot clock at `ts_ms`, from which a reading under a wrong clock is re-dated.
    """

    instrument: str
    points: tuple[str, ...]
    ts_ms: int
    lag_ms: int
    sample: Sample
    monotonic_s: float = 0.0

    def spread(self) -> "Iterator[Reading]":
        """Samples of earlier times as readings of their own, due when they came (lag 0); then the reading itself."""
        for one in self.sample.earlier:
            yield replace(self, sample=one, lag_ms=0)
        yield replace(self, sample=replace(self.sample, earlier=())) if self.sample.earlier else self


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `kind` is dotted (`log.evicted`, `limit.exceeded`); contract.md §2 lists them."""

    ts_ms: int
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    instrument: str | None = None
    point: str | None = None
    level: str | None = None  # info, warning, alarm


@dataclass(frozen=True, slots=True)
class Window:
    """One closed window of one instrument. `values` holds per point mean, min, max, sum, n, valid, flag."""

    instrument: str
    period: str  # 1m, 5m, 10m, 15m, 30m, 1h, 1d
    start_ms: int
    rev: int
    values: Mapping[str, Mapping[str, Any]]
