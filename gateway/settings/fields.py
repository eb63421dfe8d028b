"""Models as the file sees them: keys, and what may stand under each."""

from collections.abc import Iterable, Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from drivers.profile import Checked


@cache
def annotations(model: type[Checked]) -> dict[str, Any]:
    """What may stand under each key of the file."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, without the marks of Annotated."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from alternatives(part)
    else:
        yield annotation


def items(annotation: Any) -> Iterator[Any]:
    """What may stand inside a list or under a key of a mapping."""
    for kind in alternatives(annotation):
        if get_origin(kind) in (tuple, dict):
            yield from (part for part in get_args(kind) if part is not Ellipsis)


def keys_at(model: type[Checked], path: Iterable[int | str]) -> list[str]:
    """The keys of whatever model the path leads to, from `model` on."""
    kinds: list[Any] = [model]
    for step in path:
        inner: list[Any] = []
        for kind in (one for annotation in kinds for one in alternatives(annotation)):
            if isinstance(kind, type) and issubclass(kind, Checked):
                inner += [annotations(kind)[step]] if isinstance(step, str) and step in annotations(kind) else []
            else:
                inner += items(kind)
        kinds = inner
    models = [one for annotation in kinds for one in alternatives(annotation) if isinstance(one, type)]
    return [key for one in models if issubclass(one, Checked) for key in annotations(one)]
