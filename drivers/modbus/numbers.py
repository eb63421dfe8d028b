"""Binary floats and scaled integers as the numbers that people would write. Pure.

A float32 becomes the float whose `repr` is the shortest decimal that gives the same float32 (docs/decisions/0001).
Three tiers, each exact, each for what the one before leaves over:

1. Whole numbers below 2^24 are their own shortest text.
2. A value with few decimals: k / s for s = 1, 10, 100 … with |k| below a million. Decimals of up to six digits
   are all different as float32, so if k / s gives the same four bytes, no other text can be shorter. Which s
   serves is remembered for each place; it steers the cost, never the result.
3. Formatting with 8 digits, then 9 or 7 and fewer: a number of digits can suffice only if one more does too.
"""

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import compress
from operator import and_, eq, lt, mul, truediv

WHOLE = float(1 << 24)
"""Below it every whole number is a float32, so none can be written shorter."""
SIX_DIGITS = 10**6
_SCALES = tuple(10**decimals for decimals in range(7))
_TINIEST = 2.0**-126
"""Smallest normal float32; below it fewer than six digits are significant."""
_UNEVEN = {
    float.fromhex("0x1p-96"): 1.2621775e-29,
    float.fromhex("0x1p+87"): 1.5474251e26,
    float.fromhex("0x1p+90"): 1.2379401e27,
}
"""Powers of two lie nearer to their lower neighbour; these three (of 254) are given by eight digits that are not the
nearest eight (found by trying all of them)."""
_EXACT = Context(prec=60)


@cache
def _packer(count: int) -> struct.Struct:
    return struct.Struct(f">{count}f")


@cache
def _template(digits: int, count: int) -> str:
    return f"%.{digits}g " * count


class Shortest:
    """Float32 values of a fixed number of places, all finite, as shortest decimals; -0.0 keeps its sign."""

    __slots__ = ("_limits", "_pack", "_scales")

    def __init__(self, count: int) -> None:
        self._pack = _packer(count).pack
        self._scales = [1] * count
        self._limits = [1 << 24] * count

    def __call__(self, raw: tuple[float, ...]) -> Sequence[float]:
        if all(map(float.is_integer, raw)) and max(raw) < WHOLE and min(raw) > -WHOLE:
            return raw
        scales, limits = self._scales, self._limits
        whole = [*map(round, map(mul, raw, scales))]
        values = [*map(truediv, whole, scales)]
        right = self._pack(*raw)
        if self._pack(*values) == right and all(map(lt, map(abs, whole), limits)):
            return values
        same = map(eq, memoryview(self._pack(*values)).cast("I"), memoryview(right).cast("I"))
        found = [*map(and_, same, map(lt, map(abs, whole), limits))]
        wrong = [at for at, good in enumerate(found) if not good]
        exact, short = shortest_floats([raw[at] for at in wrong])
        for at, value in zip(wrong, exact, strict=True):
            values[at] = value
        for which in short:
            self._learn(wrong[which], exact[which])
        return values

    def _learn(self, at: int, value: float) -> None:
        """Remember the decimals of this place if they are few."""
        for scale in _SCALES:
            whole = round(value * scale)
            if abs(whole) >= SIX_DIGITS:
                return
            if whole / scale == value:
                self._scales[at] = scale
                self._limits[at] = SIX_DIGITS if scale > 1 else 1 << 24
                return


def shortest_floats(values: list[float]) -> tuple[list[float], list[int]]:
    """Shortest decimals of finite float32 values, by formatting; and which of them have six digits or fewer."""
    result, fits = _at_digits(values, 8)
    for at, value in enumerate(values):
        if not fits[at]:
            result[at] = _nine_digits(value)
    left = [*compress(range(len(values)), fits)]
    for digits in (7, 6):
        if left:
            shorter, fits = _at_digits([values[at] for at in left], digits)
            left = [*compress(left, fits)]
            for at, value in zip(left, compress(shorter, fits), strict=True):
                result[at] = value
    for at in left:
        if abs(values[at]) < _TINIEST:
            result[at] = shortest(values[at], "f")
    return result, left


def _nine_digits(value: float) -> float:
    uneven = _UNEVEN.get(abs(value))
    return float(f"{value:.9g}") if uneven is None else math.copysign(uneven, value)


def _at_digits(values: list[float], digits: int) -> tuple[list[float], list[bool]]:
    """The values rounded to that many digits, and which of them are still the same float32."""
    count = len(values)
    rounded = [*map(float, (_template(digits, count) % tuple(values)).split())]
    packer = _packer(count).pack
    try:
        got = packer(*rounded)
    except OverflowError:  # the largest float32 rounds up beyond itself
        return rounded, [_same(one, value, "f") for one, value in zip(rounded, values, strict=True)]
    return rounded, [*map(eq, memoryview(got).cast("I"), memoryview(packer(*values)).cast("I"))]


def shortest(value: float, code: str) -> float:
    """One float16 ("e") or float32 ("f") as its shortest decimal."""
    for digits in range(1, 9):
        rounded = float(f"{value:.{digits}g}")
        if _same(rounded, value, code):
            return rounded
    return float(f"{value:.9g}")


def _same(one: float, other: float, code: str) -> bool:
    try:
        return struct.pack(code, one) == struct.pack(code, other)
    except OverflowError:
        return False


def fraction(number: float) -> Fraction:
    """The decimal that a file says: 0.1 is one tenth."""
    return Fraction(repr(number))


def scale_float(factor: Fraction, offset: Fraction) -> Callable[[float], float]:
    """value x factor + offset on the decimal that the value stands for, rounded once: 0.3 x 0.1 is 0.03."""
    bottom = factor.denominator * offset.denominator
    times = Decimal(factor.numerator * offset.denominator)
    plus = Decimal(offset.numerator * factor.denominator)
    under = Decimal(bottom)
    fma, divide = _EXACT.fma, _EXACT.divide

    def scaled(value: float) -> float:
        return float(divide(fma(Decimal(repr(value)), times, plus), under))

    return scaled


def scale_whole(factor: Fraction, offset: Fraction) -> tuple[int, int, int]:
    """(times, plus, under) with value = (raw x times + plus) / under; a division of integers is rounded once."""
    under = factor.denominator * offset.denominator
    times, plus = factor.numerator * offset.denominator, offset.numerator * factor.denominator
    shared = Fraction(times, under).denominator
    if under % shared == 0 and plus * shared % under == 0:
        return times * shared // under, plus * shared // under, shared
    return times, plus, under


def exactly(times: int, plus: int, under: int) -> Callable[[int], int | float]:
    """Scaling of integers so large that a float might not hold the result: an integer result stays one."""

    def scaled(raw: int) -> int | float:
        whole, rest = divmod(raw * times + plus, under)
        if rest == 0 and (under == 1 or abs(whole) >= 1 << 53):
            return whole
        return (raw * times + plus) / under

    return scaled
