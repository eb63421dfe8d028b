"""Nodes -> models, with every problem placed at the node it is about."""

from typing import Any, TypeVar

from pydantic import ValidationError

from drivers import durations
from drivers.profile import Checked
from gateway.settings.booleans import stray
from gateway.settings.document import Node
from gateway.settings.problem import Problem, did_you_mean

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
        details = [detail for detail in error.errors(include_url=False) if not wrong & set(detail["loc"][:1])]
        problems += _problems(model, node, details, what)
        return None
    return None if odd else made


def _problems(model: type[Checked], node: Node, details: list[Any], what: str) -> list[Problem]:
    """The problems of one model, without those that only follow from another."""
    unknown = [str(detail["loc"][-1]) for detail in details if detail["type"] == "extra_forbidden"]
    meant = {did_you_mean(key, keys_of(model)) for key in unknown}
    found: list[Problem] = []
    places: set[tuple[str, int, int]] = set()
    for detail in details:
        key = str(detail["loc"][-1]) if detail["loc"] else ""
        if detail["type"] == "missing" and (
            f"did you mean {key!r}?" in meant or node.get(_INSTEAD.get(key, "")) is not None
        ):
            continue
        problem = _problem(model, node, detail, what)
        # the branches of a union each complain of the same value; one complaint is enough
        place = (problem.file, problem.line, problem.column)
        if place not in places or detail["type"] == "missing":
            found.append(problem)
        places.add(place)
    return found


_INSTEAD = {"table": "modicon", "address": "modicon"}
"""One key that stands for others: where it is given, it is what is wrong."""


def keys_of(model: type[Checked]) -> list[str]:
    """Keys as they stand in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def described(value: Any) -> str:
    """A value as a person would name it, short."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


def _problem(model: type[Checked], node: Node, detail: Any, what: str) -> Problem:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    steps = list(detail["loc"])
    target, name = node, ""
    for step in steps:
        inner = _inside(target, step)
        if inner is None:
            break
        target = inner
        if isinstance(step, str):  # the place in a list is seen from the line number
            name = f"{name}.{step}" if name else step
    where = f"{name!r} of {what}" if name else what
    if kind == "missing" and isinstance(steps[-1], int):
        return target.problem(f"{where} has too few values")
    if kind == "missing":
        return target.key_problem(f"{what} lacks {str(steps[-1])!r}", f"add `{steps[-1]}: …`")
    if kind == "extra_forbidden":
        return target.key_problem(
            f"unknown key {str(steps[-1])!r} in {what}", did_you_mean(str(steps[-1]), keys_of(model))
        )
    seen = described(given)
    if kind in ("literal_error", "enum"):
        allowed = context.get("expected", "")
        advice = f"write {allowed}"
        if isinstance(given, str):
            close = did_you_mean(given, [word.strip("' ") for word in allowed.replace(" or ", ",").split(",")])
            advice = close if close.startswith("did") else advice
        return target.problem(f"{where} is {seen}", advice)
    if kind in ("value_error", "assertion_error"):
        words = str(context.get("error", detail["msg"]))
        message, _, advice = words.partition("; ")
        if not name:  # a rule of several keys: point at the first of them that it names
            inner = _named(target, message)
            if inner is not None:
                return inner.key_problem(f"{what}: {message}", advice or None)
        prefix = f"{where}: " if name else f"{what}: "
        return target.problem(prefix + message, advice or None)
    if kind == "string_type":
        hint = f"put it in quotes: '{given}'" if isinstance(given, int | float) else "write text"
        return target.problem(f"{where} is {seen}, not text", hint)
    if kind == "string_pattern_mismatch":
        return target.problem(
            f"{where} is {seen}", _PATTERNS.get(context["pattern"], f"it must match {context['pattern']}")
        )
    return target.problem(f"{where} is {seen}", _advice(kind, context, detail["msg"], given))


def _named(node: Node, message: str) -> Node | None:
    """The entry whose key comes first in the message."""
    entries = node.value if isinstance(node.value, dict) else {}
    words = message.replace("`", " ").replace(",", " ").replace(":", " ").split()
    return next((entries[word] for word in words if word in entries), None)


def _inside(node: Node, step: int | str) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(str(step))
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None


_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": "use letters, digits, `_`, `.`, `-`, at most 64, a letter or digit first",
    r"^[0-9a-f]{64}$": "write 64 hex digits in lower case, as `fieldgate key` prints them",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


def _advice(kind: str, context: Any, message: str, given: Any) -> str:
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        limit = context[key]
        # a duration is text in the file and seconds behind it
        timed = isinstance(given, str) and given.strip()[-1:] in ("s", "m", "h", "d")
        return f"it must be {words} {durations.written(limit) if timed and limit else f'{limit:.12g}'}"
    if kind == "finite_number":
        return "write a finite number; as an invalid value, plain nan or inf"
    if kind.startswith("int_"):
        return "write a whole number"
    if kind.startswith("float_"):
        return "write a number"
    if kind.startswith("bool_"):
        return "write true or false"
    if kind in ("tuple_type", "list_type"):
        return "write a list: [a, b]"
    if kind in ("dict_type", "model_type"):
        return "write keys with values"
    if kind in ("string_too_short", "string_too_long"):
        return f"it must have {context.get('min_length', 0) or 'at most ' + str(context.get('max_length'))} characters"
    return message.removeprefix("Input should be ").removeprefix("Value error, ")
