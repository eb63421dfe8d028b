"""true and false where numbers or text are wanted: pydantic would take them for 1 and 0."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from drivers.profile import Checked
from gateway.settings.document import Node
from gateway.settings.fields import alternatives, annotations


def stray(model: type[Checked], node: Node) -> Iterator[tuple[str, Node]]:
    """Key of `model` and place of every true or false that has no meaning there, however deep."""
    for key, inner in node.value.items() if isinstance(node.value, dict) else ():
        if isinstance(inner.value, bool | list | dict):
            for found in _stray([annotations(model).get(key, Any)], inner):
                yield key, found


def _stray(meant: Iterable[Any], node: Node) -> Iterator[Node]:
    kinds = [kind for annotation in meant for kind in alternatives(annotation)]
    if Any in kinds:
        return
    if isinstance(node.value, bool):
        if not any(kind is bool or (get_origin(kind) is Literal and True in get_args(kind)) for kind in kinds):
            yield node
    elif isinstance(node.value, list):
        rows = [get_args(kind) for kind in kinds if get_origin(kind) is tuple]
        for number, entry in enumerate(node.value):
            yield from _stray([_item(row, number) for row in rows] or [Any], entry)
    elif isinstance(node.value, dict):
        values = [get_args(kind)[1] for kind in kinds if get_origin(kind) is dict]
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Checked)]
        for key, entry in node.value.items():
            inner = [*values, *(annotations(kind).get(key, Any) for kind in models)]
            yield from _stray(inner or [Any], entry)


def _item(kinds: tuple[Any, ...], number: int) -> Any:
    """What the entry of that number in a tuple may be."""
    if kinds[-1] is Ellipsis:
        return kinds[0]
    return kinds[number] if number < len(kinds) else Any
