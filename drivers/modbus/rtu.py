"""Modbus RTU framing (Modbus over Serial Line V1.02 §2.5.1): checks answers, finds them in noise. Pure.

    unit (1)  function (1)  data  CRC, low byte first (2)

Nothing in an RTU frame says where it begins, so the rule has to be one that gives the same result however the
bytes are cut up: of all frames with a right CRC that the input holds, the one that is complete first counts.
Ours ends the exchange; another unit's is skipped and named; what stands before either is noise. Input that
begins exactly as our answer must (unit, function, byte count) is waited for to its end, so that no part of its
data can pass for a frame; if its CRC is then wrong, the exchange has failed.

Another unit's frame must also make sense (a known exception, a byte count of whole registers, a coil that is on or
off): a checksum for every place of a babbling line would cost more time than its bytes take on the wire.
"""

import re
from collections.abc import Callable
from functools import cache

from drivers.contract import Skip, Verdict, Whole
from drivers.errors import BadReply
from drivers.modbus.ask import Ask, payload
from drivers.modbus.crc import crc16

Input = bytes | bytearray
LONGEST = 256
"""Longest frame of the standard."""
KEPT = 2 * LONGEST
"""Input without any frame in it is cut down when it gets longer: a babbling line must not fill the memory."""
COUNTED = frozenset({1, 2, 3, 4, 12, 17, 20, 21, 23})
"""Functions whose answer carries its length in its third byte."""
ECHOED = frozenset({5, 6, 8, 11, 15, 16})
"""Functions whose answer, like most requests, takes 8 bytes."""


def receiver(ask: Ask, sent: bytes) -> Callable[[Input], Verdict]:
    """The check of the answers to `ask`, whose request was `sent`."""
    right = ask.reply_start
    start = len(right)
    end = start + ask.size + 2

    def receive(data: Input) -> Verdict:
        begun = data[:start] == right
        if begun and len(data) < end:
            return None
        if begun and crc16(data[:end]) == 0:
            return Whole(end, bytes(data[start : end - 2]))
        return uncommon(bytes(data[:end]) if begun else bytes(data), begun)

    def uncommon(data: bytes, begun: bool) -> Verdict:
        if len(data) <= start and right.startswith(data):
            return None
        frame = first_frame(data, ask.unit)
        if frame is None:
            if begun:
                crc = int.from_bytes(data[-2:], "little")
                raise BadReply(f"CRC {crc:04X} received, {crc16(data[:-2]):04X} is right")
            return Skip(len(data) - LONGEST, "noise") if len(data) > KEPT else None
        at, upto = frame
        if at:
            return Skip(at, "echo" if data[:at] == sent else "noise")
        if data[0] != ask.unit:
            return Skip(upto, "wrong_unit", data[0])
        return Whole(upto, payload(ask, data[1 : upto - 2]))

    return receive


def first_frame(data: bytes, unit: int) -> tuple[int, int] | None:
    """(begin, end) of the frame with a right CRC that was complete first; of any unit, ours being `unit`."""
    best: tuple[int, int] | None = None
    limit = len(data)
    for found in _beginnings(unit).finditer(data, 0, max(0, limit - 2)):
        at = found.start()
        function = data[at + 1]
        end = at + 8
        if function & 0x80:
            end = at + 5
        elif function in COUNTED:
            end = at + 5 + data[at + 2]
        if end <= limit and crc16(data[at:end]) == 0:
            best = at, end
            limit = end - 1
    return best


@cache
def _beginnings(unit: int) -> "re.Pattern[bytes]":
    """Where a frame may begin: of our unit with any function that has one, of another one as far as it makes sense."""
    counted, echoed = (re.escape(bytes(sorted(functions))) for functions in (COUNTED, ECHOED))
    whole_registers = re.escape(bytes(range(2, 252, 2)))
    ours = b"%b(?:[\x80-\xff]|[%b%b])" % (re.escape(bytes([unit])), counted, echoed)
    others = b"[\x01-\xf7](?:%b)" % b"|".join(
        (
            rb"[\x80-\xff][\x01-\x0b]",  # exceptions of V1.1b3 §7
            rb"[\x01\x02][\x01-\xfa]",  # up to 2000 bits
            rb"[\x03\x04\x17][%b]" % whole_registers,
            rb"[\x0c\x14\x15]",
            rb"\x05..[\x00\xff]\x00",  # a coil that was set on or off
            rb"[\x06\x08\x0b\x0f\x10]",
        )
    )
    return re.compile(b"(?=%b|%b)" % (ours, others), re.DOTALL)
