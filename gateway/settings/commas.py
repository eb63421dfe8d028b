"""Numbers written with a decimal comma, wherever a number is wanted, and what to write instead.

YAML makes text of `scale: 0,001`, and two entries of it inside brackets: `{scale: 0,001}` is a scale of 0 and a key
001, `[0,5, 10]` has three values. Looked for only where a check has failed, since none of them passes one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from types import NoneType
from typing import Any, get_args, get_origin

from drivers.profile import Checked
from gateway.settings.document import Node
from gateway.settings.fields import alternatives, annotations
from gateway.settings.problem import Problem

_COMMA = re.compile(r"\s*([-+]?[0-9]+),([0-9]+)(\s*[A-Za-z]*)\s*")
_GROUPED = re.compile(r"\s*([-+]?[0-9]{1,3}(?:([.,])[0-9]{3})+)([.,][0-9]+)?(\s*[A-Za-z]*)\s*")
"""1,000 and 1.234,5: a sign between thousands, and perhaps another before the decimals."""
_FORMS = (_COMMA, _GROUPED)
_TAIL = re.compile(r"([0-9]+)([A-Za-z]*)")
_WHOLE = re.compile(r"[-+]?[0-9]+")
MOST_READINGS = 3
"""Of a list that can be read in several ways, as many are named."""

Found = tuple[tuple[str, ...], Problem]
"""The keys at the top of the model that are wrong, and why."""


def commas(model: type[Checked], node: Node, what: str) -> Iterator[Found]:
    """Every decimal comma in `node`, which is to be a `model`, however deep. `what` names it in messages."""
    yield from _in_mapping([model], node, what, ())


def _in_mapping(kinds: Sequence[Any], node: Node, what: str, top: tuple[str, ...]) -> Iterator[Found]:
    entries = node.value if isinstance(node.value, dict) else {}
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Checked)]
    values = [get_args(kind)[1] for kind in kinds if get_origin(kind) is dict]

    def meant(key: str) -> list[Any]:
        inner = [*values, *(annotations(one)[key] for one in models if key in annotations(one))]
        return [kind for annotation in inner for kind in alternatives(annotation)]

    split = _split(entries)
    tails = set(split.values())
    for key, entry in entries.items():
        if key in tails or Any in (here := meant(key)):
            continue
        tail = split.get(key)
        if tail is not None and _numbers(here) and not any(tail in annotations(one) for one in models):
            written = f"{_text(entry)},{tail}"
            yield top or (key, tail), _problem(entry, f"{key!r} of {what}", written, here)
        else:
            yield from _at(here, entry, f"{key!r} of {what}", top or (key,))


def _split(entries: dict[str, Node]) -> dict[str, str]:
    """Key -> the key behind it, where a comma may have cut a number in two: `{scale: 0,001}`."""
    places = {key: entry.key or (entry.line, entry.column) for key, entry in entries.items()}
    # a profile's entries lie in another file
    in_order = sorted(entries, key=lambda key: (entries[key].file, places[key]))
    return {
        before: key
        for before, key in pairwise(in_order)
        if _TAIL.fullmatch(key)
        and entries[key].value is None
        and (entries[key].file, places[key][0]) == (entries[before].file, entries[before].line)
        and _WHOLE.fullmatch(_text(entries[before]))
    }


def _at(kinds: Sequence[Any], node: Node, what: str, top: tuple[str, ...]) -> Iterator[Found]:
    if isinstance(node.value, dict):
        yield from _in_mapping(kinds, node, what, top)
    elif isinstance(node.value, list):
        yield from _in_list(kinds, node, what, top)
    elif isinstance(node.value, str) and _numbers(kinds) and any(form.fullmatch(node.value) for form in _FORMS):
        yield top, _problem(node, what, node.value, kinds)


def _in_list(kinds: Sequence[Any], node: Node, what: str, top: tuple[str, ...]) -> Iterator[Found]:
    assert isinstance(node.value, list)
    rows = [get_args(kind) for kind in kinds if get_origin(kind) is tuple]
    fixed = {len(row) for row in rows if row[-1] is not Ellipsis and all(_numbers(alternatives(one)) for one in row)}
    if len(fixed) == len(rows) == 1 and len(node.value) > max(fixed):
        if readings := list(_joined(node.value, max(fixed))):
            shown = [f"[{', '.join(one)}]" for one in readings[:MOST_READINGS]]
            problem = node.problem(
                f"{what} has {len(node.value)} values and not {max(fixed)}: a comma separates values, it is no decimal "
                "sign",
                f"write {' or '.join(shown)}",
            )
            yield top, replace(problem, zh=f"逗号用于分隔数值，小数点请写“.”：{' 或 '.join(shown)}")
        return
    for number, entry in enumerate(node.value):
        places = [
            row[0] if row[-1] is Ellipsis else row[number] for row in rows if row[-1] is Ellipsis or number < len(row)
        ]
        inner = [kind for annotation in places for kind in alternatives(annotation)]
        if inner and Any not in inner:
            yield from _at(inner, entry, what, top)


def _joined(nodes: Sequence[Node], count: int) -> Iterator[list[str]]:
    """Every way to read the numbers as `count` numbers with decimals, where no space stands behind the comma."""
    if not nodes:
        if count == 0:
            yield []
        return
    if count == 0:
        return
    text = _text(nodes[0])
    if len(nodes) > 1 and _WHOLE.fullmatch(text) and re.fullmatch("[0-9]+", _text(nodes[1])):
        begins = (nodes[0].line, nodes[0].column + len(text) + 1)
        if begins == (nodes[1].line, nodes[1].column):
            for rest in _joined(nodes[2:], count - 1):
                yield [f"{text}.{_text(nodes[1])}", *rest]
    for rest in _joined(nodes[1:], count - 1):
        yield [text, *rest]


def _text(node: Node) -> str:
    """The value as it is written; a number of YAML has lost its leading zeros."""
    return node.text or str(node.value)


def _numbers(kinds: Iterable[Any]) -> bool:
    """Whether a number may stand there, and nothing that a comma could belong to."""
    found = set(map(_hashable, kinds))
    return bool(found & {int, float}) and str not in found


def _hashable(kind: Any) -> Any:
    return kind if isinstance(kind, type) else NoneType


def _problem(node: Node, what: str, written: str, kinds: Sequence[Any]) -> Problem:
    written = written.strip()
    right = " or ".join(_spellings(written, float in kinds)) or "a whole number"
    problem = node.problem(f"{what} is {written}, with a decimal comma", f"write {right}")
    return replace(
        problem, zh=f"小数点请写“.”，不要写逗号：{right.replace(' or ', ' 或 ').replace('a whole number', '整数')}"
    )


def _spellings(written: str, decimals: bool) -> Iterator[str]:
    """What the number can mean, spelled as it should be."""
    if grouped := _GROUPED.fullmatch(written):
        digits, sign, rest, unit = grouped.groups()
        whole = digits.replace(sign, "")
        if rest is not None:
            if rest[0] != sign and decimals:  # 1.234,5
                yield f"{whole}.{rest[1:]}{unit}"
            return
        if sign == "," and not digits.lstrip("+-").startswith("0"):
            yield f"{whole}{unit}"
    # a size has a unit and may have decimals, though it becomes a whole number of bytes
    if (found := _COMMA.fullmatch(written)) and (decimals or found[3]):
        yield f"{found[1]}.{found[2]}{found[3]}"
