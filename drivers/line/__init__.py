"""The only I/O towards instruments. `open_line` gives a line; its `run()` keeps the port or connection up."""

from drivers.contract import Tags
from drivers.line.line import FieldLine
from drivers.line.tagged import TaggedLine
from drivers.line.wire import open_network
from drivers.profile import LineSpec

__all__ = ["FieldLine", "open_line"]


def open_line(spec: LineSpec, tags: Tags | None) -> FieldLine:
    """The line of that description; nothing is opened until `run()`. Needs a running loop."""
    if spec.kind == "serial":
        from drivers.line.serial_port import open_serial  # pyserial only where a port is used

        return FieldLine(spec, open_serial)
    if tags is None:
        return FieldLine(spec, open_network)
    return TaggedLine(spec, open_network, tags)
