"""The only I/O towards instruments. `open_line` gives a line; its `run()` keeps the port or connection up."""

from drivers.contract import Hearing, Tags
from drivers.line.line import FieldLine
from drivers.line.listening import ListeningLine
from drivers.line.tagged import TaggedLine
from drivers.line.wire import open_network
from drivers.profile import LineSpec

__all__ = ["FieldLine", "ListeningLine", "TaggedLine", "held_by_another", "listen_on", "open_line"]


async def held_by_another(spec: LineSpec) -> str | None:
    """Who has a serial line's port open for itself, in words that name the port; None when nobody has."""
    if spec.kind != "serial":
        return None
    from drivers.line import serial_port

    return await serial_port.held_by_another(spec)


def open_line(spec: LineSpec, tags: Tags | None) -> FieldLine:
    """The line of that description; nothing is opened until `run()`. Needs a running loop."""
    if spec.kind == "serial":
        from drivers.line.serial_port import open_serial  # pyserial only where a port is used

        return FieldLine(spec, open_serial)
    if spec.kind == "local":
        from drivers.line.machine import open_machine

        return FieldLine(spec, open_machine)
    if tags is None:
        return FieldLine(spec, open_network)
    return TaggedLine(spec, open_network, tags)


def listen_on(spec: LineSpec, hearing: Hearing) -> ListeningLine:
    """The line of that description, listened to. Nothing is opened until `run()`. Needs a running loop."""
    if spec.kind == "serial":
        from drivers.line.serial_port import open_serial

        return ListeningLine(spec, open_serial, hearing)
    return ListeningLine(spec, None if spec.kind == "listen" else open_network, hearing)
