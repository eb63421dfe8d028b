"""Where the streams of a damaged file lay, and which of their batches could not be had from it.

Position and seq rise together in a stream, so `position - seq` is the same for all its batches. Two batches that
agree, or one and the mark, settle it; a batch whose row id is damaged stands alone and is not believed.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gateway.batch import Batch
from gateway.log.eviction import Report
from gateway.log.intervals import Intervals
from gateway.log.opening import GENERATION
from gateway.log.reader import sound
from gateway.log.row import SELECT
from gateway.log.stream import began_ms
from gateway.log.times import started


@dataclass(slots=True)
class Span:
    """One stream: position - seq, the last position seen, the first and last time."""

    offset: int
    last: int
    from_ms: int
    to_ms: int


class Spans:
    """`origin`: the newest batch by the mark, which is the first that is known of the file."""

    def __init__(self, origin: Mapping[str, Any]) -> None:
        self._spans: dict[str, Span] = {}
        self._alone: dict[str, Batch] = {}  # the only batch of its stream so far
        self._ended: dict[str, int] = {}  # the last position of streams whose last seq is not known
        stream, seq, position = origin["stream"], origin["seq"], origin["position"]
        if seq:
            began = began_ms(stream)
            self._spans[stream] = Span(position - seq, position, began, began)

    def believed(self, batch: Batch) -> list[Batch]:
        """What is to be taken now that this batch was found where it was: nothing, it, or one before it as well."""
        offset = batch.position - batch.seq
        span = self._spans.get(batch.stream)
        if span is not None:
            if offset != span.offset:
                return []
            self._widen(span, batch)
            return [batch]
        other = self._alone.get(batch.stream)
        if other is None or other.position - other.seq != offset:
            self._alone[batch.stream] = batch
            return []
        if other.seq == batch.seq:  # the same one in an older page
            return []
        del self._alone[batch.stream]
        self._begin(other)
        self._widen(self._spans[batch.stream], batch)
        return [other, batch]

    def settle(self) -> list[Batch]:
        """Believe those that stand alone: there is nothing more to look at, or no room to remember where they were."""
        taken = list(self._alone.values())
        self._alone.clear()
        for batch in taken:
            self._begin(batch)
        return taken

    @property
    def undecided(self) -> bool:
        """Whether a batch waits for another of its stream."""
        return bool(self._alone)

    def _begin(self, batch: Batch) -> None:
        offset = batch.position - batch.seq
        self._spans[batch.stream] = Span(offset, batch.position, batch.created_ms, batch.created_ms)
        self._widen(self._spans[batch.stream], batch)

    def _widen(self, span: Span, batch: Batch) -> None:
        """Learn from a batch at its right position; the first of a stream tells where the one before it ended."""
        span.last = max(span.last, batch.position)
        span.from_ms, span.to_ms = min(span.from_ms, batch.created_ms), max(span.to_ms, batch.created_ms)
        said = started(batch) if batch.seq == 1 else {}
        earlier = said.get("previous")
        if earlier is None or batch.position % GENERATION == 0:
            return  # the first of a file: positions before it are those of another
        stream, last = earlier["stream"], earlier["last"]
        if said["reason"] == "tail":  # its end was lost and told then; positions went on from what was left of it
            self._ended[stream] = batch.position - 1
            return
        known = self._spans.get(stream)
        if known is None:
            began = began_ms(stream)
            self._spans[stream] = Span(batch.position - 1 - last, batch.position - 1, began, batch.created_ms)
        else:
            known.last = max(known.last, known.offset + last)

    def missing(
        self,
        connection: sqlite3.Connection,
        place: Callable[[int], int],
        gone: Intervals,
        was_gone: Intervals,
        settled: Mapping[str, Intervals],
        uplinks: Sequence[str],
    ) -> list[Report]:
        """Reports of batches that the file held and the log does not. `place` gives the log's position of one in the
        file, `gone` has what holds no batch in the log, `was_gone` and `settled` what the file said. Raises
        sqlite3.Error."""
        reports: list[Report] = []
        for stream, last in self._ended.items():
            if stream not in self._spans:  # not one batch of it is left: it began where the one before it ended
                ends = [span.last for span in self._spans.values() if span.last < last]
                began = began_ms(stream)
                self._spans[stream] = Span(max(ends, default=0), last, began, began)
        ordered = sorted(self._spans.values(), key=lambda span: span.offset)
        for span, later in pairwise(ordered):
            if span.offset // GENERATION == later.offset // GENERATION:
                span.last = max(span.last, later.offset)  # no stream is known to lie between them
        for stream, span in self._spans.items():
            begin = span.offset + 1
            shift = place(begin) - begin
            for present in was_gone.gaps(begin, span.last):
                for lost in gone.within(present[0] + shift, present[1] + shift):
                    first, last = lost[0] - shift, lost[1] - shift
                    from_ms, to_ms = _times(connection, stream, span, lost)
                    for run, lacking in _lacking(settled, uplinks, first, last):
                        one, other = run[0] - span.offset, run[1] - span.offset
                        count = other - one + 1
                        reports.append(Report(stream, one, other, count, from_ms, to_ms, lacking, "damage"))
        return reports

    def written(self) -> dict[str, list[int]]:
        """For `read`."""
        spans = {name: [span.offset, span.last, span.from_ms, span.to_ms] for name, span in self._spans.items()}
        return spans | {name: [last] for name, last in self._ended.items() if name not in spans}

    def read(self, written: Mapping[str, Sequence[int]]) -> None:
        """Go on with what `written` gave."""
        self._spans = {stream: Span(*span) for stream, span in written.items() if len(span) > 1}
        self._ended = {stream: span[0] for stream, span in written.items() if len(span) == 1}


def _lacking(
    settled: Mapping[str, Intervals], uplinks: Sequence[str], first: int, last: int
) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
    """The parts of first..last that some uplink had not settled, and which ones had not."""
    open_ = {name: Intervals(settled.get(name, Intervals()).gaps(first, last)) for name in uplinks}
    any_ = Intervals(run for runs in open_.values() for run in runs)
    return [(run, tuple(sorted(name for name in uplinks if any(open_[name].within(*run))))) for run in any_]


def _times(connection: sqlite3.Connection, stream: str, span: Span, lost: tuple[int, int]) -> tuple[int, int]:
    """When they were made, by the batches around them in the log."""
    before = sound(connection, f"{SELECT} WHERE position < ? ORDER BY position DESC LIMIT 64", lost[0])
    after = sound(connection, f"{SELECT} WHERE position > ? ORDER BY position LIMIT 64", lost[1])
    from_ms = before.created_ms if before is not None and before.stream == stream else span.from_ms
    to_ms = after.created_ms if after is not None and after.stream == stream else max(span.to_ms, from_ms)
    return from_ms, to_ms
