"""A text that a regular expression matches, with given texts in its named groups: what an instrument would print."""

import re
from collections.abc import Callable, Mapping, Sequence
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_CLASSES = {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}
_FEW = 1
"""Repetitions of what may be repeated at will."""

Fill = Callable[[str, Callable[[str], bool]], str | None]
"""(group, whether a text fits it) -> the text for it; None where any will do."""


def rendered(pattern: str, fill: Fill) -> str:
    """A text that the whole pattern matches. Raises ValueError for a pattern that is beyond this."""
    tree = parser.parse(pattern)
    names = {number: name for name, number in tree.state.groupdict.items()}
    text = "".join(_of(item, names, fill) for item in tree)
    if re.fullmatch(pattern, text) is None:
        raise ValueError(f"{text!r} does not match {pattern!r}")
    return text


def _of(item: tuple[Any, Any], names: Mapping[int, str], fill: Fill) -> str:
    code, argument = item
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.ANY:
        return "-"
    if code is codes.NOT_LITERAL:
        return "-" if argument != ord("-") else "x"
    if code is codes.IN:
        return _one_of(argument)
    if code is codes.BRANCH:
        return "".join(_of(each, names, fill) for each in argument[1][0])
    if code is codes.SUBPATTERN:
        number, _, _, inside = argument
        name = names.get(number) if number is not None else None
        chosen = fill(name, _fits(inside)) if name is not None else None
        return chosen if chosen is not None else "".join(_of(each, names, fill) for each in inside)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, most, inside = argument
        times = max(least, min(_FEW, most))
        return "".join(_of(each, names, fill) for _ in range(times) for each in inside)
    if code is codes.AT:
        return ""
    raise ValueError(f"no text is made for {code}")


def _one_of(choices: Sequence[tuple[Any, Any]]) -> str:
    code, argument = choices[0]
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.RANGE:
        return chr(argument[0])
    if code is codes.CATEGORY:
        return _CLASSES[str(argument)]
    forbidden = {argument for code, argument in choices if code is codes.LITERAL}
    return next(letter for letter in "x-0" if ord(letter) not in forbidden)


def _fits(inside: Any) -> Callable[[str], bool]:
    """Whether a text is one that the sub-pattern matches."""

    def fits(text: str) -> bool:
        return _ends(tuple(inside), text, 0)

    return fits


def _ends(items: tuple[tuple[Any, Any], ...], text: str, at: int) -> bool:
    """Whether the items match the text from `at` to its end; backtracks, on short texts."""
    if not items:
        return at == len(text)
    (code, argument), rest = items[0], items[1:]
    if code is codes.SUBPATTERN:
        return _ends((*argument[3], *rest), text, at)
    if code is codes.BRANCH:
        return any(_ends((*branch, *rest), text, at) for branch in argument[1])
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, most, inside = argument
        if most and _ends((*inside, (code, (max(0, least - 1), most - 1, inside)), *rest), text, at):
            return at < len(text) or least <= 1
        return least == 0 and _ends(rest, text, at)
    if code is codes.AT:
        return _ends(rest, text, at)
    return at < len(text) and _letter(code, argument, text[at]) and _ends(rest, text, at + 1)


def _letter(code: Any, argument: Any, letter: str) -> bool:
    if code is codes.LITERAL:
        return bool(ord(letter) == argument)
    if code is codes.NOT_LITERAL:
        return bool(ord(letter) != argument)
    if code is codes.ANY:
        return letter != "\n"
    if code is codes.RANGE:
        return bool(argument[0] <= ord(letter) <= argument[1])
    if code is codes.CATEGORY:
        tests = {"CATEGORY_DIGIT": str.isdigit, "CATEGORY_SPACE": str.isspace, "CATEGORY_WORD": str.isalnum}
        return tests[str(argument)](letter)
    if code is codes.IN:
        negated = argument[0][0] is codes.NEGATE
        found = any(_letter(each, what, letter) for each, what in argument[negated:])
        return found != negated
    raise ValueError(f"no text is made for {code}")
