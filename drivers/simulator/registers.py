"""Values -> registers: the inverse of what a driver decodes, written apart from it so that tests compare the two.

One worked value, 12.5 as float32 = 41 48 00 00:
    ABCD 4148 0000    CDAB 0000 4148    BADC 4841 0000    DCBA 0000 4841
"""

import math
import struct
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache

from drivers import units
from drivers.contract import Value
from drivers.modbus.source import BIT_TABLES, ModbusOptions, ModbusPoint

_FLOATS = {"float16": "e", "float32": "f", "float64": "d"}
_READ_FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


def function_of(table: str, options: ModbusOptions) -> int:
    """The function that reads a table of this instrument."""
    return options.functions.get(table, _READ_FUNCTION[table])  # type: ignore[call-overload, no-any-return]


def put(memory: dict[int, dict[int, int]], point: ModbusPoint, value: Value, options: ModbusOptions) -> None:
    """Write one point into tables keyed by read function, so that a driver reads `served(point, value)` there.

    None is written as the instrument's own "no value". A number beyond its type saturates, as in an instrument.
    """
    table = memory.setdefault(function_of(point.table, options), {})
    if point.table in BIT_TABLES:
        table[point.address] = int(bool(value))
        return
    kept = [table.get(point.address + at, 0) for at in range(point.count)]
    if point.bit is not None or point.mask is not None:
        # other points may hold the other bits
        whole = int.from_bytes(_data(_ordered(kept, point, options)))
        mask = point.mask if point.mask is not None else 1 << (point.bit or 0)
        shift = (mask & -mask).bit_length() - 1
        whole = whole & ~mask | _integer(point, value) << shift & mask
        fresh = _words(whole.to_bytes(2 * point.count))
    else:
        fresh = _words(_raw(point, value))
    table.update(enumerate(_ordered(fresh, point, options), point.address))


def served(point: ModbusPoint, value: Value) -> Value:
    """What a right decoder makes of the registers that `put` writes for that value."""
    if value is None:
        return None
    if point.is_bool:
        return bool(value)
    if point.states is not None or point.type == "string":
        return value
    raw = _number(point, value)
    slope, intercept = _line(point)
    if isinstance(raw, int):
        exact = raw * slope + intercept
        return int(exact) if exact.denominator == 1 else float(exact)
    if not math.isfinite(raw):
        return None
    decimal = Fraction(raw) if point.type == "float64" else Fraction(_shortest(raw, _FLOATS[point.type]))
    return float(decimal * slope + intercept)


def _raw(point: ModbusPoint, value: Value) -> bytes:
    """Big-endian bytes of a point, before its order."""
    size = 2 * point.count
    if point.type == "string":
        return str(value or "").encode("ascii", "replace")[:size].ljust(size, b"\0")
    if point.type in _FLOATS:
        code = _FLOATS[point.type]
        number = math.nan if value is None else float(_number(point, value))
        return struct.pack(">" + code, number)
    number = _integer(point, value)
    if point.type in ("bcd16", "bcd32"):
        return int(str(number), 16).to_bytes(size)
    return number.to_bytes(size, signed=number < 0)


def _integer(point: ModbusPoint, value: Value) -> int:
    if value is None:
        return _no_value(point)
    if point.is_bool:
        return int(bool(value))
    if point.states is not None:
        return next(code for code, word in point.states.items() if word == value)
    return int(_number(point, value))


def _no_value(point: ModbusPoint) -> int:
    for marker in point.invalid:
        if not isinstance(marker, str):
            return int(marker)
    raise ValueError(f"point {point.id}: type {point.type} has no way to say that there is no value")


def _number(point: ModbusPoint, value: Value) -> float | int:
    """The raw number nearest to a value after scale, offset and unit: a float as its type holds it, or an int."""
    assert isinstance(value, int | float)
    if isinstance(value, float) and not math.isfinite(value):
        return value
    slope, intercept = _line(point)
    raw = (Fraction(value) - intercept) / slope
    if point.type in _FLOATS:
        code = _FLOATS[point.type]
        held: float = struct.unpack(">" + code, struct.pack(">" + code, float(raw)))[0]
        return held
    bits = 16 * point.count if point.mask is None else (point.mask // (point.mask & -point.mask)).bit_length()
    lowest, highest = 0, (1 << bits) - 1
    if point.type.startswith("int"):
        lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1
    elif point.type.startswith("bcd"):
        highest = 10 ** (bits // 4) - 1
    return max(lowest, min(highest, round(raw)))


def _line(point: ModbusPoint) -> tuple[Fraction, Fraction]:
    """Slope and intercept from the raw number to the published value, exact in the decimals that were written."""
    if point.reads is None or point.unit is None:
        return _straight(point.scale, point.offset, None, None, None, 0.0)
    return _straight(point.scale, point.offset, point.reads, point.unit, point.molar_mass, point.molar_volume)


@lru_cache(maxsize=4096)
def _straight(
    scale: float, offset: float, reads: str | None, unit: str | None, mass: float | None, volume: float
) -> tuple[Fraction, Fraction]:
    slope, intercept = Fraction(repr(scale)), Fraction(repr(offset))
    if reads is not None and unit is not None:
        factor, more = units.conversion(reads, unit, mass, volume)
        slope, intercept = slope * factor, intercept * factor + more
    return slope, intercept


def _shortest(number: float, code: str) -> str:
    """The shortest decimal that packs to the same float."""
    packed = struct.pack(">" + code, number)
    for digits in range(1, 18):
        text = f"{number:.{digits}g}"
        with suppress(OverflowError):  # few digits may round beyond the largest float
            if struct.pack(">" + code, float(text)) == packed:
                return text
    raise AssertionError(number)


def _ordered(words: list[int], point: ModbusPoint, options: ModbusOptions) -> list[int]:
    """Registers in the order of the wire; the same rule undoes itself.

    Spellings of every width mean one rule (contract.md §3): do the words run backwards, are the bytes swapped.
    """
    order = point.order or options.order
    backwards = order in ("CDAB", "DCBA", "GHEFCDAB", "HGFEDCBA") and point.type != "string"
    swapped = order in ("BA", "BADC", "DCBA", "BADCFEHG", "HGFEDCBA")
    words = words[::-1] if backwards else words
    return [(word & 0xFF) << 8 | word >> 8 for word in words] if swapped else words


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


def _data(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(2) for word in words)
