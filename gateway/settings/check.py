"""Nodes -> models, with every problem placed at the node it is about."""

from typing import Any, TypeVar

from pydantic import ValidationError

from drivers.profile import Checked
from gateway.settings.booleans import stray
from gateway.settings.commas import commas
from gateway.settings.document import Node
from gateway.settings.fields import keys_at
from gateway.settings.problem import Problem
from gateway.settings.wording import described, key_meant, problem_of

Model = TypeVar("Model", bound=Checked)


def checked(model: type[Model], node: Node, problems: list[Problem], what: str) -> Model | None:
    """`node` as a `model`; None where it is not one, with the reasons added to `problems`.

    `what` names the thing in messages: "line forecourt".
    """
    if not isinstance(node.value, dict):
        problems.append(node.problem(f"{what} is {described(node.value)}", "write keys with values"))
        return None
    odd = list(stray(model, node))
    for key, entry in odd:
        problems.append(entry.problem(f"{described(entry.value)} is no value of {key!r} in {what}"))
    wrong = {key for key, _ in odd}
    try:
        made = model.model_validate(node.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        for keys, problem in commas(model, node, what):
            problems.append(problem)
            wrong.update(keys)
        details = [detail for detail in error.errors(include_url=False) if not wrong & set(detail["loc"][:1])]
        problems += _problems(model, node, details, what)
        return None
    return None if odd else made


def _problems(model: type[Checked], node: Node, details: list[Any], what: str) -> list[Problem]:
    """The problems of one model, without those that only follow from another."""
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    meant = {key_meant(str(path[-1]), keys_at(model, path[:-1])) for path in unknown}
    found: list[Problem] = []
    places: set[tuple[str, int, int]] = set()
    for detail in details:
        key = str(detail["loc"][-1]) if detail["loc"] else ""
        missing = detail["type"] == "missing"
        if missing and (f"did you mean {key!r}?" in meant or node.get(_INSTEAD.get(key, "")) is not None):
            continue
        problem = problem_of(model, node, detail, what)
        # the branches of a union each complain of the same value; one complaint is enough
        place = (problem.file, problem.line, problem.column)
        if missing or place not in places:
            found.append(problem)
        places.add(place)
    return found


_INSTEAD = {"table": "modicon", "address": "modicon"}
"""One key that stands for others: where it is given, it is what is wrong."""
