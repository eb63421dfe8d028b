"""Protocol name -> what it brings. Plugins add to it by the entry point group `fieldgate.protocols`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from drivers.contract import Driver, Line, Tags
from drivers.profile import Checked, InstrumentSpec, LineSpec, Point

BUILT_IN = ("modbus", "dlt645", "cjt188", "mbus", "sdi12")
"""A protocol is named as its folder in drivers/; the folder's `protocol` module holds PROTOCOL."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: the keys of its points and of its options, and how to make a driver."""

    name: str
    point: type[Point]
    options: type[Checked]
    driver: Callable[[InstrumentSpec, Line, LineSpec], Driver]
    tags: Callable[[LineSpec], Tags | None]
    wire_s: Callable[[InstrumentSpec, LineSpec], float] | None = None
    """Seconds of one poll that are bytes and quiet gaps alone; raises ValueError with every problem, one a line."""


def no_tags(line: LineSpec) -> Tags | None:
    """For protocols whose answers carry no number of their question."""
    return None


def names() -> tuple[str, ...]:
    """Every protocol that a site file may name."""
    return BUILT_IN + tuple(entry.name for entry in entry_points(group="fieldgate.protocols"))


@cache
def protocol(name: str) -> Protocol:
    """The protocol of that name. Raises KeyError with the names that exist."""
    if name in BUILT_IN:
        found = import_module(f"drivers.{name}.protocol").PROTOCOL
    else:
        plugins = {entry.name: entry for entry in entry_points(group="fieldgate.protocols")}
        if name not in plugins:
            raise KeyError(f"unknown protocol {name!r}; known: {', '.join(names())}")
        found = plugins[name].load()
    assert isinstance(found, Protocol)
    return found
