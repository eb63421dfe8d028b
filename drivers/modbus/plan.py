"""Points -> the fewest block reads that the instrument and the line allow. Pure.

An **atom** is what must come in one read: a point, or points that overlap or share a `together` name. A **block**
is one read and covers atoms in a row. Among all ways to cut the sorted atoms into blocks that keep the limits,
the plan takes the one with the fewest reads, and of those the one with the fewest registers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from drivers.modbus.flags import FlagRules
from drivers.modbus.source import BIT_TABLES, ModbusOptions, ModbusPoint, range_words
from drivers.modbus.wire import Wire
from drivers.profile import InstrumentSpec, LineSpec

USUAL_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
BITS_PER_REGISTER = 16
ANSWER_SHARE = 0.9
"""Part of the timeout that the longest planned answer may take; the rest is for an instrument that thinks longer."""


@dataclass(frozen=True, slots=True)
class Atom:
    """Registers or bits from `start` up to but not including `end`; `members` are indices of points."""

    start: int
    end: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One read."""

    table: str
    function: int
    address: int
    count: int
    atoms: tuple[Atom, ...]

    @property
    def members(self) -> tuple[int, ...]:
        """Indices of the points that it covers."""
        return tuple(member for atom in self.atoms for member in atom.members)

    @property
    def data_bytes(self) -> int:
        """Bytes of data in the answer."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count

    @property
    def words(self) -> str:
        """What it reads, for messages."""
        return range_words(self.table, self.address, self.count)


@dataclass(frozen=True, slots=True)
class Plan:
    """All reads of one poll. `points` are the instrument's own, then the places of its statuses."""

    points: tuple[ModbusPoint, ...]
    rules: FlagRules
    options: ModbusOptions
    blocks: tuple[Block, ...]
    exchange_s: tuple[float, ...]
    """Expected seconds of each block, quiet gap included."""


def plan_instrument(spec: InstrumentSpec, line: LineSpec) -> Plan:
    """The plan of one instrument on its line. Raises ValueError with every problem, one a line."""
    options = spec.options if isinstance(spec.options, ModbusOptions) else ModbusOptions()
    own = tuple(point for point in spec.points if isinstance(point, ModbusPoint))
    rules = FlagRules(options.flags, own)
    wire = Wire.of(line)
    points = own + rules.sources
    blocks = plan(points, options, wire, spec.timeout_s)
    response_s = wire.usual_response_s if options.response is None else options.response
    seconds = tuple(wire.exchange_s(block.data_bytes, response_s, options.pause) for block in blocks)
    return Plan(points, rules, options, blocks, seconds)


def plan(points: Sequence[ModbusPoint], options: ModbusOptions, wire: Wire, timeout_s: float) -> tuple[Block, ...]:
    """The reads that cover every point once. Raises ValueError with every problem, one a line."""
    problems: list[str] = []
    blocks: list[Block] = []
    for table in USUAL_FUNCTIONS:
        limits = Limits.of(table, options, wire, timeout_s)
        atoms = limits.atoms(points)
        found = [problem for atom in atoms if (problem := limits.problem(atom, points))]
        problems += found
        if not found:
            blocks += blocks_of(tuple(atoms), limits)
    problems += split_groups(points)
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(blocks)


def split_groups(points: Iterable[ModbusPoint]) -> list[str]:
    """Problems of `together` groups that no single read can hold because they span tables."""
    tables: dict[str, set[str]] = {}
    for point in points:
        if point.together is not None:
            tables.setdefault(point.together, set()).add(point.table)
    return [
        f"together: {name} spans the tables {' and '.join(sorted(found))}, which no single read can"
        for name, found in tables.items()
        if len(found) > 1
    ]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one read of one table may span."""

    table: str
    function: int
    gap: int
    longest: int
    possible: int
    even: bool
    one_by_one: bool
    forbidden: tuple[tuple[int, int], ...]
    """First and last-but-one address of what must not be read."""

    @classmethod
    def of(cls, table: str, options: ModbusOptions, wire: Wire, timeout_s: float) -> "Limits":
        """Those of one instrument on its line."""
        registers = table not in BIT_TABLES
        unit = 1 if registers else BITS_PER_REGISTER
        gap = options.gap * unit
        longest = possible = options.registers_per_request if registers else options.coils_per_request
        response_s = wire.usual_response_s if options.response is None else options.response
        if wire.is_serial:
            register_s = wire.bytes_s(4) - wire.bytes_s(2)
            another_s = wire.exchange_s(0, response_s, options.pause)
            gap = min(options.gap, int(another_s / register_s)) * unit
            fixed_s = wire.reply_s(0, response_s)
            possible = min(possible, max(1, int((ANSWER_SHARE * timeout_s - fixed_s) / register_s)) * unit)
            longest = possible
            if options.slice is not None:
                longest = min(possible, max(1, int((options.slice - another_s) / register_s)) * unit)
        even = options.even_start and registers
        return cls(
            table,
            options.functions.get(table, USUAL_FUNCTIONS[table]),  # type: ignore[call-overload]
            gap,
            max(2, longest & ~1) if even else longest,
            possible,
            even,
            options.one_request_per_point,
            tuple((one.address, one.address + one.count) for one in options.forbidden if one.table == table),
        )

    def span(self, start: int, end: int) -> tuple[int, int]:
        """First and last-but-one address that a read of [start, end) has on the wire."""
        return (start & ~1, end + (end & 1)) if self.even else (start, end)

    def allows(self, start: int, end: int) -> bool:
        """Whether no forbidden address lies in [start, end)."""
        return all(end <= first or upto <= start for first, upto in self.forbidden)

    def joins(self, first: int, end: int, atom: Atom) -> bool:
        """Whether a read that spans [first, end) may go on to the atom behind it."""
        if self.one_by_one or atom.start - end > self.gap:
            return False
        start, upto = self.span(first, max(end, atom.end))
        return upto - start <= self.longest and self.allows(start, upto)

    def atoms(self, points: Sequence[ModbusPoint]) -> list[Atom]:
        """The table's points joined to what must come in one read, by address."""
        groups: dict[str, list[tuple[int, int, int]]] = {}
        for index, point in enumerate(points):
            if point.table == self.table:
                count = 1 if self.table in BIT_TABLES else point.count
                name = f"together {point.together}" if point.together else f"point {index}"
                groups.setdefault(name, []).append((point.address, point.address + count, index))
        spans = [
            Atom(*self.span(min(one[0] for one in group), max(one[1] for one in group)), tuple(one[2] for one in group))
            for group in groups.values()
        ]
        return self._merged(sorted(spans, key=lambda atom: (atom.start, atom.end)))

    def _merged(self, atoms: Iterable[Atom]) -> list[Atom]:
        """Overlapping atoms as one, as long as a read can hold it."""
        merged: list[Atom] = []
        for atom in atoms:
            last = merged[-1] if merged else None
            if last and atom.start < last.end and max(last.end, atom.end) - last.start <= self.longest:
                merged[-1] = Atom(last.start, max(last.end, atom.end), last.members + atom.members)
            else:
                merged.append(atom)
        return merged

    def problem(self, atom: Atom, points: Sequence[ModbusPoint]) -> str | None:
        """Why this atom cannot be read; None if it can."""
        names = ", ".join(points[member].id for member in atom.members)
        count = atom.end - atom.start
        if atom.end > 65536:
            return f"{names}: {range_words(self.table, atom.start, count)} ends beyond 65535"
        if count > self.possible:
            return f"{names}: one read of {count} is needed, the instrument, line and timeout allow {self.possible}"
        if not self.allows(atom.start, atom.end):
            return f"{names}: {range_words(self.table, atom.start, count)} touches what is forbidden to read"
        return None


@lru_cache(maxsize=64)
def blocks_of(atoms: tuple[Atom, ...], limits: Limits) -> tuple[Block, ...]:
    """The reads of one table. Kept, because the instruments of a site are often alike, and because the check of a
    site and its drivers plan the same: twenty instruments of 100 points took a tenth of a second each time."""
    return tuple(block(limits.table, limits.function, part) for part in cut(atoms, limits))


def cut(atoms: Sequence[Atom], limits: Limits) -> list[Sequence[Atom]]:
    """The sorted atoms in the fewest parts that each fit one read; of those, the fewest registers."""
    # best[n]: (reads, registers, where the last part begins) for the first n atoms
    unknown = (len(atoms) + 1, 0, 0)
    best = [(0, 0, 0)] + [unknown] * len(atoms)
    for first, atom in enumerate(atoms):
        reads, registers, _ = best[first]
        end = atom.end
        upto = first + 1
        while True:
            best[upto] = min(best[upto], (reads + 1, registers + end - atom.start, first))
            if upto == len(atoms) or not limits.joins(atom.start, end, atoms[upto]):
                break
            end = max(end, atoms[upto].end)
            upto += 1
    parts: list[Sequence[Atom]] = []
    upto = len(atoms)
    while upto:
        first = best[upto][2]
        parts.append(atoms[first:upto])
        upto = first
    return parts[::-1]


def block(table: str, function: int, atoms: Sequence[Atom]) -> Block:
    """One read over atoms in a row."""
    start, end = atoms[0].start, max(atom.end for atom in atoms)
    return Block(table, function, start, end - start, tuple(atoms))
