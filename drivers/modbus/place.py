"""One point within a block of registers: where its bytes are, and how they become its value. Pure."""

from collections.abc import Callable
from typing import Any

from drivers import units
from drivers.contract import Value
from drivers.modbus.numbers import exactly, fraction, scale_float, scale_whole, shortest, shortest_floats
from drivers.modbus.source import ModbusPoint

CODES = {
    "bool": "H", "bits": "H", "int16": "h", "uint16": "H", "bcd16": "H", "float16": "e",
    "int32": "i", "uint32": "I", "bcd32": "I", "float32": "f", "int64": "q", "uint64": "Q", "float64": "d",
}  # fmt: skip
BITS_CODES = {1: "H", 2: "I", 4: "Q"}
FLOATS = ("float16", "float32", "float64")
EXACT = 1 << 53
"""Whole numbers below it are exact as float."""


class Odd(Exception):
    """Bytes that stand for no value; the text says why."""


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
        self.decoded: Callable[[Any], Any] = as_it_is
        """Raw field -> the value before scaling, to which `invalid` refers."""
        self.treatment, self.convert = self._treat()

    def _treat(self) -> tuple[str, Callable[[Any], Value]]:
        """Name of the vectorised treatment ("each" is none of them), and the treatment of a single value."""
        point = self.point
        if point.type == "string":
            self.decoded = text
            return "each", text
        raw: Callable[[Any], Any] = bcd if point.type in ("bcd16", "bcd32") else as_it_is
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
            self.decoded = {"float16": _float16, "float32": _float32}.get(point.type, as_it_is)
            if scaled:
                return "each", _after(self.decoded, scale_float(factor, offset))
            return ("each" if point.type == "float16" else point.type), self.decoded
        return self._treat_whole(raw, *scale_whole(factor, offset))

    def _treat_whole(self, raw: Callable[[Any], int], times: int, plus: int, under: int) -> tuple[str, Any]:
        widest = 1 << 8 * self.size
        convert = exactly(times, plus, under)
        if raw is not as_it_is:
            return "each", _after(raw, convert) if (times, plus, under) != (1, 0, 1) else raw
        if (times, plus, under) == (1, 0, 1):
            return "whole", as_it_is
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


def as_it_is(raw: Any) -> Any:
    """The treatment of what needs none."""
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
