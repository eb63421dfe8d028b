"""Thinning: a poll in which nothing new was measured may stay out of the feed, and is counted as unchanged."""

from gateway.domain.steps import Deadband
from gateway.reading import Reading


class Thinning:
    """The deadband of one instrument. Nothing is kept across restarts: the first poll after one is told."""

    def __init__(self, deadband: Deadband) -> None:
        self._bands = deadband.points
        self._heartbeat_ms = round(deadband.heartbeat_s * 1000)
        self._told: Reading | None = None

    def unchanged(self, reading: Reading) -> bool:
        """Whether this poll says nothing new against the last one told; if it does, it is the last one told.

        A poll with a null, with other flags, or after the heartbeat is always new.
        """
        told = self._told
        if told is not None and self._same(told, reading):
            return True
        self._told = reading
        return False

    def _same(self, told: Reading, reading: Reading) -> bool:
        due_ms, before_ms = reading.ts_ms - reading.lag_ms, told.ts_ms - told.lag_ms
        if not 0 <= due_ms - before_ms < self._heartbeat_ms or reading.sample.flags != told.sample.flags:
            return False
        for point, before, value in zip(reading.points, told.sample.values, reading.sample.values, strict=True):
            if value is None or before is None:
                return False
            if value == before:
                continue
            if isinstance(value, str | bool) or isinstance(before, str | bool):
                return False
            if abs(value - before) > self._bands.get(point, 0.0):
                return False
        return True
