"""Which addresses answer on an SDI-12 bus: the acknowledge command, then the identification. Nothing is measured."""

from collections.abc import AsyncIterator, Sequence

from drivers.contract import Line
from drivers.frames import Aside
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried
from drivers.sdi12 import message

TRIES = 2
"""A sensor may sleep through the first command."""


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py; numbers above 9 are no addresses here and are left out."""
    for address in [str(one) for one in addresses if str(one) in message.ADDRESSES] or message.ADDRESSES:
        request = message.request(address, "", spec.timeout_s, _alive)
        request.frame = message.sent(address, "")
        request.resend_s = spec.timeout_s / TRIES
        found = await tried(line, request)
        if isinstance(found, bool):
            yield Step(address, noise=found)
            continue
        text = await tried(line, message.request(address, "I", spec.timeout_s, _identified))
        yield Step(address, Heard("sdi12", address, "acknowledges", _identity(text)))


def _alive(text: str) -> bytes | Aside:
    return Aside("noise") if text else b""


def _identified(text: str) -> bytes | Aside:
    return text.encode("ascii") if text else Aside("late")


def _identity(text: bytes | bool) -> dict[str, str]:
    """SDI-12 version (2), vendor (8), model (6), version of the sensor (3), the rest its own (§4.4.2)."""
    if isinstance(text, bool) or len(text) < 19:
        return {}
    said = text.decode("ascii")
    parts = {"vendor": said[2:10], "model": said[10:16], "version": said[16:19], "more": said[19:]}
    return {name: part.strip() for name, part in parts.items() if part.strip()}
