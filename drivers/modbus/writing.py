"""A value as the bytes to write: the inverse of words.py. Pure.

Nothing is clamped or rounded; what does not fit is refused.
"""

import struct
from fractions import Fraction
from math import isfinite

from drivers.contract import Value
from drivers.errors import WriteRefused
from drivers.modbus.numbers import fraction
from drivers.modbus.place import CODES, FLOATS, endianness, total_scaling
from drivers.modbus.source import BIT_TABLES, ModbusPoint
from drivers.modbus.words import swap_bytes


def encode(point: ModbusPoint, value: Value, order: str) -> bytes:
    """The registers' bytes for that value, empty for a coil; `order` is the default byte order. Raises WriteRefused."""
    limits = point.limits
    if limits is None:
        raise WriteRefused(f"{point.id} is not writable")
    if point.is_bool:
        if not isinstance(value, bool):
            raise WriteRefused(f"{point.id} takes true or false, not {value!r}")
        return b"" if point.table in BIT_TABLES else int(value).to_bytes(2, "big")
    number = _code(point, value)
    if not limits[0] <= number <= limits[1]:
        raise WriteRefused(f"{point.id} may be written from {limits[0]:g} to {limits[1]:g}, not {value!r}")
    return _packed(point, number, order)


def _code(point: ModbusPoint, value: Value) -> int | float:
    if point.states is not None and isinstance(value, str):
        codes = [code for code, word in point.states.items() if word == value]
        if not codes:
            raise WriteRefused(f"{point.id} takes {', '.join(point.states.values())}, not {value!r}")
        return codes[0]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise WriteRefused(f"{point.id} takes a number, not {value!r}")
    if point.states is not None and value not in point.states:
        raise WriteRefused(f"{point.id} has no state {value!r}")
    return value


def _packed(point: ModbusPoint, number: int | float, order: str) -> bytes:
    factor, offset = total_scaling(point)
    raw = ((Fraction(number) if isinstance(number, int) else fraction(number)) - offset) / factor
    little, swapped = endianness(point, order)
    content: int | float = float(raw) if point.type in FLOATS else int(raw)
    if point.type not in FLOATS and raw.denominator != 1:
        raise WriteRefused(f"{number!r} lies between two values that {point.id} can hold (steps of {float(factor):g})")
    if point.type in ("bcd16", "bcd32"):
        content = _bcd(point, int(raw))
    code = {1: "H", 2: "I", 4: "Q"}.get(point.count, "") if point.type == "bits" else CODES[point.type]
    try:
        data = struct.pack(("<" if little else ">") + code, content)
    except (struct.error, OverflowError):
        raise WriteRefused(f"{number!r} does not fit into {point.type}") from None
    return swap_bytes(data) if swapped else data


def _bcd(point: ModbusPoint, number: int) -> int:
    if not 0 <= number < 10 ** (4 * point.count):
        raise WriteRefused(f"{number} does not fit into {point.type}")
    return int(str(number), 16)
