"""What a failed check means in words, and at which node it is seen."""

import re
from collections.abc import Collection
from typing import Any

from drivers import durations
from drivers.profile import Checked
from gateway.settings.document import Node
from gateway.settings.fields import keys_at
from gateway.settings.problem import Problem, did_you_mean


def key_meant(key: str, known: Collection[str]) -> str:
    """What to write instead of a key that is not known here: another program's word for it, or a misspelling."""
    meant = _SYNONYMS.get(key.lower().replace("-", "_"), "")
    return f"did you mean {meant!r}?" if meant in known else did_you_mean(key, known)


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


def problem_of(model: type[Checked], node: Node, detail: Any, what: str) -> Problem:
    """One of pydantic's error details for `model` at `node`, as a problem at the deepest node its path leads to."""
    kind, path = detail["type"], list(detail["loc"])
    target, names = _target(node, path)
    where = f"{'.'.join(names)!r} of {what}" if names else what
    if kind == "missing":
        if isinstance(path[-1], int):
            return target.problem(f"{where} has too few values")
        return target.key_problem(f"{what} lacks {path[-1]!r}", f"add `{path[-1]}: …`")
    if kind == "extra_forbidden":
        key = str(path[-1])
        return target.key_problem(f"unknown key {key!r} in {what}", key_meant(key, keys_at(model, path[:-1])))
    if kind in ("value_error", "assertion_error"):
        return _rule(target, where, not names, str(detail.get("ctx", {}).get("error", detail["msg"])))
    seen = f"{where} is {described(detail['input'])}"
    if kind == "string_type":
        if names and names[-1] == "factor":
            return target.problem(seen, "this is the HJ 212 factor code; what a value is multiplied by is `scale`")
        seen += ", not text"
    return target.problem(seen, _advice(kind, detail.get("ctx", {}), detail["msg"], detail["input"]))


_SYNONYMS = {
    **dict.fromkeys(("function", "function_code", "fc", "register_type", "area"), "table"),
    **dict.fromkeys(
        ("register", "reg", "start", "slave", "slave_id", "unit_id", "station", "device_address"), "address"
    ),
    **dict.fromkeys(("interval", "period", "poll", "polling", "cycle", "scan_interval"), "every"),
    **dict.fromkeys(("multiplier", "gain", "ratio", "coefficient", "resolution"), "scale"),
    **dict.fromkeys(("data_type", "datatype", "format"), "type"),
    **dict.fromkeys(("byte_order", "word_order", "endian", "endianness", "swap"), "order"),
    **dict.fromkeys(("precision", "digits"), "decimals"),
    **dict.fromkeys(("ip", "host"), "tcp"),
    **dict.fromkeys(("device", "com", "tty"), "serial"),
    **dict.fromkeys(("baud", "speed", "bps"), "baudrate"),
    **dict.fromkeys(("broker", "url", "server"), "mqtt"),
    **dict.fromkeys(("user", "login"), "username"),
    **dict.fromkeys(("topic", "prefix", "topic_prefix"), "base"),
}
"""What other programs and manuals call our keys."""


def _target(node: Node, path: list[int | str]) -> tuple[Node, list[str]]:
    """The deepest node on the path, and the keys that lead to it; places in lists are seen from the line number."""
    names: list[str] = []
    for step in path:
        inner = _inside(node, step)
        if inner is None:
            break
        node = inner
        if isinstance(step, str):
            names.append(step)
    return node, names


def _rule(target: Node, where: str, whole: bool, words: str) -> Problem:
    """A check written by hand: "what is wrong; what to write instead". One of several keys: the place of the first."""
    message, _, advice = words.partition("; ")
    inner = _named(target, message) if whole else None
    if inner is not None:
        return inner.key_problem(f"{where}: {message}", advice or None)
    return target.problem(f"{where}: {message}", advice or None)


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


_HEX = re.compile(r"([0-9A-Fa-f]{2,8})[Hh]")
_FRACTION = re.compile(r"([0-9.]+) ?(?:/ ?([0-9.]+)|%)")


def _quotient(text: str) -> str | None:
    """`1/100` and `1%` as the number they are."""
    found = _FRACTION.fullmatch(text)
    try:
        return repr(float(found[1]) / float(found[2] or 100)) if found else None
    except (ValueError, ZeroDivisionError):
        return None


def _advice(kind: str, context: Any, message: str, given: Any) -> str:
    """What to write instead of `given`."""
    if kind == "string_type":
        return f"put it in quotes: '{given}'" if isinstance(given, int | float) else "write text"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"it must match {context['pattern']}")
    if kind in ("literal_error", "enum"):
        allowed = str(context.get("expected", ""))
        choices = [word.strip("' ") for word in allowed.replace(" or ", ",").split(",")]
        close = did_you_mean(given, choices) if isinstance(given, str) else ""
        return close if close.startswith("did") else f"write {allowed}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        limit = context[key]
        # a duration is text in the file and seconds behind it
        timed = isinstance(given, str) and given.strip()[-1:] in ("s", "m", "h", "d")
        return f"it must be {words} {durations.written(limit) if timed and limit else f'{limit:.12g}'}"
    if kind == "finite_number":
        return "write a finite number; as an invalid value, plain nan or inf"
    if kind.startswith("int_"):
        digits = _HEX.fullmatch(given) if isinstance(given, str) else None
        return f"write 0x{digits[1]}" if digits else "write a whole number"
    if kind.startswith("float_"):
        return f"write {number}" if isinstance(given, str) and (number := _quotient(given)) else "write a number"
    if kind.startswith("bool_"):
        return "write true or false"
    if kind in ("tuple_type", "list_type"):
        return "write a list: [a, b]"
    if kind == "too_short":
        return f"it must have at least {context['min_length']}"
    if kind == "too_long":
        return f"it must have at most {context['max_length']}"
    if kind in ("dict_type", "model_type"):
        return "write keys with values"
    if kind in ("string_too_short", "string_too_long"):
        return f"it must have {context.get('min_length', 0) or 'at most ' + str(context.get('max_length'))} characters"
    return message.removeprefix("Input should be ").removeprefix("Value error, ")
