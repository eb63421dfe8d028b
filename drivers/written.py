"""A number as an instrument writes it down, as an exact value of the feed. Pure.

What is written in decimal digits is scaled as a fraction and rounded once, at the end: "231" x 0.1 is 23.1. A text
that stands for no number is no value: `Unwritten` says why, in words for the feed.
"""

import re
from fractions import Fraction

from drivers.contract import Flag, Value
from drivers.modbus.numbers import fraction
from drivers.profile import Point
from drivers.values import outside

_NUMBER = re.compile(r"([+-]?) *([0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
"""A sign may stand apart from its digits, as on weighing indicators. Longer texts are no measured value."""
ONE = Fraction(1)
LARGEST_WHOLE = 1 << 63
"""The feed's integers have 64 bits; a larger whole number becomes a float."""
SHOWN = 40

Mark = tuple[Flag, str]
"""Flag and reason of a value that is not N."""


class Unwritten(Exception):
    """A text that stands for no value; the text of the error says why."""


def shown(text: str) -> str:
    """A piece of input for a message: short, in quotes, nothing unprintable."""
    return ascii(text if len(text) <= SHOWN else text[:SHOWN] + "…")


class Number:
    """How one point's text becomes its value: `factor` and `offset` are exact, the unit's conversion included."""

    __slots__ = ("_as_written", "_comma", "_invalid_numbers", "_invalid_texts", "_offset", "_times")

    def __init__(self, point: Point, decimal: str = ".", factor: Fraction | None = None) -> None:
        self._comma = decimal == ","
        self._times = fraction(point.scale) if factor is None else factor
        self._offset = fraction(point.offset)
        self._as_written = self._times == 1 and self._offset == 0
        self._invalid_numbers = frozenset(mark for mark in point.invalid if not isinstance(mark, str))
        self._invalid_texts = frozenset(mark.strip().lower() for mark in point.invalid if isinstance(mark, str))

    def value(self, text: str, negative: bool = False, factor: Fraction = ONE) -> int | float:
        """The value of that text; `negative` turns its sign, `factor` converts its unit. Raises Unwritten."""
        bare = text.strip()
        if bare.lower() in self._invalid_texts:
            raise Unwritten(f"{shown(bare)} is the instrument's mark for no value")
        found = _NUMBER.fullmatch(bare.replace(",", ".") if self._comma else bare)
        if found is None:
            raise Unwritten(f"{shown(bare)} is no number")
        whole = "." not in found[2] and found[3] is None
        sign = "-" if (found[1] == "-") != negative else ""
        written = sign + found[2] + (found[3] or "")
        plain: int | float = int(written) if whole else float(written)
        if plain in self._invalid_numbers or (negative and -plain in self._invalid_numbers):
            raise Unwritten(f"{shown(bare)} is the instrument's mark for no value")
        if not self._as_written or factor is not ONE:
            times = self._times * factor
            if times != 1 or self._offset != 0:
                exact = Fraction(written) * times + self._offset
                plain = int(exact) if whole and exact.denominator == 1 else _rounded(exact)
        if isinstance(plain, int) and not -LARGEST_WHOLE <= plain < LARGEST_WHOLE:
            plain = float(plain)
        if plain in (float("inf"), float("-inf")):
            raise Unwritten(f"{shown(bare)} is beyond every number")
        return plain


def _rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return float("inf")


def beyond(point: Point, value: Value) -> Mark | None:
    """Flag and reason of a number outside its point's range; None inside, and for what is no number."""
    limits = point.range
    if limits is None or isinstance(value, (bool, str)) or value is None or limits[0] <= value <= limits[1]:
        return None
    return outside(point, value, limits)
