"""Running parts as health sees them (gateway.health.sources), each attribute settable by the test."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.contract import Flag, Sample, Value
from drivers.measure import Histogram
from drivers.profile import InstrumentSpec
from gateway.clock import ClockState
from gateway.health.sources import Parts
from gateway.reading import Reading
from gateway.settings import Site


@dataclass
class FakeClock:
    """Both clocks stand until the test moves them."""

    now_s: float = 1000.0
    known: ClockState = ClockState.SYNCED
    steps: int = 0

    def now_ms(self) -> int:
        return 1_764_000_000_000 + round(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    def state(self) -> ClockState:
        return self.known


@dataclass
class FakeLine:
    name: str
    up: bool = True
    state: str = "up"
    busy_s: float = 0.0
    exchange_seconds: Histogram = field(default_factory=lambda: Histogram((0.1, 1.0)))
    faults: Counter[str] = field(default_factory=Counter)


@dataclass
class FakePoller:
    polls: Counter[tuple[str, str]] = field(default_factory=Counter)
    lateness_seconds: Histogram = field(default_factory=lambda: Histogram((0.001, 0.1)))
    last: dict[str, Reading] = field(default_factory=dict)
    answering: dict[str, bool] = field(default_factory=dict)
    answered_s: dict[str, float] = field(default_factory=dict)
    whenever: frozenset[str] = frozenset()

    def read(self, spec: InstrumentSpec, clock: FakeClock, value: Value) -> None:
        """A poll of that instrument now: the value for every point, or nulls for None."""
        ids = tuple(point.id for point in spec.points)
        sample = Sample((value,) * len(ids))
        if value is None:
            nothing = dict.fromkeys(range(len(ids)), Flag.COMMUNICATION)
            sample = Sample(sample.values, nothing, dict.fromkeys(nothing, "timeout: no answer in 1.0 s"), "timeout")
        else:
            self.answered_s[spec.id] = clock.now_s
        self.answering[spec.id] = value is not None
        self.polls[spec.id, sample.result] += 1
        self.last[spec.id] = Reading(spec.id, ids, clock.now_ms(), 3, sample, clock.now_s)


@dataclass
class FakeLog:
    stream: str = "01JD9QAAAA"
    seq: int = 12
    batches: int = 12
    bytes: int = 65536
    written_bytes: int = 4096
    commit_seconds: Histogram = field(default_factory=lambda: Histogram((0.01, 0.1)))
    evicted_batches: Counter[str] = field(default_factory=Counter)
    last_commit_s: float = 1000.0
    trouble: str | None = None
    holding: bool = False
    undelivered: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def backlog(self, uplink: str) -> tuple[int, int | None]:
        return self.undelivered.get(uplink, (0, None))


@dataclass
class FakeUplink:
    name: str
    connected: bool = True
    certificate_expiry_s: float | None = None
    trouble: str | None = None
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    acknowledge_seconds: Histogram = field(default_factory=lambda: Histogram((0.01, 1.0)))
    unheard: bool = False
    failures: Counter[str] = field(default_factory=Counter)


class FakeParts:
    """The parts of one site, each with its fake, and what `run.py` would hand to health."""

    def __init__(self, site: Site) -> None:
        self.clock = FakeClock()
        self.lines = {name: FakeLine(name) for name in {spec.line: None for spec in site.instruments}}
        self.pollers = {name: FakePoller() for name in self.lines}
        self.log = FakeLog()
        self.uplinks = {name: FakeUplink(name) for name in site.uplinks}
        self.failures: Counter[str] = Counter()
        self.marks: dict[str, Mapping[str, Any]] = {}
        self.site = site
        self.parts = Parts(
            lines=self.lines, pollers=self.pollers, log=self.log, uplinks=self.uplinks, clock=self.clock,
            site=site, failures=self.failures, version="1.2.3", marks=lambda: self.marks,
        )  # fmt: skip

    def poll_all(self, value: Value = 1.5) -> None:
        """Every instrument is polled now."""
        for spec in self.site.instruments:
            self.pollers[spec.line].read(spec, self.clock, value)
