"""HJ 212 frames in a stream of bytes, pure (HJ 212-2017 §6.3 and Annex A; the editions of 2005 and 2025 are alike).

    ## LEN(4 decimal digits) DATA CRC(4 hexadecimal digits) CR LF

LEN counts the bytes of DATA. The CRC of the standard is not that of Modbus: it throws the low byte of its register away
before each byte of data, so that it takes only 256 values. One wrong frame in 256 passes it; so the length, the end of
the frame and the characters within it must be right too. What is not right is searched for the next `##`.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from drivers.contract import Skip, Verdict, Whole
from drivers.errors import BadReply
from drivers.hj212 import sm4
from drivers.modbus.crc import crc16

Crc = Literal["hj212", "modbus", "either"]
HEAD, TAIL = 6, 4
LONGEST_DATA = 9999
"""LEN has four digits; the standard allows 1024."""
_DIGITS = re.compile(rb"[0-9]{0,4}")
_CONTROL = re.compile(rb"[\x00-\x1f]")
"""DATA is text in one line: a control character within it means that the frame was cut off."""
_HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_ENDS = (b"\r\n", b"##")
"""What may follow a frame: its own end, or, from senders that leave it out, the next frame."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(map(_entry, range(256)))
_HIGH = bytes(entry >> 8 for entry in _TABLE)
"""All of the register that the next byte of data meets."""


def crc(data: bytes | bytearray) -> int:
    """CRC of the standard (Annex A): "123456789" gives 2F80, nothing gives FFFF."""
    if not data:
        return 0xFFFF
    high = 0xFF
    for byte in data[:-1]:
        high = _HIGH[high ^ byte]
    return _TABLE[high ^ data[-1]]


def check_digits(data: bytes, kind: Crc) -> bytes:
    """The four digits behind DATA, upper case, high byte first; `either` writes the standard's."""
    number = crc(data) if kind != "modbus" else _modbus(data)
    return b"%04X" % number


def _modbus(data: bytes) -> int:
    return crc16(data) if len(data) > 1 else 0xFFFF


def framed(data: bytes, kind: Crc = "hj212", key: bytes | None = None) -> bytes:
    """DATA as it goes on the wire; with a key its data area is encrypted. Raises ValueError for what is too long."""
    seal = check_digits(data, kind)  # over the plain text (HJ 212-2025)
    sent = data if key is None else sm4.hidden(data, key)
    if len(sent) > LONGEST_DATA:
        raise ValueError(f"{len(sent)} bytes do not fit into one frame")
    return b"##%04d" % len(sent) + sent + seal + b"\r\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """DATA of one frame, decrypted, with what was odd about the frame."""

    data: bytes
    kind: Literal["hj212", "modbus"]
    """The CRC that it bears."""
    oddities: tuple[str, ...]


class Framing:
    """Frames of one link."""

    __slots__ = ("_cut", "_key", "_kinds", "longest")

    def __init__(self, kind: Crc, longest: int, key: bytes | None = None) -> None:
        self._kinds: tuple[Literal["hj212", "modbus"], ...] = ("hj212", "modbus") if kind == "either" else (kind,)
        self._key = key
        self._cut: tuple[bytes, Opened] | None = None  # the frame found last: its CRC is reckoned once
        self.longest = longest + HEAD + TAIL + 2
        assert "either" in get_args(Crc)

    def cut(self, data: bytes | bytearray) -> Verdict:
        """The first frame (as it came), what to drop, or None for "need more". Raises nothing."""
        at = data.find(b"##")
        if at < 0:
            at = len(data) - (1 if data[-1:] == b"#" else 0)
            return _dropped(data, at) if at else None
        if at:
            return _dropped(data, at)
        digits = bytes(data[2:HEAD])
        if not _DIGITS.fullmatch(digits):
            return Skip(1, "noise")  # of ### the second may begin the frame
        if len(data) < HEAD:
            return None
        length = int(digits)
        if length + HEAD + TAIL + 2 > self.longest:
            return Skip(2, "length")
        end = HEAD + length + TAIL
        if _CONTROL.search(data, HEAD, min(end, len(data))):
            return Skip(2, "broken")
        if len(data) < end + 2:
            return None
        after = bytes(data[end : end + 2])
        if after not in _ENDS or not _HEX.fullmatch(data, end - TAIL, end):
            return Skip(2, "broken")
        whole = end + 2 if after == b"\r\n" else end
        frame = bytes(data[:whole])
        try:
            self._cut = frame, self._opened(frame)
        except BadReply as error:
            return Skip(whole if error.fault == "encrypted" else 2, error.fault)
        return Whole(whole, frame)

    def opened(self, frame: bytes) -> Opened:
        """DATA of a frame that `cut` has found. Raises BadReply."""
        if self._cut is not None and self._cut[0] is frame:
            return self._cut[1]
        return self._opened(frame)

    def _opened(self, frame: bytes) -> Opened:
        length = int(frame[2:HEAD])
        sent, seal = frame[HEAD : HEAD + length], frame[HEAD + length : HEAD + length + TAIL]
        oddities = [] if frame.endswith(b"\r\n") else ["no_end"]
        if seal != seal.upper():
            oddities.append("case")
        data = sent
        if sm4.is_hidden(sent):
            if self._key is None:
                raise BadReply("its data area is encrypted, and there is no key", "encrypted")
            data = sm4.shown(sent, self._key)
        for kind in self._kinds:
            if check_digits(data, kind) == seal.upper():
                if kind != self._kinds[0]:
                    oddities.append("modbus_crc")
                return Opened(data, kind, tuple(oddities))
        raise BadReply(f"CRC {seal.decode()} should be {check_digits(data, self._kinds[0]).decode()}")


def _dropped(data: bytes | bytearray, upto: int) -> Skip:
    """What is no frame; line ends and spaces between frames are no fault."""
    return Skip(upto, "noise" if bytes(data[:upto]).strip(b"\r\n ") else "")
