"""A condition that must last: warning after some time or some readings, alarm after a longer time."""

from dataclasses import dataclass

from gateway.pipeline.fuelling import ALARM, NORMAL, WARNING


@dataclass(slots=True)
class Lasting:
    """Where one condition stands. Times are due times in ms; a long gap without values begins it anew."""

    since_ms: int | None = None
    readings: int = 0
    seen_ms: int = 0
    state: str = NORMAL

    def look(
        self, holds: bool, at_ms: int, gap_ms: float, warning_ms: float, warning_readings: int, alarm_ms: float | None
    ) -> bool:
        """Count one value; whether the state changed. `alarm_ms` None: time alone makes no alarm."""
        if not holds:
            self.since_ms, self.readings, before = None, 0, self.state
            self.seen_ms, self.state = at_ms, NORMAL
            return before != NORMAL
        broken = at_ms - self.seen_ms > gap_ms or at_ms < self.seen_ms
        if self.since_ms is None or broken:
            self.since_ms, self.readings = at_ms, 0
        self.readings += 1
        self.seen_ms = at_ms
        lasted = at_ms - self.since_ms
        before = self.state
        if lasted >= warning_ms and self.readings >= warning_readings and self.state == NORMAL:
            self.state = WARNING
        if self.state == WARNING and alarm_ms is not None and lasted >= alarm_ms:
            self.state = ALARM
        return self.state != before

    def row(self) -> list[int | str | None]:
        """For a kept state."""
        return [self.since_ms, self.readings, self.seen_ms, self.state]
