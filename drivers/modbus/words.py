"""Registers and bits as values: one decoder for each block, built once, working on the reply's bytes. Pure.

The four byte orders on the float32 12.31 = 41 44 F5 C3, as they stand on the wire:

    ABCD  41 44 F5 C3     high word first, high byte first
    CDAB  F5 C3 41 44     low word first
    BADC  44 41 C3 F5     high word first, bytes of each word swapped
    DCBA  C3 F5 44 41     low word first, bytes swapped

For any width, CDAB with the bytes of each word swapped is DCBA, and BADC is ABCD. So every order is read by one
`struct` call, little or big endian, on the bytes as they came or swapped. Values of a block that share order and
treatment form a **lane**: one unpack, one vectorised treatment, one pass of checks. Only a lane in which a check
fails is looked at value by value.
"""

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from math import isfinite
from operator import add, ge, itemgetter, le, mul, truediv
from struct import Struct
from typing import Any, Protocol, TypeGuard

from drivers import units
from drivers.contract import Flag, Value
from drivers.modbus.numbers import (
    Shortest,
    exactly,
    fraction,
    scale_float,
    scale_whole,
    shortest,
    shortest_floats,
)
from drivers.modbus.source import BIT_TABLES, ModbusPoint

Marks = dict[int, tuple[Flag, str]]
"""Place in the decoded tuple -> flag and reason, for values that are not N."""
NO_MARKS: Marks = {}

CODES = {
    "bool": "H", "bits": "H", "int16": "h", "uint16": "H", "bcd16": "H", "float16": "e",
    "int32": "i", "uint32": "I", "bcd32": "I", "float32": "f", "int64": "q", "uint64": "Q", "float64": "d",
}  # fmt: skip
BITS_CODES = {1: "H", 2: "I", 4: "Q"}
FLOATS = ("float16", "float32", "float64")
WHOLE_NUMBERS = ("int16", "uint16", "int32", "uint32", "int64", "uint64")
LARGEST = 1.7976931348623157e308
EXACT = 1 << 53
"""Whole numbers below it are exact as float."""


class Odd(Exception):
    """Bytes that stand for no value; the text says why."""


class Decoder(Protocol):
    """Turns the payload of one block into the values of its points."""

    members: tuple[int, ...]
    """Which point each value belongs to, in the order of the decoded tuple."""

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """Values in the order of `members`, and what is to be said of them."""


def decoder(points: Sequence[tuple[int, ModbusPoint]], table: str, start: int, order: str) -> Decoder:
    """Decoder of the (index, point) pairs that a read of `table` from `start` covers; `order` is the default order.

    Raises ValueError for a point whose unit conversion does not exist.
    """
    if table in BIT_TABLES:
        return BitDecoder(points, start)
    return WordDecoder(points, start, order)


_EIGHT = tuple(tuple(byte >> bit & 1 == 1 for bit in range(8)) for byte in range(256))


class BitDecoder:
    """Coils or discrete inputs: the lowest bit of the first byte is the first one (V1.1b3 §6.1)."""

    __slots__ = ("_pick", "members")

    def __init__(self, points: Sequence[tuple[int, ModbusPoint]], start: int) -> None:
        self.members = tuple(index for index, _ in points)
        self._pick = picker([point.address - start for _, point in points])

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """See Decoder."""
        return self._pick(tuple(chain.from_iterable(map(_EIGHT.__getitem__, payload)))), NO_MARKS


def picker(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Takes the values at those places, as a tuple whatever their number."""
    if list(places) == list(range(places[0], places[0] + len(places))):
        span = slice(places[0], places[0] + len(places))
        return lambda values: tuple(values[span])
    if len(places) == 1:
        return lambda values: (values[places[0]],)
    return itemgetter(*places)


class WordDecoder:
    """Registers."""

    __slots__ = ("_lanes", "_swapped", "members")

    def __init__(self, points: Sequence[tuple[int, ModbusPoint]], start: int, order: str) -> None:
        groups: dict[Hashable, list[Place]] = {}
        for index, point in points:
            place = Place(index, point, 2 * (point.address - start), order)
            groups.setdefault((place.treatment, place.little, place.swapped), []).append(place)
        self._lanes = [Lane(layer) for group in groups.values() for layer in layers(group)]
        self._swapped = any(lane.swapped for lane in self._lanes)
        self.members = tuple(place.index for lane in self._lanes for place in lane.places)

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """See Decoder."""
        swapped = swap_bytes(payload) if self._swapped else payload
        lanes = self._lanes
        if len(lanes) == 1:
            return lanes[0].decode(swapped if lanes[0].swapped else payload)
        values: list[Value] = []
        marks = NO_MARKS
        for lane in lanes:
            part, remarks = lane.decode(swapped if lane.swapped else payload)
            if remarks:
                first = len(values)
                marks = {**marks, **{first + at: mark for at, mark in remarks.items()}}
            values += part
        return values, marks


def swap_bytes(payload: bytes) -> bytes:
    """The same registers with the two bytes of each exchanged."""
    words = array("H", payload)
    words.byteswap()
    return words.tobytes()


class Place:
    """One point within one block: where its bytes are and what is to be done with them."""

    __slots__ = (
        "code", "convert", "decoded", "index", "little", "offset", "point", "scaling", "size", "swapped", "treatment",
    )  # fmt: skip

    def __init__(self, index: int, point: ModbusPoint, offset: int, order: str) -> None:
        self.index, self.point, self.offset = index, point, offset
        self.size = 2 * point.count
        self.little, self.swapped = endianness(point, order)
        self.code = f"{self.size}s" if point.type == "string" else CODES[point.type]
        if point.type == "bits":
            self.code = BITS_CODES.get(point.count, f"{self.size}s")
        self.scaling = (1, 0, 1)
        self.decoded: Callable[[Any], Any] = _as_it_is
        """Raw field -> the value before scaling, to which `invalid` refers."""
        self.treatment, self.convert = self._treat()

    def _treat(self) -> tuple[str, Callable[[Any], Value]]:
        """Name of the vectorised treatment ("each" is none of them), and the treatment of a single value."""
        point = self.point
        if point.type == "string":
            self.decoded = text
            return "each", text
        raw: Callable[[Any], Any] = bcd if point.type in ("bcd16", "bcd32") else _as_it_is
        if point.type == "bits" and self.code.endswith("s"):
            little = self.little
            raw = lambda data: int.from_bytes(data, "little" if little else "big")  # noqa: E731
        if point.is_bool:
            return "each", _bit_of(raw, point.bit)
        if point.mask is not None:
            raw = _masked(raw, point.mask)
        self.decoded = raw
        if point.states is not None:
            return "each", _state_of(raw, point.states)
        factor, offset = total_scaling(point)
        scaled = (factor, offset) != (1, 0)
        if point.type in FLOATS:
            self.decoded = {"float16": _float16, "float32": _float32}.get(point.type, _as_it_is)
            if scaled:
                return "each", _after(self.decoded, scale_float(factor, offset))
            return ("each" if point.type == "float16" else point.type), self.decoded
        return self._treat_whole(raw, *scale_whole(factor, offset))

    def _treat_whole(self, raw: Callable[[Any], int], times: int, plus: int, under: int) -> tuple[str, Any]:
        widest = 1 << 8 * self.size
        convert = exactly(times, plus, under)
        if raw is not _as_it_is:
            return "each", _after(raw, convert) if (times, plus, under) != (1, 0, 1) else raw
        if (times, plus, under) == (1, 0, 1):
            return "whole", _as_it_is
        if widest * abs(times) + abs(plus) >= EXACT * under:
            return "each", convert
        self.scaling = (times, plus, under)
        return ("scaled whole" if under == 1 else "scaled"), convert


def endianness(point: ModbusPoint, order: str) -> tuple[bool, bool]:
    """(little endian, bytes swapped first) by which the point's bytes are read."""
    named = point.order or order
    if point.type == "string" or point.count == 1:
        # one word has no word order
        return False, named in ("BA", "BADC", "DCBA")
    rule = {"ABCDEFGH": "ABCD", "GHEFCDAB": "CDAB", "BADCFEHG": "BADC", "HGFEDCBA": "DCBA"}.get(named, named)
    return rule in ("CDAB", "DCBA"), rule in ("CDAB", "BADC")


def total_scaling(point: ModbusPoint) -> tuple[Any, Any]:
    """Factor and offset, as fractions, from the decoded number to the published one, unit conversion included."""
    factor, offset = fraction(point.scale), fraction(point.offset)
    if point.reads is None:
        return factor, offset
    if point.unit is None:
        raise ValueError(f"point {point.id} reads {point.reads} but has no unit to convert to")
    times, plus = units.conversion(point.reads, point.unit, point.molar_mass, point.molar_volume)
    return factor * times, offset * times + plus


def _as_it_is(raw: Any) -> Any:
    return raw


def _float32(raw: float) -> float:
    return shortest_floats([raw])[0][0]


def _float16(raw: float) -> float:
    return shortest(raw, "e")


def _after(first: Callable[[Any], Any], then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda raw: then(first(raw))


def _bit_of(raw: Callable[[Any], int], bit: int | None) -> Callable[[Any], bool]:
    if bit is None:
        return lambda data: raw(data) != 0
    return lambda data: raw(data) >> bit & 1 == 1


def _masked(raw: Callable[[Any], int], mask: int) -> Callable[[Any], int]:
    low = (mask & -mask).bit_length() - 1
    return lambda data: (raw(data) & mask) >> low


def _state_of(raw: Callable[[Any], int], states: dict[int, str]) -> Callable[[Any], str]:
    def state(data: Any) -> str:
        code = raw(data)
        if code not in states:
            raise Odd(f"code {code} is none of {', '.join(map(str, states))}")
        return states[code]

    return state


def bcd(raw: int) -> int:
    """Four or eight decimal digits, four bits each. Raises Odd for a digit above 9."""
    digits = f"{raw:04x}"
    if not digits.isdecimal():
        raise Odd(f"BCD digits {digits}")
    return int(digits)


def text(raw: bytes) -> str:
    """UTF-8 without trailing NUL and spaces. Raises Odd for what is none, or holds control characters."""
    try:
        found = raw.rstrip(b"\0 ").decode()
    except UnicodeDecodeError:
        raise Odd(f"no text: {raw[:16].hex(' ')}") from None
    if not found.isprintable():
        raise Odd(f"no text: {raw[:16].hex(' ')}")
    return found


def layers(places: list[Place]) -> Iterable[list[Place]]:
    """The places split so that within each part bytes are either the same field or do not overlap."""
    rest = sorted(places, key=lambda place: (place.offset, place.size))
    while rest:
        layer: list[Place] = []
        later: list[Place] = []
        for place in rest:
            last = layer[-1] if layer else None
            same = last is not None and (place.offset, place.code) == (last.offset, last.code)
            (layer if last is None or same or place.offset >= last.offset + last.size else later).append(place)
        yield layer
        rest = later


class Lane:
    """Points of one block that are read by one unpack and treated alike."""

    __slots__ = ("_lows", "_highs", "_invalid", "_pick", "_treat", "_unpack", "places", "swapped")  # noqa: RUF023

    def __init__(self, places: list[Place]) -> None:
        self.places = places
        self.swapped = places[0].swapped
        self._unpack, self._pick = unpacking(places)
        limits = [place.point.range for place in places]
        bounded = any(limits) or places[0].treatment == "float64"
        self._lows = [limit[0] if limit else -LARGEST for limit in limits] if bounded else None
        self._highs = [limit[1] if limit else LARGEST for limit in limits]
        self._invalid = [(at, marks) for at, place in enumerate(places) if (marks := markers(place.point))]
        self._treat = self._treatment()

    def _treatment(self) -> Callable[[tuple[Any, ...]], Sequence[Any] | None] | None:
        """The vectorised treatment of finite values; None for a lane that is treated value by value."""
        kind = self.places[0].treatment
        if kind in ("whole", "float64"):
            return _as_it_is
        if kind == "float32":
            shorten = Shortest(len(self.places))
            # a sum is finite if and only if all are: float32 values cannot overflow it
            return lambda raw: shorten(raw) if isfinite(sum(raw)) else None
        if kind == "each":
            return None
        times, plus, under = (list(column) for column in zip(*(place.scaling for place in self.places), strict=True))
        steps: list[tuple[Any, list[int]]] = []
        if any(one != 1 for one in times):
            steps.append((mul, times))
        if any(plus):
            steps.append((add, plus))
        if kind == "scaled":
            steps.append((truediv, under))

        def scale(raw: Sequence[Any]) -> Sequence[Any]:
            for step, operands in steps:
                raw = [*map(step, raw, operands)]
            return raw

        return scale

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """Values in the order of `places`."""
        raw = self._unpack(payload)
        if self._pick is not None:
            raw = self._pick(raw)
        values = self._treat(raw) if self._treat is not None else None
        if values is None:
            return self._one_by_one(raw)
        if self._lows is not None and not (all(map(le, self._lows, values)) and all(map(ge, self._highs, values))):
            return self._one_by_one(raw)
        for at, invalid in self._invalid:
            # before scaling counts: raw for integers, the shortest text for float32
            if raw[at] in invalid or values[at] in invalid:
                return self._one_by_one(raw)
        return values, NO_MARKS

    def _one_by_one(self, raw: Sequence[Any]) -> tuple[Sequence[Value], Marks]:
        values: list[Value] = []
        marks: Marks = {}
        invalid = dict(self._invalid)
        for at, (place, data) in enumerate(zip(self.places, raw, strict=True)):
            try:
                value = single(place, data, invalid.get(at, NO_MARKERS))
            except Odd as odd:
                values.append(None)
                marks[at] = Flag.FAULT, f"invalid: {odd}"
                continue
            values.append(value)
            limits = place.point.range
            if limits is not None and is_number(value) and not limits[0] <= value <= limits[1]:
                marks[at] = outside(place.point, value, limits)
        return values, marks


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether it is a quantity: true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


NO_MARKERS: frozenset[Any] = frozenset()


def single(place: Place, raw: Any, invalid: frozenset[Any]) -> Value:
    """One value with all its checks. Raises Odd."""
    if isinstance(raw, float) and not isfinite(raw):
        raise Odd("not a number" if raw != raw else "infinite")
    if invalid:
        decoded = place.decoded(raw)
        if decoded in invalid:
            raise Odd(f"{decoded} is the instrument's mark for no value")
    value = place.convert(raw)
    if isinstance(value, float) and not isfinite(value):
        raise Odd("infinite after scaling")
    return value


def outside(point: ModbusPoint, value: float, limits: tuple[float, float]) -> tuple[Flag, str]:
    """Flag and reason of a value beyond its range; the value is kept."""
    unit = f" {point.unit}" if point.unit else ""
    if value < limits[0]:
        return point.below, f"range: {value:g} is below {limits[0]:g}{unit}"
    return Flag.OUT_OF_RANGE, f"range: {value:g} is above {limits[1]:g}{unit}"


def markers(point: ModbusPoint) -> frozenset[Any]:
    """The raw values that mean "no value". NaN and infinity always do and need no mark."""
    found: set[Any] = set()
    for mark in point.invalid:
        if isinstance(mark, str) and point.type != "string":
            if mark.lower().lstrip("+-") not in ("nan", "inf"):
                found.add(int(mark, 0))
        else:
            found.add(mark)
            # the largest 64-bit number, which a float in the file cannot hold
            if point.type == "uint64" and mark == 2.0**64:
                found.add((1 << 64) - 1)
            if point.type == "int64" and mark == 2.0**63:
                found.add((1 << 63) - 1)
    return frozenset(found)


def unpacking(places: list[Place]) -> tuple[Callable[[bytes], tuple[Any, ...]], Callable[[Any], Any] | None]:
    """One struct call over all fields with the bytes between left out; and the choice where points share a field."""
    pattern = "<" if places[0].little else ">"
    end, fields, picks = 0, -1, []
    last: Place | None = None
    for place in places:
        if last is None or (place.offset, place.code) != (last.offset, last.code):
            pattern += "x" * (place.offset - end) + place.code
            end = place.offset + place.size
            fields += 1
        picks.append(fields)
        last = place
    unpack = Struct(pattern).unpack_from
    return unpack, picker(picks) if len(set(picks)) < len(picks) else None
