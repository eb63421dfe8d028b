"""Protocol name -> what it brings. Plugins add to it by the entry point group `fieldgate.protocols`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from drivers.contract import Driver, Hearing, Line, Tags
from drivers.line.replayed import Replayed, ReplayedLine
from drivers.line.transcript import Piece
from drivers.profile import Checked, InstrumentSpec, LineSpec, Point
from drivers.scanning import Heard, Scan

BUILT_IN = ("modbus", "dlt645", "cjt188", "mbus", "sdi12", "bayern_hessen", "veeder_root", "text", "hj212", "host")
"""A protocol is named as its folder in drivers/; the folder's `protocol` module holds PROTOCOL."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: the keys of its points and of its options, and how to make a driver."""

    name: str
    point: type[Point]
    options: type[Checked]
    driver: Callable[[InstrumentSpec, Line, LineSpec], Driver]
    """The instrument that is asked. Raises ValueError for settings that cannot work."""
    tags: Callable[[LineSpec], Tags | None]
    """Framing that numbers its requests on this line; None where it does not."""
    wire_s: Callable[[InstrumentSpec, LineSpec], float] | None = None
    """Seconds of one poll that are bytes and quiet gaps alone; raises ValueError with every problem, one a line."""
    think_s: Callable[[InstrumentSpec], float] = lambda spec: 0.0
    """Seconds of one poll that the instrument usually thinks, beside `wire_s`; for the plan."""
    check: Callable[[InstrumentSpec, LineSpec], Iterable[str]] = lambda spec, line: ()
    """What cannot work, in words, for `fieldgate check`; "id: …" where it is about one point."""
    listens: Callable[[InstrumentSpec, LineSpec], bool] = lambda spec, line: False
    """Whether this instrument speaks unasked."""
    hearing: Callable[[Sequence[InstrumentSpec], LineSpec], Hearing] | None = None
    """All instruments of one line that speak unasked. Raises ValueError for those that cannot share it."""
    replayed: Callable[[LineSpec, Sequence[Piece]], Replayed] = lambda line, pieces: ReplayedLine(line.name, pieces)
    """A line that answers from a transcript (`fieldgate replay`)."""
    scan: Scan | None = None
    """Which addresses answer, for `fieldgate scan`; None where an address says nothing (text)."""
    scan_answer_s: float = 0.5
    """How long an answer may take to begin and end while scanning, beside the time of its bytes on a serial line."""
    scan_listen_s: float = 0.0
    """How long a scan listens for instruments that speak unasked; 0: they do not."""
    senders: Callable[[bytes], Sequence[Heard]] | None = None
    """Who speaks in these bytes, each one once; None where messages do not tell."""


def no_tags(line: LineSpec) -> Tags | None:
    """For protocols whose answers carry no number of their question."""
    return None


@cache
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


def hearing(instruments: Sequence[InstrumentSpec], line: LineSpec) -> Hearing | None:
    """What listens on a line with these instruments; None where they are asked. Raises ValueError where both are."""
    speaking = [one for one in instruments if protocol(one.protocol).listens(one, line)]
    if not speaking:
        if line.kind == "listen":
            raise ValueError(f"line {line.name} listens, and {instruments[0].id} waits to be asked")
        return None
    if len(speaking) < len(instruments) or len({one.protocol for one in instruments}) > 1:
        raise ValueError(f"line {line.name}: instruments that speak unasked share a line only with their like")
    make = protocol(speaking[0].protocol).hearing
    assert make is not None
    return make(speaking, line)
