"""Modbus TCP framing (Modbus Messaging on TCP/IP V1.0b §3.1.3): finds frames, checks answers. Pure.

    transaction id (2)  protocol id 0 (2)  length (2)  unit (1)  function, data (length - 1)

A stream that does not begin with a plausible header is skipped up to the next place that could be one.
"""

import re
from collections.abc import Callable

from drivers.contract import Skip, Verdict, Whole
from drivers.modbus.ask import Ask, payload

Input = bytes | bytearray
HEADER = 7
LENGTHS = range(2, 255)
"""Length field: unit, function and up to 252 bytes of data."""
_HEADER = re.compile(rb"\0\0\0[\x02-\xfe]")
"""Protocol id and length of a header."""


class MbapTags:
    """Transaction ids of Modbus TCP for a line (drivers/contract.py, Tags)."""

    def stamp(self, frame: bytes, tag: int) -> bytes:
        """The request under that transaction id."""
        return tag.to_bytes(2, "big") + frame[2:]

    def split(self, data: Input) -> tuple[int, int] | Skip | None:
        """(end, transaction id) of the first whole frame, Skip for what is none, None for "need more"."""
        found = _end(data)
        return (found, data[0] << 8 | data[1]) if isinstance(found, int) else found


def _end(data: Input) -> int | Skip | None:
    """Where the first frame ends, once it is whole."""
    size = len(data)
    if not _header_at(data, 0, size):
        found = _HEADER.search(data, 3)
        at = found.start() - 2 if found is not None else max(1, size - 5)
        while found is None and not _header_at(data, at, size):
            at += 1  # only the last bytes can be a header that is not whole
        return Skip(at, "noise")
    if size < 6:
        return None
    end = 6 + (data[4] << 8 | data[5])
    return end if size >= end else None


def _header_at(data: Input, at: int, size: int) -> bool:
    """Whether a header could begin there, as far as its bytes have come."""
    known = data[at + 2 : min(at + 5, size)]
    if any(known):
        return False
    return size < at + 6 or data[at + 5] in LENGTHS


def receiver(ask: Ask, _sent: bytes) -> Callable[[Input], Verdict]:
    """The check of the answers to `ask`. The transaction id is the line's to compare (MbapTags)."""
    length = 2 + len(ask.head) + ask.size
    right = b"\0\0" + length.to_bytes(2, "big") + ask.reply_start
    start, end = 2 + len(right), 6 + length

    def receive(data: Input) -> Verdict:
        # the common case: one comparison covers protocol id, length, unit, function and byte count
        if len(data) >= end and data[2:start] == right:
            return Whole(end, bytes(data[start:end]))
        return uncommon(data)

    def uncommon(data: Input) -> Verdict:
        found = _end(data)
        if not isinstance(found, int):
            return found
        if data[6] != ask.unit:
            return Skip(found, "wrong_unit", data[6])
        return Whole(found, payload(ask, bytes(data[HEADER:found])))

    return receive
