"""One question of the Modbus application protocol, and the check of its answer without any framing. Pure."""

from dataclasses import dataclass

from drivers.errors import BadReply, Refused

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge, still working",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""Modbus Application Protocol V1.1b3 §7; 7 by the older edition."""


@dataclass(frozen=True, slots=True)
class Ask:
    """`body` follows the function code in the request; in the answer `head` must, and then `size` bytes of payload."""

    unit: int
    function: int
    body: bytes
    head: bytes
    size: int

    @property
    def reply_start(self) -> bytes:
        """The first bytes of a normal answer: unit, function, head."""
        return bytes([self.unit, self.function]) + self.head


def payload(ask: Ask, pdu: bytes) -> bytes:
    """What was asked for, from the answer's PDU (function code and data). Raises Refused or BadReply."""
    function = pdu[0]
    if function == ask.function | 0x80 and len(pdu) == 2:
        code = pdu[1]
        raise Refused(f"{code} {EXCEPTIONS.get(code, 'unknown')}", code)
    if function & 0x7F != ask.function:
        raise BadReply(f"function {function} answers function {ask.function}", "wrong_function")
    start = 1 + len(ask.head)
    if function != ask.function or len(pdu) != start + ask.size:
        raise BadReply(
            f"{len(pdu)} bytes answer function {ask.function}, {start + ask.size} are right: {pdu[:8].hex(' ')}",
            "wrong_count",
        )
    if pdu[1:start] != ask.head:
        what = "wrong_count" if ask.size else "wrong_echo"
        raise BadReply(f"answer has {pdu[1:start].hex(' ')} where {ask.head.hex(' ')} is right", what)
    return pdu[start:]
