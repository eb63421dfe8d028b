"""What an instrument said as a number, a text or a bit -> the value in the feed, its flag and its reason. Pure.

For protocols that carry decimals, floats and text; Modbus registers have their own, faster way (modbus/words.py)
with the same rules: a decimal is scaled exactly and rounded once, a float32 stands for its shortest text, "no value"
marks are compared before scaling, a value outside its range is kept and flagged.
"""

import struct
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isfinite

from drivers import units
from drivers.contract import Flag, Value
from drivers.modbus.numbers import fraction, shortest
from drivers.profile import Point

EXACT = 1 << 53
"""Whole numbers below it are exact as float."""

Number = int | Fraction | float
"""A whole number, a decimal, or a binary float as it came."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number in the unit that the instrument named; None means the point's own."""

    number: Number
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Odd:
    """Bytes that stand for no value, and why."""

    why: str
    flag: Flag = Flag.FAULT
    kind: str = "invalid"


@dataclass(frozen=True, slots=True)
class Flagged:
    """A number that the instrument itself says something of."""

    measured: Measured
    flag: Flag
    why: str


Raw = Measured | Odd | Flagged | bool | str
Outcome = tuple[Value, Flag, str]
"""Value, flag, and the reason ("" for N)."""


def decimal(digits: int, decimals: int) -> Number:
    """A whole number with its point moved: (1234, 2) is 12.34. Stays a whole number without decimals."""
    return Fraction(digits, 10**decimals) if decimals > 0 else digits * 10**-decimals


def float32(data: bytes, order: str = "<") -> float:
    """Four bytes as the float with the shortest text that gives the same four bytes (docs/decisions/0001)."""
    (number,) = struct.unpack(order + "f", data)
    return shortest(number, "f") if isfinite(number) and number else number


def taken(point: Point, raw: Raw) -> Outcome:
    """The value of `point` from what came in."""
    if isinstance(raw, Odd):
        return None, raw.flag, f"{raw.kind}: {raw.why}"
    if isinstance(raw, Flagged):
        value, flag, why = taken(point, raw.measured)
        if value is None:
            return None, raw.flag if flag is Flag.FAULT else flag, f"{why}; {raw.why}"
        return value, raw.flag, f"status: {raw.why}" + (f"; {why}" if why else "")
    if not isinstance(raw, Measured):
        if raw in _marks(point.invalid) and not isinstance(raw, bool):
            return None, Flag.FAULT, f"invalid: {raw} is the instrument's mark for no value"
        return raw, Flag.NORMAL, ""
    number = raw.number
    if isinstance(number, float) and not isfinite(number):
        return None, Flag.FAULT, f"invalid: {'not a number' if number != number else 'infinite'}"
    if point.invalid and _exact(number) in _marks(point.invalid):
        return None, Flag.FAULT, f"invalid: {plain(number)} is the instrument's mark for no value"
    try:
        times, plus = _scaling(point.scale, point.offset, raw.unit, point.unit)
    except ValueError:
        return None, Flag.FAULT, f"invalid: the instrument gives {raw.unit}, the point is in {point.unit}"
    value = _scaled(number, times, plus)
    if not isfinite(value):
        return None, Flag.FAULT, "invalid: infinite after scaling"
    if point.range is not None and not point.range[0] <= value <= point.range[1]:
        return value, *outside(point, value, point.range)
    return value, Flag.NORMAL, ""


def outside(point: Point, value: float, limits: tuple[float, float]) -> tuple[Flag, str]:
    """Flag and reason of a value beyond its range; the value is kept."""
    unit = f" {point.unit}" if point.unit else ""
    if value < limits[0]:
        return point.below, f"range: {value:g} is below {limits[0]:g}{unit}"
    return Flag.OUT_OF_RANGE, f"range: {value:g} is above {limits[1]:g}{unit}"


def plain(number: Number) -> int | float:
    """A decimal as JSON writes it; a whole number stays one."""
    if not isinstance(number, Fraction):
        return number
    if number.denominator == 1 and abs(number.numerator) >= EXACT:
        return number.numerator
    return number.numerator / number.denominator


def _scaled(number: Number, times: Fraction, plus: Fraction) -> int | float:
    if times == 1 and plus == 0:
        return plain(number)
    try:
        return plain(_exact(number) * times + plus)
    except OverflowError:
        return float("inf")


def _exact(number: Number) -> Fraction:
    """A float stands for its shortest text: 0.3 x 0.1 is 0.03."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


@lru_cache(maxsize=4096)
def _scaling(scale: float, offset: float, source: str | None, target: str | None) -> tuple[Fraction, Fraction]:
    """Factor and offset from what the instrument gives to the point. Raises ValueError without a way."""
    times, plus = fraction(scale), fraction(offset)
    if source is None or target is None:
        return times, plus
    factor, shift = units.conversion(source, target)
    return times * factor, shift + plus


@lru_cache(maxsize=4096)
def _marks(invalid: tuple[float | str, ...]) -> frozenset[Number | str]:
    found: set[Number | str] = set()
    for mark in invalid:
        found.add(mark if isinstance(mark, str) else fraction(mark))
        if isinstance(mark, str):
            with suppress(ValueError):
                found.add(int(mark, 0))
    return frozenset(found)


def bcd(data: bytes, *, high_first: bool = False) -> int | Odd:
    """Packed decimal digits, low byte first unless said otherwise; Odd for a digit above 9."""
    text = (data if high_first else data[::-1]).hex()
    if not text.isdecimal():
        return Odd(f"{text} holds a digit that is none")
    return int(text)
