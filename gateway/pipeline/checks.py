"""Stuck and jumping values: doubts that flag a value and never change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.steps import Check
from gateway.pipeline.flagging import Doubt
from gateway.reading import Event, Flag, Reading


@dataclass(slots=True)
class _Last:
    """The last measured value of a point, since when it is the same, and whether that was told."""

    value: float
    due_ms: int
    since_ms: int
    stuck: bool = False


class Checks:
    """The checks of one instrument."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._last: dict[str, _Last] = {}

    def look(self, reading: Reading) -> tuple[list[Doubt], list[Event]]:
        """Doubts about this reading, and events where a value gets stuck, moves again, or jumps."""
        doubts: list[Doubt] = []
        events: list[Event] = []
        for index, point in enumerate(reading.points):
            check = self._checks.get(point)
            value = reading.sample.values[index]
            if check is None or value is None or isinstance(value, str):
                continue  # a null says nothing of whether the instrument's value moves
            self._one(check, reading, index, value, doubts, events)
        return doubts, events

    def _one(
        self, check: Check, reading: Reading, index: int, value: float, doubts: list[Doubt], events: list[Event]
    ) -> None:
        point, due_ms = reading.points[index], reading.ts_ms - reading.lag_ms
        last = self._last.get(point)

        def tell(kind: str, data: dict[str, Any], level: str) -> None:
            events.append(Event(reading.ts_ms, kind, data, reading.instrument, point, level))

        if last is None:
            self._last[point] = _Last(value, due_ms, due_ms)
            return
        apart_s = (due_ms - last.due_ms) / 1000
        if check.jump is not None and abs(value - last.value) > check.jump and 0 < apart_s <= check.jump_within_s:
            why = f"jump: from {last.value:g} to {value:g} in {apart_s:g} s, more than {check.jump:g}"
            if check.jump_flag is not Flag.NORMAL:
                doubts.append((index, check.jump_flag, why))
            tell("check.jumped", {"from": last.value, "to": value, "most": check.jump}, "warning")
        last.due_ms = due_ms
        if value != last.value:
            if last.stuck:
                data = {"value": last.value, "from": last.since_ms, "to": due_ms}
                tell("check.moved", data, "info")
            last.value, last.since_ms, last.stuck = value, due_ms, False
        elif check.stuck_s is not None and due_ms - last.since_ms >= check.stuck_s * 1000:
            if not last.stuck:
                last.stuck = True
                tell("check.stuck", {"value": value, "since": last.since_ms}, "warning")
            if check.stuck_flag is not Flag.NORMAL:
                why = f"stuck: {value:g} for {(due_ms - last.since_ms) / 1000:g} s"
                doubts.append((index, check.stuck_flag, why))

    def state(self) -> dict[str, Any]:
        """For a kept state."""
        return {point: [one.value, one.due_ms, one.since_ms, one.stuck] for point, one in self._last.items()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a kept state."""
        self._last = {point: _Last(*row) for point, row in kept.items() if point in self._checks}
