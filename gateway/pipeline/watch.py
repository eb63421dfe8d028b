"""Watched parameters: range, slope, zero, mode of an instrument. A change is an event with old and new value."""

from collections.abc import Iterable, Mapping

from gateway.reading import Event, Reading, Value


class Watch:
    """The watched points of one instrument; what was seen last is kept across restarts."""

    def __init__(self, points: Iterable[str]) -> None:
        self._points = frozenset(points)
        self._seen: dict[str, Value] = {}

    def look(self, reading: Reading) -> list[Event]:
        """An event for each parameter that is not what it was; a missing value is no change."""
        events: list[Event] = []
        for point, value in zip(reading.points, reading.sample.values, strict=True):
            if point not in self._points or value is None:
                continue
            if point in self._seen and self._seen[point] != value:
                data = {"from": self._seen[point], "to": value}
                events.append(Event(reading.ts_ms, "parameter.changed", data, reading.instrument, point, "warning"))
            self._seen[point] = value
        return events

    def state(self) -> dict[str, Value]:
        """For a kept state."""
        return self._seen

    def restore(self, kept: Mapping[str, Value]) -> None:
        """Go on from a kept state."""
        self._seen = {point: value for point, value in kept.items() if point in self._points}
