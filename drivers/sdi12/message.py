"""SDI-12 commands, the lines that answer them, and their checks (SDI-12 v1.4 §4). Pure.

    0M!  →  00053 CR LF        measurement: values in 005 s, 3 of them; then 0 CR LF, the service request
    0D0! →  0+3.14-2.7 CR LF   the values; the rest by 0D1! and so on
    0C!  →  000507 CR LF       the same without service request, up to 99 values
    0HA! →  000120 CR LF       high volume (v1.4): seconds and up to 999 values, fetched by 0D0! to 0D999!
    0R0! →  0+3.14 CR LF       the values at once
    C behind M, C or R: three characters of CRC before CR LF of the values

The break that wakes the sensors is made by the adapter. Nothing but the CRC protects a value: a command without it is
only for sensors that know none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from drivers.contract import Request
from drivers.errors import BadReply, Refused
from drivers.frames import Aside, Input, receiver

LONGEST = 84
"""Address, 75 characters of values, CRC, CR LF (§4.4.9); an identification has 35."""
ADDRESSES = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = re.compile(r"[+-](?:\d+\.?\d*|\.\d+)")
_VALUES = re.compile(rf"(?:{_VALUE.pattern})*")
HIGH_VOLUME = "HA"
MOST_DIGITS = 7
"""§4.4.9: at most seven digits a value."""


class Sdi12Framing:
    """A command ends with `!`, an answer with CR LF; both are printable. See drivers/frames.py."""

    filler = b""

    def end(self, data: Input, at: int) -> int | None:
        """Behind `!` or CR LF; what holds an unprintable character is no line."""
        for place in range(at, min(len(data), at + LONGEST)):
            byte = data[place]
            if byte == 0x21:
                return place + 1
            if byte == 0x0D:
                if place + 1 == len(data):
                    return len(data) + 1
                return place + 2 if data[place + 1] == 0x0A and place > at else None
            if not 0x21 <= byte <= 0x7F:
                return None
        return len(data) + 1 if len(data) - at < LONGEST else None

    def fault(self, frame: bytes) -> str | None:
        """A line has no check of its own."""
        return None


FRAMING = Sdi12Framing()


def crc_text(text: bytes) -> bytes:
    """Three characters: CRC-16 from 0 with A001h, six bits in each, from the highest (§4.4.12)."""
    crc = arc(text)
    return bytes(0x40 | crc >> shift & 0x3F for shift in (12, 6, 0))


def arc(text: bytes) -> int:
    """CRC-16/ARC: the polynomial of Modbus with another start."""
    crc = 0
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


@dataclass(frozen=True, slots=True)
class Command:
    """How values are asked for: `kind` M, C, R, V or HA, `number` 0 to 9, with CRC or without."""

    kind: str
    number: int
    crc: bool

    @property
    def text(self) -> str:
        """Between the address and `!`. High volume has no form of its own for CRC: it always comes."""
        if self.kind == HIGH_VOLUME:
            return self.kind
        # M! and C! say no 0, R0! does
        return self.kind + ("C" if self.crc else "") + (str(self.number) if self.number or self.kind == "R" else "")


def command(written: str, crc: bool) -> Command:
    """Of `M`, `M1` … `M9`, `C` … `C9`, `R0` … `R9`, `V`, `HA`. Raises ValueError."""
    if written == HIGH_VOLUME:
        return Command(written, 0, crc)
    if written == "HB":
        raise ValueError("HB brings binary packets, which are not read here: HA brings the same values as text")
    if not re.fullmatch(r"[MC][1-9]?|R[0-9]|V", written):
        raise ValueError(f"{written!r} is no command that measures: M, M1 to M9, C, C1 to C9, R0 to R9, V, HA")
    if written == "V" and crc:
        raise ValueError("V knows no CRC: say `crc: false`")
    return Command(written[0], int(written[1:] or 0), crc)


def sent(address: str, text: str) -> bytes:
    """A command on the wire."""
    return f"{address}{text}!".encode("ascii")


def line_receiver(address: str, frame: bytes, judge: Callable[[str], bytes | Aside]) -> Callable[[Input], object]:
    """Hands lines of that address to `judge`, without address and CR LF."""

    def judged(raw: bytes) -> bytes | Aside:
        if raw.endswith(b"!"):
            return Aside("echo" if raw == frame else "noise")
        text = raw[:-2].decode("ascii")
        if text[0] != address:
            return Aside("wrong_unit", unit_of(text[0]) if text[0] in ADDRESSES else None)
        return judge(text[1:])

    return receiver(FRAMING, judged, lambda raw: False)


def request(address: str, text: str, timeout_s: float, judge: Callable[[str], bytes | Aside]) -> Request:
    """A command, and who judges its answer; no text at all only listens."""
    frame = sent(address, text) if text else b""
    receive = line_receiver(address, frame, judge)
    return Request(unit_of(address), frame, receive, timeout_s)  # type: ignore[arg-type]


def unit_of(address: str) -> tuple[str, str]:
    """The key of settling and silence."""
    return ("sdi12", address)


def announced(kind: str) -> Callable[[str], bytes | Aside]:
    """The answer to M, C, HA or V: seconds and number of values, as ASCII digits."""
    digits = {"C": 5, HIGH_VOLUME: 6}.get(kind, 4)

    def judge(text: str) -> bytes | Aside:
        if not text:
            return Aside("late")  # a service request of an earlier measurement
        if not re.fullmatch(rf"\d{{{digits}}}", text):
            raise BadReply(f"{text!r} does not say when and how many", "wrong_function")
        return text.encode("ascii")

    return judge


def service_request(text: str) -> bytes | Aside:
    """The address alone."""
    return Aside("noise") if text else b""


def values(crc: bool, address: str, *, late_service: bool) -> Callable[[str], bytes | Aside]:
    """The answer to D or R: the values as text. `late_service`: an address alone may be the service request."""

    def judge(text: str) -> bytes | Aside:
        if not text:
            if late_service:
                return Aside("late")
            raise Refused("0 the sensor has no data", 0)
        if re.fullmatch(r"\d{4,6}", text):
            return Aside("late")  # the announcement, a second time
        body = text
        if crc:
            body, got = text[:-3], text[-3:]
            right = crc_text((address + body).encode("ascii")).decode("ascii")
            if got != right:
                raise BadReply(f"CRC {got} received, {right} is right: {address}{text}")
            if not body:
                raise Refused("0 the sensor has no data", 0)
        if not _VALUES.fullmatch(body):
            raise BadReply(f"{body!r} are no values", "wrong_function")
        return body.encode("ascii")

    return judge


def numbers(text: bytes) -> list[int | Fraction]:
    """`+3.14-2` → 3.14, -2, exactly. Raises BadReply for more digits than SDI-12 has."""
    found: list[int | Fraction] = []
    for part in _VALUE.findall(text.decode("ascii")):
        if sum(letter.isdigit() for letter in part) > MOST_DIGITS + 2:  # some sensors send nine
            raise BadReply(f"{part} has too many digits", "wrong_count")
        number = Fraction(part.rstrip("."))
        found.append(int(number) if "." not in part else number)
    return found
