"""Texts made from patterns: what is made is what the pattern matches, with the given texts where they fit."""

import re
from collections.abc import Callable

import pytest

from drivers.simulator.rendering import rendered


def given(group: str, fits: Callable[[str], bool]) -> str | None:
    return "12.5" if group == "weight" and fits("12.5") else None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"S (?P<state>[SD]) +(?P<weight>-?[0-9.]+) (?P<unit>kg|g)", "S S 12.5 kg"),
        (r"(?P<a>ST|US),(?P<weight>[+-][0-9.]{3,})", "ST,+000"),
        (r"x{2,3}[^,]*[0-9] (?:ab|cd)?$", "xx-0 ab"),
    ],
)
def test_text_is_made_with_what_fits(pattern: str, text: str) -> None:
    made = rendered(pattern, given)
    assert re.fullmatch(pattern, made)
    assert made == text


def test_text_that_does_not_fit_is_not_taken() -> None:
    assert rendered("(?P<n>[0-9]{4})", lambda group, fits: "12" if fits("12") else None) == "0000"
    assert rendered("(?P<n>[0-9]{2,4})", lambda group, fits: "123" if fits("123") else None) == "123"


def test_pattern_that_is_beyond_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no text is made"):
        rendered(r"(?=a)a", lambda group, fits: None)
