"""The daily account of each instrument: how many point values were expected, had, and missing for which reason.

A pure count over what goes into the log. A day belongs to the site's time zone and takes samples by due time.
Its event is told once the day is over and `GRACE_MS` has passed; what comes later (a slow poll, re-dated samples,
a clock set back) revises it with a higher `rev` in the batch it travels in, so that the last word always agrees
with the samples in the feed:

    expected = measured + unchanged + the sum of the nulls

How it survives a kill: keep `state()` with a batch, and after a restart `restore` it and feed the bodies of all
later batches to `count_body`. Only committed readings may stand in a kept state; what was counted and then lost
before its commit (a full disk) is taken back with `count(reading, -1)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import orjson

from gateway.pipeline.calendar import day_bounds
from gateway.reading import Event, Reading

CLASSES = ("timeout", "crc", "exception", "overrun", "settling", "silent", "excluded", "invalid", "line")
"""Why a value is null: the words of contract.md §2 `completeness`, with which every `why` begins."""

GRACE_MS = 60_000
"""After a day's end, for polls that were due before it and are still under way (the longest timeout is far below)."""

KEPT_DAYS = 40
"""Days remembered per instrument, least recently opened forgotten first. One costs about 60 bytes of state."""


def null_class(why: str | None) -> str:
    """The class of a null by the first word of its `why`; "invalid" for a reason without one of the known words."""
    word = (why or "").partition(":")[0]
    return word if word in CLASSES else "invalid"


@dataclass(slots=True)
class Day:
    """One instrument's account of [from_ms, to_ms). `told` is the rev of the last event, -1 before the first."""

    from_ms: int
    to_ms: int
    name: str
    measured: int = 0
    unchanged: int = 0
    nulls: dict[str, int] = field(default_factory=dict)
    told: int = -1
    partial: bool = False

    def data(self, rev: int) -> dict[str, Any]:
        """The event's `data` (contract.md §2), with `rev` from 1 on; `partial` if some of it is not counted."""
        nulls = {word: self.nulls.get(word, 0) for word in CLASSES}
        data: dict[str, Any] = {
            "day": self.name,
            "from": self.from_ms,
            "to": self.to_ms,
            "expected": self.measured + self.unchanged + sum(nulls.values()),
            "measured": self.measured,
            "unchanged": self.unchanged,
            "null": nulls,
        }
        if rev:
            data["rev"] = rev
        if self.partial:
            data["partial"] = True
        return data


class Completeness:
    """Counts readings and says when a day's event is due."""

    __slots__ = ("_current", "_days", "_forgotten", "_live", "_zone")

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._days: dict[str, dict[int, Day]] = {}  # instrument -> from_ms -> Day, least recently opened first
        self._live: dict[tuple[str, int], Day] = {}  # days that have something to tell
        self._current: dict[str, Day] = {}  # instrument -> the live day of its last reading
        self._forgotten: dict[str, int] = {}  # instrument -> end of the latest day no longer remembered

    def count(self, reading: Reading, times: int = 1) -> None:
        """Add one reading as it goes to the log; -1 takes back one that was lost before its commit."""
        day = self._day(reading.instrument, reading.ts_ms - reading.lag_ms)
        sample = reading.sample
        day.measured += times * len(sample.values)
        if not sample.flags:
            return
        for index, value in enumerate(sample.values):
            if value is None:
                word = null_class(sample.why.get(index))
                day.measured -= times
                day.nulls[word] = day.nulls.get(word, 0) + times

    def count_unchanged(self, instrument: str, due_ms: int, points: int) -> None:
        """Add the `points` values of a poll that a deadband kept out of the feed."""
        self._open(instrument, due_ms).unchanged += points

    def count_body(self, body: Mapping[str, Any]) -> None:
        """Add what a committed batch says: its samples, and the completeness events it has told."""
        for sample in body["samples"]:
            day = self._day(sample["instrument"], sample["ts"] - sample["lag"])
            values, why = sample["values"], sample["why"]
            day.measured += len(values)
            if not sample["flags"]:  # no null is without a flag (drivers/contract.py Sample)
                continue
            for point, value in values.items():
                if value is None:
                    word = null_class(why.get(point))
                    day.measured -= 1
                    day.nulls[word] = day.nulls.get(word, 0) + 1
        for event in body["events"]:
            if event["kind"] == "completeness":
                self._told_before(event["instrument"], event["data"])

    def _told_before(self, instrument: str, data: Mapping[str, Any]) -> None:
        day = self._open(instrument, data["from"])
        day.told = max(day.told, data.get("rev", 0))
        day.unchanged = max(day.unchanged, data["unchanged"])
        if day.data(0)["expected"] == data["expected"]:
            self._settle(instrument, day)

    def events(self, now_ms: int) -> list[Event]:
        """The events due now: days that are over, and revisions. Each is told once; put them in the next batch.

        A day that lies ahead of the clock is over too: the clock has been set back out of it.
        """
        due = [
            (instrument, day)
            for (instrument, _), day in self._live.items()
            if not day.from_ms <= now_ms < day.to_ms + GRACE_MS
        ]
        events = []
        for instrument, day in due:
            day.told += 1
            self._settle(instrument, day)
            events.append(Event(now_ms, "completeness", day.data(day.told), instrument))
        return events

    def lost(self, event: Event) -> None:
        """An event of `events` was lost before its commit: it will be told again, with the next rev."""
        self._open(event.instrument or "", event.data["from"])

    def _day(self, instrument: str, due_ms: int) -> Day:
        """As `_open`; the live day of the last reading is found without the calendar, which would cost the most."""
        day = self._current.get(instrument)
        return day if day is not None and day.from_ms <= due_ms < day.to_ms else self._open(instrument, due_ms)

    def _open(self, instrument: str, due_ms: int) -> Day:
        """The day `due_ms` lies in, made if need be, with something to tell from now on."""
        days = self._days.setdefault(instrument, {})
        first, after, name = day_bounds(due_ms, self._zone)
        day = days.pop(first, None)
        if day is None:
            day = Day(first, after, name, partial=first < self._forgotten.get(instrument, first))
            if len(days) >= KEPT_DAYS:
                self._forget(instrument, days)
        days[first] = self._current[instrument] = self._live[instrument, first] = day
        return day

    def _settle(self, instrument: str, day: Day) -> None:
        self._live.pop((instrument, day.from_ms), None)
        if self._current.get(instrument) is day:
            del self._current[instrument]

    def _forget(self, instrument: str, days: dict[int, Day]) -> None:
        """Drop one day, one that has been told if there is any."""
        told = (first for first in days if (instrument, first) not in self._live)
        oldest = days.pop(next(told, next(iter(days))))
        self._settle(instrument, oldest)
        self._forgotten[instrument] = max(oldest.to_ms, self._forgotten.get(instrument, 0))

    def state(self) -> bytes:
        """Everything counted so far, for `restore`."""
        rows = [
            [instrument, (instrument, first) in self._live, *_row(day)]
            for instrument, days in self._days.items()
            for first, day in days.items()
        ]
        return orjson.dumps({"v": 1, "forgotten": self._forgotten, "days": rows})

    def restore(self, state: bytes) -> None:
        """Take up a kept state; call it first, once. Raises ValueError for what is not one.

        After a change of the site's time zone the days that were open cannot be continued (they end elsewhere now):
        they are told as they stand, and they and the first days of the new zone say that they are `partial`.
        """
        try:
            kept = orjson.loads(state)
            version, forgotten = kept["v"], dict(kept["forgotten"])
            days = [(row[0], row[1], Day(*row[2:])) for row in kept["days"]]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"this is no kept state of completeness: {state[:80]!r}") from error
        if version != 1:
            raise ValueError(f"the kept state of completeness has version {version}, this release knows 1")
        self._forgotten.update(forgotten)
        for instrument, live, day in days:
            if (day.from_ms, day.to_ms, day.name) != day_bounds(day.from_ms, self._zone):
                day.partial = day.partial or live
                self._forgotten[instrument] = max(day.to_ms, self._forgotten.get(instrument, 0))
            self._days.setdefault(instrument, {})[day.from_ms] = day
            if live:
                self._live[instrument, day.from_ms] = day


def _row(day: Day) -> tuple[Any, ...]:
    return day.from_ms, day.to_ms, day.name, day.measured, day.unchanged, day.nulls, day.told, day.partial
