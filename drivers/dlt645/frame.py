"""DL/T 645 frames, of 2007 and 1997, and the check of an answer. Pure.

    FE … FE  68  A0 … A5  68  C  L  data  CS  16

The address is 12 decimal digits, low byte first; AA means "whatever stands here". Each data byte is sent with 33h
added. CS is the sum of all bytes from the first 68h on, modulo 256 (DL/T 645-2007 §5.2). Up to four FEh wake the
receiver and count for nothing.

| | 2007 | 1997 |
|---|---|---|
| read | C 11, identifier of 4 bytes | C 01, identifier of 2 bytes |
| answer / more follows / refused | 91 / B1 / D1 | 81 / A1 / C1 |
| read what follows | C 12 with a number | C 02 |
| read the address | C 13 → 93 | – |
"""

import re
from dataclasses import dataclass

from drivers.contract import Request
from drivers.errors import BadReply, Refused
from drivers.frames import Aside, Input, receiver, shown

START, END, WAKE, OFFSET = 0x68, 0x16, 0xFE, 0x33
ANYBODY = "A" * 12
"""The wildcard address: a meter that is alone on its line answers, under its own."""
REPLY, REFUSES, FOLLOWS = 0x80, 0x40, 0x20
"""Bits of the control byte: an answer, of the abnormal kind, with more to come (§5.2.4)."""
LONGEST_DATA = 200
"""§5.2.5: L of a read is at most 200."""
ERRORS_2007 = {
    0: "another error", 1: "no such data", 2: "wrong password or no right", 3: "the baud rate cannot be changed",
    4: "too many year zones", 5: "too many day periods", 6: "too many tariffs",
}  # fmt: skip
"""Bits of the error byte, DL/T 645-2007 §7."""
ERRORS_1997 = {
    0: "wrong data", 1: "wrong identifier", 2: "wrong password", 4: "too many year zones", 5: "too many day periods",
    6: "too many tariffs",
}  # fmt: skip
"""Bits of the error byte, DL/T 645-1997 §7."""


class Dlt645Framing:
    """See drivers/frames.py."""

    filler = bytes([WAKE])

    def end(self, data: Input, at: int) -> int | None:
        """68, six bytes, 68 again, control, length."""
        if data[at] != START:
            return None
        if len(data) <= at + 7:
            return len(data) + 1
        if data[at + 7] != START:
            return None
        if len(data) <= at + 9:
            return len(data) + 1
        return at + 12 + data[at + 9] if data[at + 9] <= LONGEST_DATA else None

    def fault(self, frame: bytes) -> str | None:
        """Sum, then the end byte."""
        right = sum(frame[:-2]) & 0xFF
        if frame[-2] != right:
            return f"checksum {frame[-2]:02X} received, {right:02X} is right"
        return None if frame[-1] == END else f"ends with {frame[-1]:02X} instead of 16"


FRAMING = Dlt645Framing()


def address_bytes(text: str) -> bytes:
    """Twelve digits (or A, where anything may stand) as on the wire. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{12}|A{12}", text):
        raise ValueError(f"{text!r} is no DL/T 645 address: 12 digits, or 12 times A for the only meter on its line")
    return bytes.fromhex(text)[::-1]


def address_text(data: bytes) -> str:
    """The address as people write it."""
    return data[::-1].hex().upper()


def frame(address: bytes, control: int, data: bytes = b"", wake: int = 0) -> bytes:
    """One frame; `data` without the 33h."""
    body = bytes([START]) + address + bytes([START, control, len(data)]) + bytes((one + OFFSET) & 0xFF for one in data)
    return bytes([WAKE]) * wake + body + bytes([sum(body) & 0xFF, END])


@dataclass(frozen=True, slots=True)
class Frame:
    """One good frame, its data without the 33h."""

    address: bytes
    control: int
    data: bytes


def parsed(raw: bytes) -> Frame:
    """The parts of a frame with a right check, without wake-up bytes."""
    return Frame(raw[1:7], raw[8], bytes((one - OFFSET) & 0xFF for one in raw[10:-2]))


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: `head` is the identifier (low byte first) that the answer repeats before its data."""

    address: str
    control: int
    head: bytes
    number: int | None = None
    """Number of the wanted continuation (2007), which the answer repeats behind its data."""

    @property
    def data(self) -> bytes:
        """What is sent."""
        return self.head + (b"" if self.number is None else bytes([self.number]))


def request(ask: Ask, timeout_s: float, wake: int, reply_bytes: int) -> Request:
    """The question with the check of its answer. The payload is 00 or 01 (more follows), then the data."""
    asked = address_bytes(ask.address)

    def judge(raw: bytes) -> bytes | Aside:
        found = parsed(raw)
        unit = unit_of(address_text(found.address))
        if not found.control & REPLY:
            mine = (found.address, found.control, found.data) == (asked, ask.control, ask.data)
            return Aside("echo" if mine else "noise")
        if ask.address != ANYBODY and found.address != asked:
            return Aside("wrong_unit", unit)
        if found.control & 0x1F != ask.control:
            raise BadReply(f"control {found.control:02X} answers {ask.control:02X}", "wrong_function")
        if found.control & REFUSES:
            raise _refusal(found, ask.control)
        return bytes([bool(found.control & FOLLOWS)]) + _content(found, ask)

    def ours(raw: bytes) -> bool:
        return ask.address == ANYBODY or raw[1:7] == asked

    return Request(
        unit=unit_of(ask.address),
        frame=frame(asked, ask.control, ask.data, wake),
        receive=receiver(FRAMING, judge, ours),
        timeout_s=timeout_s,
        reply_bytes=reply_bytes,
    )


def unit_of(address: str) -> tuple[str, str]:
    """The key of settling and silence."""
    return ("dlt645", address)


def _content(found: Frame, ask: Ask) -> bytes:
    data = found.data
    if not data.startswith(ask.head):
        raise BadReply(f"data {shown(data[: len(ask.head)])} answers {shown(ask.head)}", "wrong_echo")
    data = data[len(ask.head) :]
    if ask.number is None:
        return data
    if data[-1:] != bytes([ask.number]):
        raise BadReply(f"part {shown(data[-1:])} instead of {ask.number:02x}", "wrong_echo")
    return data[:-1]


def _refusal(found: Frame, control: int) -> Refused:
    names = ERRORS_1997 if control in (0x01, 0x02) else ERRORS_2007
    code = found.data[0] if found.data else 0
    words = [words for bit, words in names.items() if code >> bit & 1] or ["unknown error"]
    return Refused(f"{code} {', '.join(words)}", code)
