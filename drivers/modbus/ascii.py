"""Modbus ASCII framing (Modbus over Serial Line V1.02 §2.5.2): checks answers. Pure.

    ":"  unit, function, data, LRC, each byte as two hex digits  CR LF

A colon always begins a frame; what stands before it, an unfinished frame included, is noise.
"""

from binascii import unhexlify
from collections.abc import Callable

from drivers.contract import Skip, Verdict, Whole
from drivers.errors import BadReply
from drivers.modbus.ask import Ask, payload
from drivers.modbus.crc import lrc

Input = bytes | bytearray
LONGEST = 1 + 2 * 255 + 2
"""Characters of the longest frame: colon, unit, 253 bytes of PDU, LRC, CR LF."""
SHORTEST = 4
"""Bytes of the shortest answer: unit, function, one byte, LRC."""


def receiver(ask: Ask, sent: bytes) -> Callable[[Input], Verdict]:
    """The check of the answers to `ask`, whose request was `sent`."""

    def receive(data: Input) -> Verdict:
        if not data:
            return None
        begin = data.find(b":")
        if begin:
            return Skip(begin if begin > 0 else len(data), "noise")
        finish = data.find(b"\r\n")
        # the last colon before the end of the line: one step over any number of false beginnings
        if again := data.rfind(b":", 1, finish if finish >= 0 else len(data)) + 1:
            return Skip(again - 1, "noise")
        if not 0 <= finish <= LONGEST - 2:
            return Skip(LONGEST, "noise") if len(data) > LONGEST else None
        return answer(bytes(data[: finish + 2]))

    def answer(text: bytes) -> Verdict:
        end = len(text)
        if text == sent and ask.size:
            return Skip(end, "echo")
        try:
            body = unhexlify(text[1:-2])
        except ValueError:
            return damaged(text, "no hex digits")
        if len(body) < SHORTEST or lrc(body):
            return damaged(text, "LRC does not fit")
        if body[0] != ask.unit:
            return Skip(end, "wrong_unit", body[0])
        return Whole(end, payload(ask, body[1:-1]))

    def damaged(text: bytes, why: str) -> Verdict:
        if text[1:5].upper() != b"%02X%02X" % (ask.unit, ask.function):
            return Skip(len(text), "noise")
        raise BadReply(f"{why}: {text[:16].decode('ascii', 'backslashreplace')}")

    return receive
