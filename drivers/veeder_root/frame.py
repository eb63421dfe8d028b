"""Veeder-Root TLS-350 and TLS-450 consoles, computer format: commands, reports and their checksum. Pure.

    SOH  i20100  ETX                                  a command: function 201, device 00 (all)
    SOH  123456i20100  ETX                            the same to a console with a security code
    SOH  i20100  YYMMDDHHmm  data  &&  CCCC  ETX      its report
    SOH  9999FF1B  ETX                                function not understood, or its software key is not there

CCCC is the two's complement of the 16-bit sum of all characters from SOH to the second & (manuals 576013-635 and
577013-950). The lower-case letter asks for this format; upper case would bring text for people, without a checksum.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from drivers.contract import Request
from drivers.errors import BadReply, Refused
from drivers.frames import Aside, Input, receiver, shown

SOH, ETX, CR = 0x01, 0x03, 0x0D
NOT_UNDERSTOOD = b"\x019999FF1B\x03"
CODE = 6
"""Characters of a security code."""
LONGEST = 65536
"""Of a report: those of vapour monitoring over a month are long."""
Terminator = Literal["etx", "cr", "none"]
TERMINATORS: dict[str, bytes] = {"etx": b"\x03", "cr": b"\r", "none": b""}


class VeederRootFraming:
    """Reports. See drivers/frames.py."""

    filler = b"\r\n"

    def end(self, data: Input, at: int) -> int | None:
        """From SOH to ETX, printable between."""
        if data[at] != SOH:
            return None
        end = data.find(ETX, at, at + LONGEST)
        text = bytes(data[at + 1 : end if end >= 0 else at + LONGEST])
        if not _printable(text):
            return None
        if end >= 0:
            return end + 1
        return len(data) + 1 if len(text) < LONGEST - 1 else None

    def fault(self, frame: bytes) -> str | None:
        """The four characters before ETX; a command has none."""
        if frame == NOT_UNDERSTOOD:
            return None
        if frame[-7:-5] != b"&&":
            return "no && and checksum before ETX"
        right = checksum(frame[:-5])
        got = frame[-5:-1].upper()
        return None if got == right else f"checksum {got.decode('latin-1')} received, {right.decode()} is right"


class VeederRootCommands:
    """Commands, as a console hears them: SOH, a code or none, letter, function, device, then ETX, CR or nothing."""

    filler = b"\r\n"

    def end(self, data: Input, at: int) -> int | None:
        """Seven characters, thirteen with a code, and a terminator if there is one already."""
        if data[at] != SOH:
            return None
        size = 7 if data[at + 1 : at + 2] in (b"", b"i") else 7 + CODE
        if len(data) < at + size:
            return len(data) + 1
        return at + size + 1 if data[at + size : at + size + 1] in (b"\x03", b"\r") else at + size

    def fault(self, frame: bytes) -> str | None:
        """A command has no check but its form."""
        return None if re.match(rb"\x01(?:[0-9A-Za-z]{6})?i[0-9A-Z]{3}\d\d", frame) else "no command"


FRAMING = VeederRootFraming()
COMMANDS = VeederRootCommands()
_UNPRINTABLE = re.compile(rb"[^\x20-\x7E\r\n]")


def _printable(text: bytes) -> bool:
    return _UNPRINTABLE.search(text) is None


def checksum(text: bytes) -> bytes:
    """Of SOH … &&."""
    return f"{-sum(text) & 0xFFFF:04X}".encode()


def command(function: str, device: str, terminator: Terminator, code: str = "") -> bytes:
    """A command on the wire; `code` is the console's security code, if it wants one."""
    return b"\x01" + f"{code}i{function}{device}".encode("ascii") + TERMINATORS[terminator]


def report(function: str, device: str, time: str, data: str) -> bytes:
    """A report on the wire, for simulators."""
    text = b"\x01" + f"i{function}{device}{time}{data}&&".encode("ascii")
    return text + checksum(text) + b"\x03"


@dataclass(frozen=True, slots=True)
class Report:
    """The console's clock (YYMMDDHHmm), and what follows it."""

    time: str
    data: str


def request(
    function: str,
    device: str,
    terminator: Terminator,
    unit: tuple[str, int | str],
    timeout_s: float,
    reply_bytes: int,
    code: str = "",
) -> Request:
    """Ask for a report; the payload is what stands between the echoed command (without its code) and &&."""
    sent = command(function, device, terminator, code)
    head = f"i{function}{device}".encode("ascii")

    def judge(raw: bytes) -> bytes | Aside:
        if raw == NOT_UNDERSTOOD:
            raise Refused(f"9999 function {function} is not understood, or its software key is not there", 9999)
        if raw[1:7] != head:
            raise BadReply(f"{raw[1:7].decode('ascii')!r} answers {head.decode()}", "wrong_function")
        return raw[7:-7]

    def ours(raw: bytes) -> bool:
        return raw[1:7] == head and raw not in (sent, sent + b"\x03")

    receive: Callable[[Input], object] = receiver(FRAMING, judge, ours)
    return Request(unit, sent, receive, timeout_s, reply_bytes=reply_bytes)  # type: ignore[arg-type]


def parsed(payload: bytes) -> Report:
    """Time and data of a report. Raises BadReply without a time."""
    text = payload.decode("ascii").replace("\r", "").replace("\n", "")
    if not re.match(r"\d{10}", text):
        raise BadReply(f"no time in {shown(payload, 12)}", "wrong_function")
    return Report(text[:10], text[10:])
