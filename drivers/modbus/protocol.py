"""What the catalogue needs to know of Modbus."""

from collections.abc import Sequence

from drivers.catalogue import Protocol
from drivers.contract import Tags
from drivers.line.transcript import Piece
from drivers.modbus.driver import ModbusDriver, framing
from drivers.modbus.load import poll_wire_s
from drivers.modbus.mbap import MbapTags
from drivers.modbus.recorded import RecordedLine
from drivers.modbus.scan import scan
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import LineSpec


def tags(line: LineSpec) -> Tags | None:
    """Modbus TCP numbers its requests; RTU and ASCII do not, on whatever transport."""
    return MbapTags() if framing(line) == "tcp" else None


def replayed(line: LineSpec, pieces: Sequence[Piece]) -> RecordedLine:
    """A line that answers from recorded registers."""
    return RecordedLine(line.name, pieces, framing(line))


PROTOCOL = Protocol(
    "modbus",
    ModbusPoint,
    ModbusOptions,
    ModbusDriver,
    tags,
    poll_wire_s,
    replayed=replayed,
    scan=scan,
    scan_answer_s=0.15,
)
