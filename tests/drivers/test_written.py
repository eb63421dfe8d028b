"""Numbers as instruments write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.profile import Point
from drivers.written import Number, Unwritten


def number(decimal: str = ".", **keys: object) -> Number:
    return Number(Point.model_validate({"id": "p", **keys}), decimal)


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.30", 12.3), ("0042", 42), ("+  12340", 12340), ("- 0.5", -0.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0),
     ("-0.0", -0.0), ("9223372036854775807", 2**63 - 1), ("99999999999999999999", 1e20)],
)  # fmt: skip
def test_what_is_written_is_the_value(text: str, value: float) -> None:
    found = number().value(text)
    assert repr(found) == repr(value)


@pytest.mark.parametrize("text", ["", "--", "1.2.3", "1,5", "NaN", "inf", "12 kg", "1e999", "１２", "0x10", "1" * 41])
def test_what_is_no_number_is_no_value(text: str) -> None:
    with pytest.raises(Unwritten):
        number().value(text)


def test_scaling_is_exact_and_whole_numbers_stay_whole() -> None:
    assert number(scale=0.1).value("231") == 23.1
    assert number(scale=0.1).value("2.3") == 0.23
    found = number(scale=10).value("231")
    assert (found, type(found)) == (2310, int)
    assert number(scale=0.1, offset=-5).value("0.3", factor=Fraction(1000)) == 25.0


def test_comma_and_marks_for_no_value() -> None:
    assert number(",").value("12,5") == 12.5
    for text in ("9999", "9999.0", "-999", "----"):
        with pytest.raises(Unwritten, match="mark for no value"):
            number(invalid=(9999, -999, "----")).value(text)


@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_unwritten(text: str) -> None:
    try:
        value = number(invalid=(3,), scale=0.5).value(text)
    except Unwritten:
        return
    assert abs(value) < float("inf")
    assert isinstance(value, float) or -(2**63) <= value < 2**63


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_out_reads_back(value: float) -> None:
    text = f"{value:f}"
    if len(text.lstrip("-").partition(".")[0]) <= 40:
        assert number().value(text) == float(text)
