"""The language of formulas: what it computes, what it refuses and where, and that nothing else can happen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.expression import DEEPEST, ExpressionError, FormulaError, parse
from gateway.domain.functions import FUNCTIONS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 - 3 - 4", -5),
        ("8 / 4 / 2", 1),
        ("-a * 2", -20),
        ("2 * -a", -20),
        ("- - 3", 3),
        ("1.5e2 + .5", 150.5),
        ("a * (21 - 9) / (21 - o2)", 10 * 12 / 15),
        ("min(3, a, 7)", 3),
        ("max(3, a, 7)", 10),
        ("abs(0 - a)", 10),
        ("a > 9", True),
        ("a >= 10 and o2 != 6", False),
        ("not a < 5 or 1 / 0 > 1", True),
        ("a == 10", True),
        ("if(o2 < 19, a, 0)", 10),
        ("if(o2 > 19, 1 / 0, 7)", 7),
        ("if(a > 5 and on, 1, 2) + 1", 2),
        ("oxygen_corrected(a, o2, 9)", 8),
    ],
)
def test_formula_has_the_value_that_paper_gives(text: str, value: float) -> None:
    assert parse(text, FUNCTIONS).value({"a": 10, "o2": 6, "on": True}) == value


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("", 1, "the end"),
        ("1 +", 4, "the end"),
        ("so2 so3", 5, "operator is missing"),
        ("a.b", 2, "no attributes"),
        ("a = 1", 3, "equality is =="),
        ("(a + 1", 7, "')' is wanted"),
        ("a + )", 5, "not ')'"),
        ("foo(1)", 1, "no function 'foo'"),
        ("1 + min(1)", 5, "2 or more values"),
        ("oxygen_corrected(1, 2)", 1, "3 to 4 values"),
        ("if(a, 1)", 1, "a condition and two values"),
        ("1 < a < 3", 7, "do not chain"),
        ("min + 1", 1, "write min("),
        ("a[0]", 2, "means nothing"),
        ("'x'", 1, "there is no text"),
        ("a ** 2", 4, "not '*'"),
        ("and 1", 1, "not 'and'"),
        ("1e999", 1, "too large"),
        ("f(1,,2)", 5, "not ','"),
    ],
)
def test_error_names_the_column(text: str, column: int, word: str) -> None:
    with pytest.raises(ExpressionError, match=r"column \d+: .+") as found:
        parse(text, FUNCTIONS)
    assert found.value.column == column
    assert word in str(found.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [("1 / a", "division by zero"), ("1e308 * 10", "no finite number"), ("oxygen_corrected(1, 20.9, 9)", "guard")],
)
def test_numbers_without_a_result_are_an_error_of_the_formula(text: str, why: str) -> None:
    with pytest.raises(FormulaError, match=why):
        parse(text, FUNCTIONS).value({"a": 0})


def test_deep_and_long_formulas_are_refused_before_they_can_hurt() -> None:
    for deep in ("(" * 1, "-", "not ", "abs("):
        text = deep * (DEEPEST + 1) + "1"
        with pytest.raises(ExpressionError, match="levels deep"):
            parse(text)
    with pytest.raises(ExpressionError, match="at most"):
        parse("1+" * 600 + "1")


def test_names_come_in_the_order_of_their_appearance_and_once() -> None:
    assert parse("b + a * b - if(c, a, 1)").names == ("b", "a", "c")


@given(st.text("ab01.+-*/()<>=!, \tifmnox_andr'\"[]{}:;\\", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_formula_or_an_error_with_a_column(text: str) -> None:
    column, value = None, None
    try:
        formula = parse(text, FUNCTIONS)
        value = formula.value(dict.fromkeys(formula.names, 2.5))
    except ExpressionError as error:
        column = error.column
    except FormulaError as error:
        value = str(error)
    assert value is not None or column in range(1, len(text) + 2)


_NUMBERS = st.integers(0, 9).map(str)


@given(st.recursive(_NUMBERS, lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
    st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
    inner.map(lambda part: f"-({part})"),
), max_leaves=12))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_arithmetic_agrees_with_python_s(text: str) -> None:
    try:
        wanted = eval(text)
    except ZeroDivisionError:
        with pytest.raises(FormulaError):
            parse(text).value({})
        return
    assert parse(text).value({}) == pytest.approx(wanted)
