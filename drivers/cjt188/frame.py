"""CJ/T 188-2004 frames and the check of an answer. Pure.

    FE … FE  68  T  A0 … A6  C  L  data  CS  16

T is the kind of meter, the address 14 digits, low byte first; AA means "whatever stands here". CS is the sum of all
bytes from 68h on, modulo 256; the data is sent as it is. Data begins with the identifier (2 bytes) and a serial
number that the answer repeats. The standard puts the low byte of the identifier first, most meters the high one:
`order` says how it is sent, an answer may have it either way.
"""

import re
from dataclasses import dataclass
from typing import Literal

from drivers.contract import Request
from drivers.errors import BadReply, Refused
from drivers.frames import Aside, Input, receiver, shown

START, END, WAKE = 0x68, 0x16, 0xFE
ANYBODY = "A" * 14
"""The wildcard address: a meter that is alone on its line answers, under its own."""
READ, READ_ADDRESS = 0x01, 0x03
REPLY, REFUSES = 0x80, 0x40
"""Bits of the control byte: an answer, of the abnormal kind (CJ/T 188 §6.3.4)."""
LONGEST_DATA = 100
"""CJ/T 188 §6.3.5: L of a read is at most 64h."""
KINDS = range(0x10, 0x50)
"""Kinds of meters: 10 to 19 water, 20 to 29 heat, 30 to 39 gas, 40 to 49 others."""
ANY_KIND = 0xAA

Order = Literal["high_first", "low_first"]


class Cjt188Framing:
    """See drivers/frames.py."""

    filler = bytes([WAKE])

    def end(self, data: Input, at: int) -> int | None:
        """68, a kind that exists, seven bytes, control, length."""
        if data[at] != START:
            return None
        if len(data) > at + 1 and data[at + 1] not in KINDS and data[at + 1] != ANY_KIND:
            return None
        if len(data) <= at + 10:
            return len(data) + 1
        return at + 13 + data[at + 10] if data[at + 10] <= LONGEST_DATA else None

    def fault(self, frame: bytes) -> str | None:
        """Sum, then the end byte."""
        right = sum(frame[:-2]) & 0xFF
        if frame[-2] != right:
            return f"checksum {frame[-2]:02X} received, {right:02X} is right"
        return None if frame[-1] == END else f"ends with {frame[-1]:02X} instead of 16"


FRAMING = Cjt188Framing()


def address_bytes(text: str) -> bytes:
    """Fourteen digits (or A, where anything may stand) as on the wire. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{14}|A{14}", text):
        raise ValueError(f"{text!r} is no CJ/T 188 address: 14 digits, or 14 times A for the only meter on its line")
    return bytes.fromhex(text)[::-1]


def address_text(data: bytes) -> str:
    """The address as people write it."""
    return data[::-1].hex().upper()


def frame(kind: int, address: bytes, control: int, data: bytes, wake: int = 0) -> bytes:
    """One frame."""
    body = bytes([START, kind]) + address + bytes([control, len(data)]) + data
    return bytes([WAKE]) * wake + body + bytes([sum(body) & 0xFF, END])


@dataclass(frozen=True, slots=True)
class Frame:
    """One good frame."""

    kind: int
    address: bytes
    control: int
    data: bytes


def parsed(raw: bytes) -> Frame:
    """The parts of a frame with a right check, without wake-up bytes."""
    return Frame(raw[1], raw[2:9], raw[9], raw[11:-2])


@dataclass(frozen=True, slots=True)
class Ask:
    """One read."""

    kind: int
    address: str
    identifier: int
    order: Order
    serial: int = 1

    @property
    def head(self) -> bytes:
        """The identifier as it is sent."""
        return self.identifier.to_bytes(2, "big" if self.order == "high_first" else "little")


def request(ask: Ask, timeout_s: float, wake: int, reply_bytes: int) -> Request:
    """The question with the check of its answer; the payload is the data behind identifier and serial number."""
    asked = address_bytes(ask.address)
    data = ask.head + bytes([ask.serial])

    def judge(raw: bytes) -> bytes | Aside:
        found = parsed(raw)
        if not found.control & REPLY:
            mine = (found.address, found.control, found.data) == (asked, READ, data)
            return Aside("echo" if mine else "noise")
        if ask.address != ANYBODY and found.address != asked:
            return Aside("wrong_unit", unit_of(address_text(found.address)))
        if ask.kind not in (ANY_KIND, found.kind):
            raise BadReply(f"a meter of kind {found.kind:02X} answers, asked was {ask.kind:02X}", "wrong_unit")
        if found.control & 0x3F != READ:
            raise BadReply(f"control {found.control:02X} answers {READ:02X}", "wrong_function")
        if found.control & REFUSES:
            raise Refused(f"the meter refuses: {shown(found.data)}", found.data[0] if found.data else 0)
        if found.data[:2] not in (ask.head, ask.head[::-1]):
            raise BadReply(f"identifier {shown(found.data[:2])} answers {shown(ask.head)}", "wrong_echo")
        if found.data[2:3] != data[2:]:
            raise BadReply(f"serial number {shown(found.data[2:3])} answers {ask.serial:02x}", "wrong_echo")
        return found.data[3:]

    def ours(raw: bytes) -> bool:
        return ask.address == ANYBODY or raw[2:9] == asked

    return Request(
        unit=unit_of(ask.address),
        frame=frame(ask.kind, asked, READ, data, wake),
        receive=receiver(FRAMING, judge, ours),
        timeout_s=timeout_s,
        reply_bytes=reply_bytes,
    )


def unit_of(address: str) -> tuple[str, str]:
    """The key of settling and silence."""
    return ("cjt188", address)
