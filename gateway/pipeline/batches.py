"""Batch analysers: a result stands in the registers until the next one; `batch.result` tells each once.

A result is new when the analyser leaves its measuring state, or, where it has no such state, when a value changed.
"""

from collections.abc import Mapping
from typing import Any

from gateway.domain.steps import Batch
from gateway.reading import Event, Reading, Value


class Batches:
    """The results of one analyser."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._sampled_ms: int | None = None  # when it began to measure
        self._last: list[Value] | None = None

    def look(self, reading: Reading) -> list[Event]:
        """The event of a new result, if this reading has one."""
        batch = self._batch
        if batch.state is not None:
            value = reading.sample.values[reading.points.index(batch.state)]
            if value is None:
                return []
            if value in batch.measuring:
                # the sample is taken when the measurement begins
                self._sampled_ms = self._sampled_ms or reading.ts_ms
                return []
            sampled_ms, self._sampled_ms = self._sampled_ms, None
            return [] if sampled_ms is None else [self._result(reading, {"sampled": sampled_ms})]
        values = [reading.sample.values[reading.points.index(point)] for point in batch.points]
        if None in values:
            return []
        last, self._last = self._last, values
        return [] if last is None or last == values else [self._result(reading, {})]

    def _result(self, reading: Reading, more: Mapping[str, Any]) -> Event:
        places = {point: reading.points.index(point) for point in self._batch.points}
        values = {point: reading.sample.values[index] for point, index in places.items()}
        flags = {
            point: reading.sample.flags[index].value for point, index in places.items() if index in reading.sample.flags
        }
        data = {"values": values, "flags": flags, **more}
        return Event(reading.ts_ms, "batch.result", data, reading.instrument, level="info")

    def state(self) -> list[Any]:
        """For a kept state."""
        return [self._sampled_ms, self._last]

    def restore(self, kept: list[Any]) -> None:
        """Go on from a kept state."""
        self._sampled_ms, self._last = kept
