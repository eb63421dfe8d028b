"""What the plans of a line's instruments cost it: time a cycle, load, the worst age of each point. Pure.

`fieldgate plan` prints this before anything is installed. The model: the line serves one exchange at a time; in
the worst case a poll falls due just after all others did and waits for each of them once, and for one timeout
when there is a dead unit (promise P6); a dead unit itself costs one timeout in ten seconds. Instruments of other
protocols on the same line count with the time of their bytes and what their options say of thinking (`response`);
where serial settings differ, so does the switch before each poll.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drivers.modbus.plan import Plan, plan_instrument
from drivers.modbus.source import BIT_TABLES
from drivers.modbus.wire import Wire
from drivers.profile import InstrumentSpec, LineSpec, line_for

DEAD_EVERY_S = 10.0
"""A unit known dead is tried this often (design.md, Scheduling)."""
NO_ROOM = 0.8
"""From this load on there is no room for a timeout, a command or a slower answer."""


Findings = tuple[tuple[str, str], ...]
"""Instrument and what there is to say of it."""


@dataclass(frozen=True, slots=True)
class BlockCost:
    """One read: what it covers, and how long it takes."""

    words: str
    registers: int
    points: tuple[str, ...]
    exchange_s: float


@dataclass(frozen=True, slots=True)
class InstrumentLoad:
    """One instrument. `load` is its share of the line's time, 0..1; `worst_age_s` by point.

    `paced` says that it has a period; without one (`every: fastest`) `period_s` is the whole cycle.
    """

    instrument: str
    dead: bool
    blocks: tuple[BlockCost, ...]
    registers: int
    bits: int
    switch_s: float
    """Part of `poll_s`: giving the port this instrument's serial settings."""
    poll_s: float
    period_s: float
    paced: bool
    load: float
    worst_age_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class LineLoad:
    """One line. `problems` are what the wire cannot carry, `warnings` what leaves no room; both by instrument."""

    line: str
    instruments: tuple[InstrumentLoad, ...]
    load: float
    cycle_s: float
    """All polls one after another."""
    problems: Findings
    warnings: Findings


@dataclass(frozen=True, slots=True)
class Polling:
    """One poll of a protocol without block reads: seconds of its bytes and quiet gaps, and of thinking."""

    wire_s: float
    think_s: float


NO_SWITCHES: Mapping[str, float] = {}


def line_load(
    line: LineSpec,
    planned: Sequence[tuple[InstrumentSpec, Plan | Polling]],
    dead: Collection[str] = (),
    switches: Mapping[str, float] = NO_SWITCHES,
) -> LineLoad:
    """Cost of these instruments on that line; those named in `dead` do not answer.

    Each comes with its plan, or, of a protocol without block reads, the seconds of a poll. `switches`:
    instrument -> seconds before its poll (drivers/airtime.py).
    """
    alive_s = sum(_poll_s(spec, plan, switches) for spec, plan in planned if spec.id not in dead)
    timeout_s = max((spec.timeout_s for spec, _ in planned if spec.id in dead), default=0.0)
    cycle_s = alive_s + timeout_s
    instruments = tuple(
        _dead(spec, plan) if spec.id in dead else _alive(spec, plan, cycle_s, switches) for spec, plan in planned
    )
    load = sum(one.load for one in instruments)
    return LineLoad(
        line.name,
        instruments,
        load,
        cycle_s,
        _problems(line, planned, dead, switches),
        _warnings(line, instruments),
    )


def _poll_s(spec: InstrumentSpec, plan: Plan | Polling, switches: Mapping[str, float]) -> float:
    asked_s = plan.wire_s + plan.think_s if isinstance(plan, Polling) else sum(plan.exchange_s)
    return asked_s + switches.get(spec.id, 0.0)


def _alive(spec: InstrumentSpec, plan: Plan | Polling, cycle_s: float, switches: Mapping[str, float]) -> InstrumentLoad:
    poll_s = _poll_s(spec, plan, switches)
    period_s = spec.every_s or cycle_s
    # a value waits for the next one: a period, all the others, and its own poll up to the last exchange
    age_s = period_s + cycle_s
    own = [point.id for point in spec.points]
    if not isinstance(plan, Polling):
        own = [point.id for point in plan.points[: len(plan.points) - len(plan.rules.sources)]]
    load = poll_s / period_s if period_s else 0.0
    return _load(spec, plan, poll_s, period_s, load, dict.fromkeys(own, age_s), switch_s=switches.get(spec.id, 0.0))


def _dead(spec: InstrumentSpec, plan: Plan | Polling) -> InstrumentLoad:
    load = spec.timeout_s / (DEAD_EVERY_S + spec.timeout_s)
    return _load(spec, plan, spec.timeout_s, spec.every_s, load, {}, dead=True)


def _load(
    spec: InstrumentSpec,
    plan: Plan | Polling,
    poll_s: float,
    period_s: float,
    load: float,
    ages: dict[str, float],
    *,
    dead: bool = False,
    switch_s: float = 0.0,
) -> InstrumentLoad:
    paced = bool(spec.every_s)
    if isinstance(plan, Polling):
        whole = (BlockCost(spec.protocol, 0, tuple(point.id for point in spec.points), plan.wire_s + plan.think_s),)
        return InstrumentLoad(spec.id, dead, whole, 0, 0, switch_s, poll_s, period_s, paced, load, ages)
    blocks = tuple(
        BlockCost(block.words, block.count, tuple(plan.points[member].id for member in block.members), exchange_s)
        for block, exchange_s in zip(plan.blocks, plan.exchange_s, strict=True)
    )
    counts = [(block.table in BIT_TABLES, block.count) for block in plan.blocks]
    registers = sum(count for is_bits, count in counts if not is_bits)
    bits = sum(count for is_bits, count in counts if is_bits)
    return InstrumentLoad(spec.id, dead, blocks, registers, bits, switch_s, poll_s, period_s, paced, load, ages)


def wire_s(line: LineSpec, plan: Plan) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone: no instrument can be polled more often."""
    wire = Wire.of(line)
    return sum(wire.exchange_s(block.data_bytes, 0.0, plan.options.pause) for block in plan.blocks)


def poll_wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """`wire_s` of the instrument's plan. Raises ValueError with every problem, one a line."""
    return wire_s(line, plan_instrument(spec, line))


def _problems(
    line: LineSpec,
    planned: Sequence[tuple[InstrumentSpec, Plan | Polling]],
    dead: Collection[str],
    switches: Mapping[str, float],
) -> Findings:
    """Only what bytes and quiet gaps alone rule out: instruments may turn out faster than planned."""
    found: list[tuple[str, str]] = []
    for spec, plan in planned:
        alone_s = plan.wire_s if isinstance(plan, Polling) else wire_s(line_for(spec, line), plan)
        alone_s += switches.get(spec.id, 0.0)
        if spec.id not in dead and 0 < spec.every_s < alone_s:
            words = f"one poll takes {ms(alone_s)} on the wire alone, longer than its period of {ms(spec.every_s)}"
            found.append((spec.id, words))
    return tuple(found)


def _warnings(line: LineSpec, loads: Sequence[InstrumentLoad]) -> Findings:
    """Loads that leave nothing for a timeout, a command or a slower answer; `every: fastest` takes what is left."""
    steady = {one.instrument: one.load for one in loads if one.paced and not one.dead}
    total = sum(steady.values())
    if total <= NO_ROOM:
        return ()
    busiest = max(steady, key=lambda name: steady[name])
    left = "so polls will be left out" if total > 1 else "which leaves no room for a timeout or a command"
    words = f"line {line.name} is busy {total:.0%} of the time, {left}"
    return ((busiest, words),)


def ms(seconds: float) -> str:
    """Milliseconds in words."""
    return f"{seconds * 1000:.0f} ms"
