"""Read Device Identification, function 43/14 (Modbus Application Protocol V1.1b3 §6.21), basic objects. Pure."""

from collections.abc import Callable

from drivers.contract import Request, Verdict, Whole
from drivers.errors import BadReply, Refused
from drivers.modbus.codec import Framing
from drivers.modbus.crc import crc16

OBJECTS = {0: "maker", 1: "model", 2: "revision"}
_ASK = bytes([43, 14, 1, 0])
_HEAD = 7
"""Function, type, code, conformity, more, next object, number of objects."""
_MBAP = 7


def request(unit: int, framing: Framing, timeout_s: float) -> Request | None:
    """The question; None for framings in which it is not asked (ASCII). The payload is the answer's PDU."""
    pdu = bytes([unit]) + _ASK
    if framing == "rtu":
        return Request(unit, pdu + crc16(pdu).to_bytes(2, "little"), _rtu(unit), timeout_s)
    if framing == "tcp":
        return Request(unit, b"\0\0\0\0\0" + bytes([len(pdu)]) + pdu, _tcp(unit), timeout_s)
    return None


def objects(pdu: bytes) -> dict[str, str]:
    """The basic objects of an answer, by name; what is no text is left out."""
    found: dict[str, str] = {}
    at = _HEAD
    while at + 2 <= len(pdu):
        number, size = pdu[at], pdu[at + 1]
        text = pdu[at + 2 : at + 2 + size].decode("ascii", "replace").strip("\0 ")
        if number in OBJECTS and text.isprintable() and text:
            found[OBJECTS[number]] = text
        at += 2 + size
    return found


def _end(pdu: bytes) -> int | None:
    """Where the answer's PDU ends, once that is known."""
    if len(pdu) < _HEAD:
        return None
    at = _HEAD
    for _ in range(pdu[_HEAD - 1]):
        if len(pdu) < at + 2:
            return None
        at += 2 + pdu[at + 1]
    return at


def _checked(pdu: bytes) -> bytes:
    if len(pdu) == 2 and pdu[0] == 43 | 0x80:
        raise Refused(f"{pdu[1]} to the question who it is", pdu[1])
    if pdu[:2] != _ASK[:2]:
        raise BadReply(f"function {pdu[0]} answers function 43", "wrong_function")
    return pdu


def _rtu(unit: int) -> Callable[[bytes | bytearray], Verdict]:
    def receive(data: bytes | bytearray) -> Verdict:
        if len(data) < 5:
            return None
        if data[0] != unit:
            raise BadReply("another unit answers", "wrong_unit")
        end = 2 if data[1] & 0x80 else _end(bytes(data[1:]))
        if end is None or len(data) < end + 3:
            return None
        if crc16(data[: end + 3]) != 0:
            raise BadReply("wrong CRC")
        return Whole(end + 3, _checked(bytes(data[1 : end + 1])))

    return receive


def _tcp(unit: int) -> Callable[[bytes | bytearray], Verdict]:
    def receive(data: bytes | bytearray) -> Verdict:
        if len(data) < _MBAP:
            return None
        end = 6 + int.from_bytes(data[4:6], "big")
        if len(data) < end:
            return None
        if data[6] != unit or end < _MBAP + 2:
            raise BadReply("another unit answers", "wrong_unit")
        return Whole(end, _checked(bytes(data[_MBAP:end])))

    return receive
