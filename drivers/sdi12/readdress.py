"""Give a sensor another address (SDI-12 §4.4.7, `aAb!`). Only ever on a person's word: no driver does this."""

from drivers.contract import Line, Request
from drivers.errors import BadReply, FieldError, LineDown, NoReply, WriteRefused
from drivers.frames import Aside
from drivers.sdi12 import message

TRIES = 2
"""A sensor may sleep through the first command."""


async def readdress(line: Line, old: str, new: str, timeout_s: float) -> None:
    """`old` answers, nobody answers at `new`, then the change, then `new` answers and `old` no more.

    Raises WriteRefused with nothing changed, FieldError when it is not sure what became of it.
    """
    for address in (old, new):
        if len(address) != 1 or address not in message.ADDRESSES:
            raise WriteRefused(f"{address!r} is no SDI-12 address: one of 0 to 9, a to z, A to Z")
    if old == new:
        raise WriteRefused(f"{old!r} is its address already")
    if not await _there(line, old, timeout_s):
        raise WriteRefused(f"nobody answers at {old!r}")
    if await _there(line, new, timeout_s):
        raise WriteRefused(f"somebody answers at {new!r} already; two sensors with one address cannot be told apart")

    def moved(text: str) -> bytes | Aside:
        return Aside("noise") if text else b""

    change = message.request(new, f"A{new}", timeout_s, moved)
    change.frame = message.sent(old, f"A{new}")  # the answer comes from the new address
    await line.exchange(change)
    if not await _there(line, new, timeout_s):
        raise NoReply(f"{new!r} does not answer after the change")
    if await _there(line, old, timeout_s):
        raise BadReply(f"{old!r} still answers after the change: two sensors had this address", "wrong_unit")


async def _there(line: Line, address: str, timeout_s: float) -> bool:
    """Whether somebody answers at that address, rightly or not. Raises LineDown."""
    request: Request = message.request(address, "", timeout_s, lambda text: Aside("noise") if text else b"")
    request.frame = message.sent(address, "")
    request.resend_s = timeout_s / TRIES
    request.settle_s = 0.0
    try:
        await line.exchange(request)
    except LineDown:
        raise
    except FieldError as error:
        return not isinstance(error, NoReply) or "only" in error.detail
    return True
