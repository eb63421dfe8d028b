"""The class of surface water, once a cycle: `water.class` with the deciding factors (GB 3838-2002).

Cycles are counted from local midnight. A cycle is judged by the newest valid values, when the first reading after it
comes.
"""

from datetime import tzinfo
from typing import Any

from gateway.domain.steps import WaterClassKeys
from gateway.domain.water import CLASSES, water_class
from gateway.pipeline.calendar import day_bounds
from gateway.reading import Event, Reading


class WaterClasses:
    """The classes of one instrument."""

    def __init__(self, keys: WaterClassKeys, zone: tzinfo) -> None:
        self._keys = keys
        self._zone = zone
        self._cycle_ms = round(keys.every_s * 1000)
        self._latest: dict[str, tuple[float, int]] = {}  # factor -> value and due time
        self._cycle: int | None = None

    def look(self, reading: Reading) -> list[Event]:
        """Take the values of a reading; the event of the cycle before, if this one begins a new one."""
        due_ms = reading.ts_ms - reading.lag_ms
        first = day_bounds(due_ms, self._zone)[0]
        cycle = first + (due_ms - first) // self._cycle_ms * self._cycle_ms
        events: list[Event] = []
        if self._cycle is not None and cycle != self._cycle:
            events.append(self._judged(reading, self._cycle, cycle))
        self._cycle = cycle
        for factor, point in self._keys.factors.items():
            index = reading.points.index(point)
            value = reading.sample.values[index]
            if value is not None and not isinstance(value, str) and index not in reading.sample.flags:
                self._latest[factor] = (float(value), due_ms)
        return events

    def _judged(self, reading: Reading, from_ms: int, to_ms: int) -> Event:
        oldest = to_ms - self._keys.max_age_s * 1000
        sample = {factor: value for factor, (value, at_ms) in self._latest.items() if at_ms >= oldest}
        found = water_class(sample, self._keys.lake)
        data: dict[str, Any] = {"from": from_ms, "to": to_ms, "class": found.name if found else None}
        data["missing"] = [factor for factor in self._keys.factors if factor not in sample]
        level = "info"
        if found is not None:
            classes = {factor: {"value": value, "class": found.factors[factor]} for factor, value in sample.items()}
            data |= {"deciding": list(found.deciding), "factors": classes}
            if self._keys.target is not None:
                data["exceeded"] = CLASSES.index(found.name) > CLASSES.index(self._keys.target)
                level = "warning" if data["exceeded"] else "info"
        return Event(reading.ts_ms, "water.class", data, reading.instrument, level=level)

    def state(self) -> list[Any]:
        """For a kept state."""
        return [self._cycle, [[factor, *row] for factor, row in self._latest.items()]]

    def restore(self, kept: list[Any]) -> None:
        """Go on from a kept state."""
        self._cycle, rows = kept
        known = set(self._keys.factors)
        self._latest = {factor: (value, at_ms) for factor, value, at_ms in rows if factor in known}
