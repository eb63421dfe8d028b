"""The Bayern-Hessen protocol of air-quality analysers (Gesytec): frames, the request for data and its answer. Pure.

    STX  text  ETX  BCC BCC

BCC is the exclusive or of all bytes from STX to ETX as two hex characters. `DA097` asks component 097, `DA` all; the
answer is `MD`, the number of components, and for each ` 097 +1234-02 00 00 000 000000`: id, mantissa and exponent,
status and failure byte in hex, a field of the maker, serial number.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from drivers.contract import Request
from drivers.errors import BadReply
from drivers.frames import Aside, Input, receiver

STX, ETX = 0x02, 0x03
LONGEST_TEXT = 1000
"""The protocol has 120 (some makers 160) characters for one component; an analyser with many sends more."""
ANYBODY = "any"
_COMPONENT = re.compile(r"(\d{3}) ([+-])(\d{4})([+-]\d{2}) ([0-9A-Fa-f]{2}) ([0-9A-Fa-f]{2})((?: [0-9A-Za-z]+){0,2})")


class BayernHessenFraming:
    """See drivers/frames.py."""

    filler = b""

    def end(self, data: Input, at: int) -> int | None:
        """STX, printable text, ETX, two characters."""
        if data[at] != STX:
            return None
        for place in range(at + 1, min(len(data), at + LONGEST_TEXT + 2)):
            byte = data[place]
            if byte == ETX:
                return place + 3
            if not (0x20 <= byte <= 0x7E or byte in b"\r\n"):
                return None
        return len(data) + 1 if len(data) - at < LONGEST_TEXT + 2 else None

    def fault(self, frame: bytes) -> str | None:
        """The two characters at the end."""
        right = bcc(frame[:-2])
        got = frame[-2:].upper()
        return None if got == right else f"BCC {got.decode('latin-1')!r} received, {right.decode()!r} is right"


FRAMING = BayernHessenFraming()


def bcc(framed: bytes) -> bytes:
    """Of STX … ETX."""
    value = 0
    for byte in framed:
        value ^= byte
    return f"{value:02X}".encode()


def frame(text: str) -> bytes:
    """One frame."""
    framed = bytes([STX]) + text.encode("ascii") + bytes([ETX])
    return framed + bcc(framed)


@dataclass(frozen=True, slots=True)
class Component:
    """One gas. The mantissa is a whole number here: where its point stands is a convention of the instrument."""

    number: int
    mantissa: int
    exponent: int
    status: int
    failure: int

    def value(self, decimals: int) -> Fraction:
        """Mantissa (with so many decimals) x 10^exponent, exactly."""
        return Fraction(self.mantissa) * Fraction(10) ** (self.exponent - decimals)


def components(text: str) -> dict[int, Component]:
    """The components of an answer by id. Raises BadReply for a text that is no such answer."""
    count = text[2:4]
    if text[:2] != "MD" or not count.isdecimal():
        raise BadReply(f"{text[:12]!r} answers DA", "wrong_function")
    rest = " ".join(text[4:].split())
    found: dict[int, Component] = {}
    at = 0
    while at < len(rest):
        part = _COMPONENT.match(rest, at)
        if part is None:
            raise BadReply(f"{rest[at : at + 24]!r} is no component", "wrong_function")
        number, sign, mantissa, exponent, status, failure = part.groups()[:6]
        if int(number) in found:
            raise BadReply(f"component {number} comes twice", "wrong_count")
        digits = -int(mantissa) if sign == "-" else int(mantissa)
        found[int(number)] = Component(int(number), digits, int(exponent), int(status, 16), int(failure, 16))
        at = part.end()
        if at < len(rest):
            if rest[at] != " ":
                raise BadReply(f"{rest[at : at + 12]!r} follows a component", "wrong_function")
            at += 1
    if len(found) != int(count):
        raise BadReply(f"{len(found)} components, {int(count)} were announced", "wrong_count")
    return found


def request(number: int | None, timeout_s: float, reply_bytes: int) -> Request:
    """Ask one component, or all with None; the payload is the text of the answer."""
    sent = frame("DA" if number is None else f"DA{number:03d}")

    def judge(raw: bytes) -> bytes | Aside:
        text = raw[1:-3].decode("ascii")
        if not text.startswith("MD"):
            return Aside("echo" if raw == sent else "noise")
        found = components(text)
        if number is not None and number not in found:
            return Aside("wrong_unit", unit_of(min(found)) if found else None)
        return text.encode("ascii")

    def ours(raw: bytes) -> bool:
        return raw[1:3] == b"MD"

    return Request(unit_of(number), sent, receiver(FRAMING, judge, ours), timeout_s, reply_bytes=reply_bytes)


def unit_of(number: int | None) -> tuple[str, int | str]:
    """The key of settling and silence."""
    return ("bayern_hessen", ANYBODY if number is None else number)
