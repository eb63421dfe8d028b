"""The steps between poller and log, joined: the one object that run.py knows.

    poller ─ marks ─► passed ─► log ─ entered ─► windows
                                                    └─ due ─► log

Which instrument has which steps is decided once, when it is built; an instrument without any costs one look-up.
"""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from gateway.pipeline.windows import Windowed, Windows
from gateway.reading import Event, Reading, Window


class Pipeline:
    """All steps of one site."""

    def __init__(self, zone: tzinfo, windows: Mapping[str, Windowed]) -> None:
        self.windows = Windows(zone, windows)

    def entered(self, reading: Reading) -> None:
        """A reading that takes its place in the log, with its final stamp."""
        self.windows.count(reading)

    def lost(self, reading: Reading) -> None:
        """A reading that had entered and could not be kept."""
        self.windows.take_back(reading)

    def count_body(self, body: Mapping[str, Any]) -> None:
        """A committed batch, after a restart."""
        self.windows.count_body(body)

    def due(self, now_ms: int) -> tuple[list[Window], list[Event]]:
        """What is due by the clock: windows that are over, and events."""
        return self.windows.due(now_ms), self.windows.late(now_ms)
