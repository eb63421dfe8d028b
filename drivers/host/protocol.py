"""What the catalogue needs to know of the machine itself."""

from collections.abc import Iterator

from drivers.catalogue import Protocol, no_tags
from drivers.host.driver import driver
from drivers.host.source import HostOptions, HostPoint
from drivers.profile import InstrumentSpec, LineSpec


def problems(spec: InstrumentSpec, line: LineSpec) -> Iterator[str]:
    """A line that is not this machine."""
    if line.kind != "local":
        yield f"line {line.name} is a {line.kind} line; the machine itself is on `local: /`"


PROTOCOL = Protocol("host", HostPoint, HostOptions, driver, no_tags, check=problems)
