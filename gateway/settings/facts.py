"""What a settings model says of each key, in words: the one source of docs/site-file.md and the JSON Schema."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from drivers import durations
from drivers.profile import Checked
from gateway.settings.values import Endpoint, written_period


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it stands in the file."""

    name: str
    kind: str
    limits: str
    default: str
    text: str
    required: bool
    choices: tuple[Any, ...] = ()


def keys(model: type[Checked]) -> Iterator[Key]:
    """Every key of the model, in the order in which it is written down."""
    written = texts(model)
    for name, field in model.model_fields.items():
        marks = _marks(field)
        kind, choices = _kind(field, marks)
        yield Key(
            name=field.alias or name,
            kind=kind,
            limits=_limits(marks, kind),
            default=_default(field, kind),
            text=" ".join(written.get(name, "").split()),
            required=field.is_required(),
            choices=choices,
        )


@cache
def texts(model: type[Checked]) -> Mapping[str, str]:
    """The text under each field of the model and of those that it extends, read from their source."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is not Checked and issubclass(owner, Checked):
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
            assert isinstance(body, ast.ClassDef)
            found |= dict(_written(body.body))
    return found


def _written(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, behind in pairwise(body):
        match field, behind:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def models(field: FieldInfo) -> list[type[Checked]]:
    """The models that may stand under a key."""
    return [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, Checked)]


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _parts(part)


def _marks(field: FieldInfo) -> list[Any]:
    """Constraints of the value itself, also where they hide inside `… | None`."""
    marks = list(field.metadata)
    for part in get_args(field.annotation) if _is_union(field.annotation) else ():
        if get_origin(part) is Annotated:
            for mark in part.__metadata__:
                marks += mark.metadata if isinstance(mark, FieldInfo) else [mark]
    return marks


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _validators(marks: list[Any]) -> list[Callable[..., Any]]:
    return [mark.func for mark in marks if isinstance(mark, BeforeValidator)]


def _kind(field: FieldInfo, marks: list[Any]) -> tuple[str, tuple[Any, ...]]:
    functions = _validators(marks)
    if durations.seconds in functions:
        return "duration", ()
    if durations.size in functions:
        return "size", ()
    if written_period in functions:
        return "duration or `fastest`", ()
    annotation = field.annotation
    wanted = [part for part in get_args(annotation) if part is not NoneType] if _is_union(annotation) else [annotation]
    words = [_word(part) for part in wanted]
    choices = tuple(choice for part in wanted if get_origin(part) is Literal for choice in get_args(part))
    return " or ".join(dict.fromkeys(words)), choices


_WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}


def _word(part: Any) -> str:
    origin, inner = get_origin(part), get_args(part)
    if origin is Annotated:
        return "host:port" if part == Endpoint else _word(inner[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in inner)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {_plural(inner[0])}"
        return f"[{', '.join(_word(one) for one in inner)}]"
    if origin is dict:
        return f"mapping of {_plural(inner[0])} to {_plural(inner[1])}"
    if _is_union(part):
        return " or ".join(_word(one) for one in inner if one is not NoneType)
    if isinstance(part, type) and issubclass(part, Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in part)
    if isinstance(part, type) and issubclass(part, Checked):
        return "mapping"
    return _WORDS.get(part, str(part))


def _plural(part: Any) -> str:
    word = _word(part)
    return {"text": "texts", "whole number": "whole numbers", "number": "numbers", "mapping": "mappings"}.get(
        word, word
    )


def _limits(marks: list[Any], kind: str) -> str:
    bounds = {name: getattr(mark, name) for mark in marks for name in ("ge", "gt", "le", "lt") if hasattr(mark, name)}
    lowest, highest = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if kind.startswith("duration or"):
        lowest = 0.05
    words = []
    if lowest is not None:
        words.append(f"{'from' if 'gt' not in bounds else 'above'} {_shown(lowest, kind)}")
    if highest is not None:
        words.append(f"to {_shown(highest, kind)}")
    return " ".join(words)


def _shown(value: Any, kind: str) -> str:
    if kind.startswith("duration"):
        return durations.written(value) if value else "0s"
    if kind == "size":
        return written_size(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def written_size(size: int) -> str:
    """The shortest spelling of a size: 2147483648 -> 2GiB."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def _default(field: FieldInfo, kind: str) -> str:
    default = field.default
    if field.is_required() or default in (None, PydanticUndefined, "", ()) or isinstance(default, Checked):
        return ""
    if isinstance(default, tuple):
        return f"[{', '.join(_shown(one, kind) for one in default)}]"
    return _shown(default, kind)
