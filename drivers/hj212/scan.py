"""Whether senders with the MNs given answer: asked for their time (1011), which changes nothing.

There is no address that all answer to and no range of MNs to try, so without MNs nothing is asked: who pushes is found
by listening.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from drivers.contract import Line, Request, Skip, Verdict, Whole
from drivers.errors import BadReply, FieldError, LineDown
from drivers.hj212.answers import ANSWERS
from drivers.hj212.frame import LONGEST_DATA, Framing, framed
from drivers.hj212.message import parsed, written
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step

ASK_TIME = "1011"
_FRAMING = Framing("either", LONGEST_DATA)


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py. Raises LineDown when the line goes down."""
    for address in addresses:
        if isinstance(address, int):
            continue  # a unit address is no MN
        try:
            answer = await line.exchange(_question(str(address), spec.timeout_s))
        except LineDown:
            raise
        except FieldError as error:
            yield Step(address, noise="only" in error.detail)
            continue
        message = parsed(_FRAMING.opened(answer).data)
        said = f"command {message.cn}: {answer[6:80].decode('utf-8', 'replace')}"
        identity = {key: message.fields[key] for key in ("ST", "FLAG") if key in message.fields}
        yield Step(address, Heard("hj212", address, said, identity))


def senders(data: bytes) -> list[Heard]:
    """Every MN that speaks in these bytes, in the order of its first word."""
    found: dict[str, Heard] = {}
    at = 0
    while at < len(data):
        verdict = _FRAMING.cut(data[at : at + _FRAMING.longest])
        if verdict is None:
            break
        if isinstance(verdict, Whole):
            with suppress(BadReply):
                message = parsed(_FRAMING.opened(verdict.payload).data)
                if message.cn not in ANSWERS:
                    identity = {key: message.fields[key] for key in ("ST", "FLAG") if key in message.fields}
                    found.setdefault(
                        message.mn, Heard("hj212", message.mn, f"pushes command {message.cn}", identity, True)
                    )
        at += verdict.end if isinstance(verdict, Whole) else verdict.upto
    return list(found.values())


def _question(mn: str, timeout_s: float) -> Request:
    # the number of a request is a time; nobody looks at which
    qn = time.strftime("%Y%m%d%H%M%S") + "000"
    frame = framed(written({"QN": qn, "ST": "91", "CN": ASK_TIME, "PW": "123456", "MN": mn, "Flag": "5"}, ""))

    def receive(data: bytes | bytearray) -> Verdict:
        found = _FRAMING.cut(data)
        if not isinstance(found, Whole):
            return found
        try:
            sender = parsed(_FRAMING.opened(found.payload).data).mn
        except BadReply:
            return Skip(found.end, "grammar")
        return found if sender == mn else Skip(found.end, "wrong_unit", sender)

    return Request(unit=mn, frame=frame, receive=receive, timeout_s=timeout_s)
