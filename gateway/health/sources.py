"""What health reads of the running parts: plain attributes, at the moment it is asked.

`run.py` hands the objects over by name; nothing here is ever called by them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.measure import Histogram
from drivers.profile import InstrumentSpec
from gateway.clock import ClockState
from gateway.reading import Reading


class LineSource(Protocol):
    """One line (drivers/line)."""

    name: str
    up: bool
    state: str
    busy_s: float
    exchange_seconds: Histogram
    faults: Counter[str]


class PollerSource(Protocol):
    """The owner of one line."""

    polls: Counter[tuple[str, str]]
    lateness_seconds: Histogram
    last: dict[str, Reading]
    answering: dict[str, bool]
    answered_s: dict[str, float]
    whenever: frozenset[str]
    """Instruments that speak when they have something to say, and are expected never."""


class LogSource(Protocol):
    """The log."""

    @property
    def stream(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def written_bytes(self) -> int: ...
    @property
    def commit_seconds(self) -> Histogram: ...
    @property
    def evicted_batches(self) -> Counter[str]: ...
    @property
    def last_commit_s(self) -> float: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def holding(self) -> bool: ...

    def backlog(self, uplink: str) -> tuple[int, int | None]: ...


class UplinkSource(Protocol):
    """One uplink."""

    name: str
    connected: bool
    certificate_expiry_s: float | None
    trouble: str | None
    failures: Counter[str]

    @property
    def acknowledged(self) -> int: ...
    @property
    def refused(self) -> Counter[str]: ...
    @property
    def acknowledge_seconds(self) -> Histogram: ...
    @property
    def unheard(self) -> bool: ...


class ClockSource(Protocol):
    """The machine's clock."""

    steps: int

    def now_ms(self) -> int: ...
    def monotonic(self) -> float: ...
    def state(self) -> ClockState: ...


class LogLimits(Protocol):
    """Of the site file's log section."""

    @property
    def commit_every_s(self) -> float: ...
    @property
    def max_size(self) -> int: ...


class SiteSource(Protocol):
    """Of the settings."""

    @property
    def gateway_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def instruments(self) -> tuple[InstrumentSpec, ...]: ...
    @property
    def log(self) -> LogLimits: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """All of it, and when it was put together."""

    lines: Mapping[str, LineSource]
    pollers: Mapping[str, PollerSource]
    log: LogSource
    uplinks: Mapping[str, UplinkSource]
    clock: ClockSource
    site: SiteSource
    failures: Counter[str]
    version: str
    marks: Callable[[], Mapping[str, Mapping[str, Any]]]
    """What persons have marked at this moment: instrument -> flag, who, until (ms)."""
    started_s: float = field(init=False)
    started_ms: int = field(init=False)
    specs: Mapping[str, InstrumentSpec] = field(init=False)
    whenever: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "started_s", self.clock.monotonic())
        object.__setattr__(self, "started_ms", self.clock.now_ms())
        object.__setattr__(self, "specs", {spec.id: spec for spec in self.site.instruments})
        whenever = frozenset[str]().union(*(poller.whenever for poller in self.pollers.values()))
        object.__setattr__(self, "whenever", whenever)
