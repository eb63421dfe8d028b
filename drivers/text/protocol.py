"""What the catalogue needs to know of text instruments."""

from drivers.catalogue import Protocol, no_tags
from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.check import problems
from drivers.text.driver import TextDriver
from drivers.text.listening import TextHearing
from drivers.text.source import TextOptions, TextPoint


def listens(spec: InstrumentSpec, line: LineSpec) -> bool:
    """Whether none of its messages is asked for."""
    return isinstance(spec.options, TextOptions) and not spec.options.asked


PROTOCOL = Protocol(
    "text",
    TextPoint,
    TextOptions,
    TextDriver,
    no_tags,
    check=problems,
    listens=listens,
    hearing=TextHearing,
    scan_listen_s=2.5,  # most print once a second
)
