"""Maintenance and calibration marks: a person says that an instrument is being worked on, until when, and who.

A mark changes the flag of values that would be N; it never changes a value, and what is worse than a mark (a
fault, no communication, out of range) keeps its own flag. A mark ends by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.reading import Event, Flag, Reading, Sample

MARKS = frozenset({Flag.MAINTENANCE, Flag.CALIBRATION})


@dataclass(frozen=True, slots=True)
class Mark:
    """One instrument under a flag until `until_ms` (UTC)."""

    instrument: str
    flag: Flag
    who: str
    until_ms: int


class Marks:
    """The marks of a site, by instrument."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def set(self, mark: Mark, now_ms: int) -> Event:
        """Put a mark on (or replace one); a mark whose end has come takes it off. Raises ValueError for other flags."""
        if mark.flag not in MARKS:
            raise ValueError(f"a mark is M (maintenance) or C (calibration), not {mark.flag}")
        self._marks[mark.instrument] = mark
        data = {"flag": mark.flag.value, "who": mark.who, "until": mark.until_ms}
        return Event(now_ms, "mark.set", data, mark.instrument, level="info")

    def ended(self, now_ms: int) -> list[Event]:
        """Drop the marks whose end has come; one event each."""
        if not self._marks:
            return []
        over = [mark for mark in self._marks.values() if mark.until_ms <= now_ms]
        for mark in over:
            del self._marks[mark.instrument]
        return [
            Event(now_ms, "mark.ended", {"flag": mark.flag.value, "who": mark.who}, mark.instrument, level="info")
            for mark in over
        ]

    def applied(self, reading: Reading) -> Reading:
        """The reading with its N values flagged as marked at its time; the same object when nothing is marked."""
        mark = self._marks.get(reading.instrument)
        if mark is None or reading.ts_ms >= mark.until_ms:
            return reading
        sample = reading.sample
        why = f"marked: {mark.who} until {mark.until_ms}"
        unflagged = [index for index in range(len(sample.values)) if index not in sample.flags]
        marked = Sample(
            sample.values,
            {**sample.flags, **dict.fromkeys(unflagged, mark.flag)},
            {**sample.why, **dict.fromkeys(unflagged, why)},
            sample.result,
            sample.at_ms,
        )
        return Reading(reading.instrument, reading.points, reading.ts_ms, reading.lag_ms, marked, reading.monotonic_s)

    def to_bytes(self) -> bytes:
        """For the log to keep across restarts."""
        return orjson.dumps(
            [[mark.instrument, mark.flag.value, mark.who, mark.until_ms] for mark in self._marks.values()]
        )

    @classmethod
    def from_bytes(cls, kept: bytes | None) -> "Marks":
        """As they stood; none when nothing was kept."""
        marks = cls()
        rows: list[tuple[str, str, str, int]] = orjson.loads(kept) if kept else []
        for instrument, flag, who, until_ms in rows:
            marks._marks[instrument] = Mark(instrument, Flag(flag), who, until_ms)
        return marks

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._marks

    def as_dict(self) -> Mapping[str, Any]:
        """For the status page: instrument -> flag, who, until."""
        return {
            mark.instrument: {"flag": mark.flag.value, "who": mark.who, "until": mark.until_ms}
            for mark in self._marks.values()
        }
