"""Points of one block that are read and treated together, and what is checked of their values. Pure."""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from operator import add, ge, itemgetter, le, mul, truediv
from struct import Struct
from typing import Any, TypeGuard

from drivers.contract import Flag, Value
from drivers.modbus.numbers import Shortest
from drivers.modbus.place import Odd, Place, as_it_is
from drivers.modbus.source import ModbusPoint

Marks = dict[int, tuple[Flag, str]]
"""Place in the decoded tuple -> flag and reason, for values that are not N."""
NO_MARKS: Marks = {}

LARGEST = 1.7976931348623157e308


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
            return as_it_is
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


def picker(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Takes the values at those places, as a tuple whatever their number."""
    if list(places) == list(range(places[0], places[0] + len(places))):
        span = slice(places[0], places[0] + len(places))
        return lambda values: tuple(values[span])
    if len(places) == 1:
        return lambda values: (values[places[0]],)
    return itemgetter(*places)
