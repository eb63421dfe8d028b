"""M-Bus frames of the link layer (EN 13757-2), addresses, and the checks of answers. Pure.

    E5                                     acknowledgement
    10  C  A  CS  16                       short frame: SND_NKE 40, REQ_UD2 5B or 7B
    68  L  L  68  C  A  CI  data  CS  16   long frame: RSP_UD 08, select 53 73

CS is the sum of C to the last data byte, modulo 256. FCB (bit 5 of C) changes with every new request: a meter that sees
the same FCB again repeats its last telegram, which is what must never be taken for a new one.
"""

import re
from dataclasses import dataclass

from drivers.contract import Request
from drivers.errors import BadReply, Refused
from drivers.frames import Aside, Input, receiver

ACK, SHORT, LONG, END = 0xE5, 0x10, 0x68, 0x16
SND_NKE, REQ_UD2, SND_UD, RSP_UD = 0x40, 0x5B, 0x53, 0x08
FCB = 0x20
FROM_MASTER = 0x40
"""Bit of C in everything that a master sends (EN 13757-2 §5.3)."""
SELECTED, ANYBODY = 0xFD, 0xFE
"""Addresses of the meter that was selected, and of whoever is alone (EN 13757-2 §5.3.3)."""
LONGEST = 261
"""Bytes of the longest frame: L is one byte."""
CI_SELECT, CI_ERROR = 0x52, 0x70
ERRORS = {0: "unspecified", 1: "unimplemented CI", 2: "buffer too long", 3: "too many records", 4: "premature end",
          5: "too many DIFE", 6: "too many VIFE", 8: "application busy", 9: "too many readouts"}  # fmt: skip
"""Application errors behind CI 70 (EN 13757-3)."""


class MbusFraming:
    """See drivers/frames.py."""

    filler = b""

    def end(self, data: Input, at: int) -> int | None:
        """By the first byte; a long frame says its length twice."""
        first = data[at]
        if first == ACK:
            return at + 1
        if first == SHORT:
            return at + 5
        if first != LONG:
            return None
        if len(data) <= at + 3:
            same = len(data) <= at + 2 or data[at + 1] == data[at + 2]
            return len(data) + 1 if same else None
        length = data[at + 1]
        return at + length + 6 if data[at + 2] == length and data[at + 3] == LONG and length >= 3 else None

    def fault(self, frame: bytes) -> str | None:
        """Sum, then the end byte."""
        if len(frame) == 1:
            return None
        start = 1 if frame[0] == SHORT else 4
        right = sum(frame[start:-2]) & 0xFF
        if frame[-2] != right:
            return f"checksum {frame[-2]:02X} received, {right:02X} is right"
        return None if frame[-1] == END else f"ends with {frame[-1]:02X} instead of 16"


FRAMING = MbusFraming()


def short(control: int, address: int) -> bytes:
    """A short frame."""
    return bytes([SHORT, control, address, (control + address) & 0xFF, END])


def long(control: int, address: int, ci: int, data: bytes) -> bytes:
    """A long frame."""
    body = bytes([control, address, ci]) + data
    return bytes([LONG, len(body), len(body), LONG]) + body + bytes([sum(body) & 0xFF, END])


@dataclass(frozen=True, slots=True)
class Address:
    """A meter's place on the bus: its primary address, or the mask by which it is selected."""

    primary: int
    mask: bytes | None = None
    """Eight bytes as on the wire: identification, manufacturer, version, medium; F or FF where anything may stand."""

    @property
    def unit(self) -> tuple[str, int | str]:
        """The key of settling and silence."""
        return ("mbus", self.primary if self.mask is None else self.mask.hex())

    def fits(self, header: bytes) -> bool:
        """Whether the eight bytes of a meter's header are those that were selected."""
        if self.mask is None:
            return True
        digits = zip(self.mask[:4].hex(), header[:4].hex(), strict=True)
        parts = zip(
            (self.mask[4:6], self.mask[6:7], self.mask[7:8]), (header[4:6], header[6:7], header[7:8]), strict=True
        )
        return all(wanted in ("f", own) for wanted, own in digits) and all(
            wanted.strip(b"\xff") == b"" or wanted == own for wanted, own in parts
        )


def address(written: int | str) -> Address:
    """Of `5`, `"24011561"` or `"24011561-ELV-16-00"`; F in the number, FFFF or FF elsewhere mean anything.

    Raises ValueError.
    """
    if isinstance(written, int) or (written.isdecimal() and len(written) <= 3):
        number = int(written)
        if not 0 <= number <= 250 and number != ANYBODY:
            raise ValueError(f"{written!r} is no primary address: 0 to 250, or 254 for the only meter on its line")
        return Address(number)
    found = re.fullmatch(r"([0-9F]{8})(?:-([A-Z]{3}|[0-9A-F]{4})-([0-9A-F]{2})-([0-9A-F]{2}))?", written)
    if found is None:
        raise ValueError(f"{written!r} is no M-Bus address: 0 to 250, or the identification of 8 digits in quotes, "
                         "with -MAN-VERSION-MEDIUM behind it if need be")  # fmt: skip
    identification = bytes.fromhex(found[1])[::-1]
    if found[2] is None:
        return Address(SELECTED, identification + b"\xff" * 4)
    manufacturer = manufacturer_code(found[2]) if len(found[2]) == 3 else int(found[2], 16)
    return Address(SELECTED, identification + manufacturer.to_bytes(2, "little") + bytes.fromhex(found[3] + found[4]))


def manufacturer_code(letters: str) -> int:
    """Three letters as the 16-bit number of the header (EN 62056-21)."""
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


def manufacturer_letters(code: int) -> str:
    """The three letters of a manufacturer."""
    return "".join(chr((code >> shift & 31) + 64) for shift in (10, 5, 0))


def acknowledged(frame: bytes, meter: Address, timeout_s: float) -> Request:
    """A frame that is answered by E5; the payload is empty."""

    def judge(raw: bytes) -> bytes | Aside:
        if raw[0] == ACK:
            return b""
        return Aside("echo" if raw == frame else "noise")

    return Request(meter.unit, frame, receiver(FRAMING, judge, lambda raw: False), timeout_s, reply_bytes=1)


def reset(meter: Address, timeout_s: float) -> Request:
    """SND_NKE: the next FCB is 1."""
    return acknowledged(short(SND_NKE, meter.primary), meter, timeout_s)


def select(meter: Address, timeout_s: float) -> Request:
    """Make the meter of that identification the one that answers to FD."""
    assert meter.mask is not None
    return acknowledged(long(SND_UD, SELECTED, CI_SELECT, meter.mask), meter, timeout_s)


def data_request(meter: Address, fcb: bool, timeout_s: float, reply_bytes: int, before: bytes = b"") -> Request:
    """REQ_UD2; the payload is CI and what follows it. An answer that equals `before` is its repetition, not new."""
    sent = short(REQ_UD2 | (FCB if fcb else 0), meter.primary)

    def judge(raw: bytes) -> bytes | Aside:
        if raw[0] != LONG:
            return Aside("echo" if raw == sent else "noise")
        control, own, ci = raw[4:7]
        if control & FROM_MASTER:
            return Aside("noise")
        if meter.mask is None and meter.primary not in (ANYBODY, own):
            return Aside("wrong_unit", ("mbus", own))
        if control & 0x0F != RSP_UD:
            raise BadReply(f"control {control:02X} answers a data request", "wrong_function")
        if ci == CI_ERROR:
            code = raw[7] if len(raw) > 9 else 0
            raise Refused(f"{code} {ERRORS.get(code, 'unknown error')}", code)
        payload = raw[6:-2]
        return Aside("late") if payload == before else payload

    def ours(raw: bytes) -> bool:
        return raw[0] == LONG and not raw[4] & FROM_MASTER and (meter.mask is not None or raw[5] == meter.primary)

    return Request(meter.unit, sent, receiver(FRAMING, judge, ours), timeout_s, reply_bytes=reply_bytes)
