"""Which meter is alone on a line (by wildcard, of whatever kind), or which of the given ones answer. Only reads."""

from collections.abc import AsyncIterator, Sequence

from drivers.cjt188 import frame
from drivers.contract import Line, Request
from drivers.frames import Aside, receiver
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried

WAKE = 3
KINDS = {0x10: "cold water", 0x11: "hot water", 0x20: "heat", 0x21: "cooling", 0x30: "gas", 0x40: "other"}


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py. Several meters on one line answer the wildcard at once: that is noise."""
    for address in [str(one).zfill(14) for one in addresses if len(str(one)) > 3] or [frame.ANYBODY]:
        found = await tried(line, read_address(address, spec.timeout_s))
        if isinstance(found, bool):
            yield Step(address, noise=found)
            continue
        own = frame.address_text(found[1:8])
        kind = KINDS.get(found[0], f"kind {found[0]:02X}")
        yield Step(own, Heard("cjt188", own, f"a meter of kind {found[0]:02X}", {"kind": kind}))


def read_address(address: str, timeout_s: float) -> Request:
    """Control 03; the payload is the kind and the address of whoever answers, as on the wire."""
    sent = frame.frame(frame.ANY_KIND, frame.address_bytes(address), frame.READ_ADDRESS, b"\x81\x0a\x01", WAKE)

    def judge(raw: bytes) -> bytes | Aside:
        found = frame.parsed(raw)
        if not found.control & frame.REPLY or found.kind == frame.ANY_KIND:
            return Aside("echo")
        return bytes([found.kind]) + found.address

    receive = receiver(frame.FRAMING, judge, lambda raw: True)
    return Request(frame.unit_of(address), sent, receive, timeout_s)
