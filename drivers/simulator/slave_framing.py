"""Modbus framings seen from the slave's side, pure: bytes in, questions out, answers back into bytes.

A slave that hears noise drops it byte by byte until a frame with a right check begins, as a UART slave does
after a silent interval.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from drivers.modbus.crc import crc16, lrc

_FIXED_RTU = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 43: 7}
"""Bytes of a request by function, address and CRC included (Modbus Application Protocol V1.1b3 §6)."""
_COUNT_AT = {15: 6, 16: 6, 23: 10}
"""Where a request of variable length says how many bytes of data follow."""
_LONGEST_RTU = 256  # Modbus over serial line V1.02 §2.5.1


@dataclass(frozen=True, slots=True)
class Question:
    """One request as a slave got it: unit address, PDU, and the transaction id where the framing has one."""

    unit: int
    pdu: bytes
    tag: int = 0


class SlaveFraming(Protocol):
    """The slave's half of one framing; keeps the unfinished input of one connection or bus."""

    def questions(self, data: bytes) -> Iterator[Question]:
        """Everything that is whole now."""

    def frame(self, unit: int, pdu: bytes, tag: int = 0) -> bytes:
        """An answer as it goes on the wire."""

    def forget(self) -> None:
        """The line was silent: what was begun will not be finished."""


class TcpFraming:
    """MBAP header: transaction id, protocol 0, length, unit."""

    def __init__(self) -> None:
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[Question]:
        """Everything that is whole now; a header that is none ends the connection's use (ValueError)."""
        self._input += data
        while len(self._input) >= 7:
            length = int.from_bytes(self._input[4:6])
            if self._input[2:4] != b"\0\0" or not 2 <= length <= 254:
                raise ValueError(f"no Modbus TCP header: {self._input[:7].hex(' ')}")
            if len(self._input) < 6 + length:
                return
            question = Question(self._input[6], bytes(self._input[7 : 6 + length]), int.from_bytes(self._input[:2]))
            del self._input[: 6 + length]
            yield question

    def frame(self, unit: int, pdu: bytes, tag: int = 0) -> bytes:
        """The answer behind its header."""
        return tag.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2) + bytes([unit]) + pdu

    def forget(self) -> None:
        """A stream has no silent intervals."""


class RtuFraming:
    """Address, PDU, CRC; the length of a request follows from its function."""

    def __init__(self) -> None:
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[Question]:
        """Everything that is whole now; what cannot begin a request is dropped byte by byte."""
        self._input += data
        while len(self._input) >= 4:
            length = _rtu_length(self._input)
            if length is not None and length > len(self._input):
                break
            if length is not None and crc16(self._input[:length]) == 0:
                yield self._taken(0, length)
            else:
                del self._input[0]
        # what is waited for may be another protocol's, and no quiet time tells on a pseudo-terminal
        for at in range(1, len(self._input) - 3):
            length = len(self._input) - at
            if _rtu_length(self._input[at:]) == length and crc16(self._input[at:]) == 0:
                yield self._taken(at, length)
                return

    def _taken(self, at: int, length: int) -> Question:
        """The request that stands there; it goes, with everything before it."""
        question = Question(self._input[at], bytes(self._input[at + 1 : at + length - 2]))
        del self._input[: at + length]
        return question

    def frame(self, unit: int, pdu: bytes, tag: int = 0) -> bytes:
        """The answer with its CRC, low byte first."""
        body = bytes([unit]) + pdu
        return body + crc16(body).to_bytes(2, "little")

    def forget(self) -> None:
        """Silence ends a frame, whole or not (V1.02 §2.5.1.1)."""
        self._input.clear()


def _rtu_length(frame: bytearray) -> int | None:
    function = frame[1]
    if function in _FIXED_RTU:
        return _FIXED_RTU[function]
    at = _COUNT_AT.get(function)
    if at is None:
        return None
    length = at + 1 + frame[at] + 2 if len(frame) > at else at + 3
    return length if length <= _LONGEST_RTU else None


class AsciiFraming:
    """Colon, hexadecimal digits, LRC, CR LF."""

    def __init__(self) -> None:
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[Question]:
        """Every whole line with a right LRC; other lines are dropped."""
        self._input += data
        while (end := self._input.find(b"\r\n")) >= 0:
            line = bytes(self._input[self._input.rfind(b":", 0, end) + 1 : end])
            del self._input[: end + 2]
            try:
                body = bytes.fromhex(line.decode("ascii"))
            except ValueError:
                continue
            if len(body) >= 3 and lrc(body[:-1]) == body[-1]:
                yield Question(body[0], body[1:-1])

    def frame(self, unit: int, pdu: bytes, tag: int = 0) -> bytes:
        """The answer as a line of upper-case digits."""
        body = bytes([unit]) + pdu
        return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"

    def forget(self) -> None:
        """Characters may come up to a second apart; a colon begins anew anyway."""


FRAMINGS: dict[str, Callable[[], SlaveFraming]] = {"tcp": TcpFraming, "rtu": RtuFraming, "ascii": AsciiFraming}
