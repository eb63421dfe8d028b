"""Requests as bytes, and what a right answer to each looks like. Pure.

An `Ask` is one question in terms of the application protocol; `request` puts it into one of the three framings
and gives it the `receive` that checks the answer: unit, function, exception, byte count, echoed address and
value, and CRC, LRC or MBAP header. Frames are built once with pymodbus; the answers of every poll are checked
on their bytes (drivers/modbus/mbap.py, rtu.py, ascii.py), which is what the polling path can afford.

    Ask ── request(framing) ──► Request.frame ──► wire ──► Request.receive ──► Whole(payload) | Skip | None
                                                                     raises BadReply, Refused
"""

from dataclasses import dataclass
from typing import Literal

from pymodbus.framer import FramerAscii, FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.contract import Request
from drivers.modbus import ascii as ascii_framing
from drivers.modbus import mbap, rtu
from drivers.modbus.ask import Ask

Framing = Literal["tcp", "rtu", "ascii"]

_READS: dict[int, type[ModbusPDU]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
_FRAMERS: dict[str, FramerBase] = {
    "tcp": FramerSocket(DecodePDU(False)),
    "rtu": FramerRTU(DecodePDU(False)),
    "ascii": FramerAscii(DecodePDU(False)),
}
_RECEIVERS = {"tcp": mbap.receiver, "rtu": rtu.receiver, "ascii": ascii_framing.receiver}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for one instrument; the fields are those of Request."""

    timeout_s: float
    pause_s: float = 0.0
    first_byte_s: float | None = None
    settle_s: float | None = None


def read(unit: int, function: int, address: int, count: int) -> Ask:
    """Read `count` bits (functions 1, 2) or registers (3, 4) from `address`; the payload is their bytes."""
    size = (count + 7) // 8 if function in (1, 2) else 2 * count
    return _ask(_READS[function](address=address, count=count, dev_id=unit), bytes([size]), size)


def write_coils(unit: int, address: int, values: list[bool], *, multiple: bool = False) -> Ask:
    """Set coils in a row: function 5 for a single one unless `multiple`, else 15. The payload is empty."""
    if len(values) == 1 and not multiple:
        pdu: ModbusPDU = WriteSingleCoilRequest(address=address, bits=values, dev_id=unit)
        return _ask(pdu, pdu.encode(), 0)
    pdu = WriteMultipleCoilsRequest(address=address, bits=values, dev_id=unit)
    return _ask(pdu, pdu.encode()[:4], 0)


def write_registers(unit: int, address: int, payload: bytes, *, multiple: bool = False) -> Ask:
    """Set registers from their bytes: function 6 for a single one unless `multiple`, else 16. The payload is empty."""
    registers = [int.from_bytes(payload[at : at + 2], "big") for at in range(0, len(payload), 2)]
    if len(registers) == 1 and not multiple:
        pdu: ModbusPDU = WriteSingleRegisterRequest(address=address, registers=registers, dev_id=unit)
        return _ask(pdu, pdu.encode(), 0)
    pdu = WriteMultipleRegistersRequest(address=address, registers=registers, dev_id=unit)
    return _ask(pdu, pdu.encode()[:4], 0)


def _ask(pdu: ModbusPDU, head: bytes, size: int) -> Ask:
    return Ask(pdu.dev_id, pdu.function_code, pdu.encode(), head, size)


def frame(ask: Ask, framing: Framing) -> bytes:
    """The request on the wire; in Modbus TCP with transaction id 0 (`mbap.MbapTags` stamps another)."""
    return _FRAMERS[framing].encode(bytes([ask.function]) + ask.body, ask.unit, 0)


def request(ask: Ask, framing: Framing, timing: Timing) -> Request:
    """The question as a line sends it, with the check of its answer."""
    sent = frame(ask, framing)
    return Request(
        unit=ask.unit,
        frame=sent,
        receive=_RECEIVERS[framing](ask, sent),
        timeout_s=timing.timeout_s,
        pause_s=timing.pause_s,
        first_byte_s=timing.first_byte_s,
        reply_bytes=reply_bytes(ask, framing),
        settle_s=timing.settle_s,
    )


def reply_bytes(ask: Ask, framing: Framing) -> int:
    """Length of a normal answer on the wire."""
    pdu = 1 + len(ask.head) + ask.size
    return {"tcp": 7 + pdu, "rtu": 3 + pdu, "ascii": 2 * (pdu + 2) + 3}[framing]
