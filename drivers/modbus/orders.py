"""Every meaning that unknown registers can have: each type, each byte order, one register before and after. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.contract import Value
from drivers.modbus.source import ModbusPoint
from drivers.modbus.words import decoder

BEFORE = 1
"""Registers before the address in question: a map that counts from 1 is meant one lower on the wire."""
AFTER = 4
"""Registers behind it: a 64-bit value that begins one register later."""
ORDERS = {
    1: ("AB", "BA"),
    2: ("ABCD", "CDAB", "BADC", "DCBA"),
    4: ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"),
}
TYPES = {
    1: ("uint16", "int16", "bcd16", "float16"),
    2: ("float32", "uint32", "int32", "bcd32"),
    4: ("float64", "uint64", "int64"),
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One way to read them. `line` is what a profile or site file says of it."""

    shift: int
    address: int
    type: str
    order: str
    value: Value
    line: str


def meanings(table: str, address: int, first: int, data: bytes) -> Iterator[Meaning]:
    """What `data`, the registers from `first` on, may mean at `address` - 1, `address` and `address` + 1."""
    count = len(data) // 2
    for size, kinds in TYPES.items():
        for shift in (0, -1, 1):
            at = address + shift
            if at < first or at + size > first + count:
                continue
            part = data[2 * (at - first) : 2 * (at - first + size)]
            for kind in kinds:
                for order in ORDERS[size]:
                    value = _value(table, at, kind, order, part)
                    if value is not None:
                        words = f"{{id: value, table: {table}, address: {at}, type: {kind}, order: {order}}}"
                        yield Meaning(shift, at, kind, order, value, words)


def _value(table: str, address: int, kind: str, order: str, data: bytes) -> Value:
    keys: dict[str, Any] = {"id": "value", "table": table, "address": address, "type": kind, "order": order}
    point = ModbusPoint.model_validate(keys)
    values, _ = decoder([(0, point)], table, address, "ABCD").decode(data)
    return values[0]


def plausible(value: Value, lowest: float, highest: float) -> bool:
    """Whether it is a number within these limits, and no denormal that only other bits can give."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    tiny = isinstance(value, float) and 0 < abs(value) < 1e-9
    return math.isfinite(value) and not tiny and lowest <= value <= highest
