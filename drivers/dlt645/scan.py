"""Which meter is alone on a line (2007: read address by wildcard), or which of the given ones answer. Only reads."""

from collections.abc import AsyncIterator, Sequence

from drivers.contract import Line
from drivers.dlt645 import frame
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried

READ_ADDRESS = 0x13
READ, TOTAL_ENERGY = 0x11, bytes.fromhex("00000100")
WAKE = 4


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py. Several meters on one line answer the wildcard at once: that is noise."""
    own = [str(address).zfill(12) for address in addresses if len(str(address)) > 3]
    if not own:
        found = await tried(line, frame.request(frame.Ask(frame.ANYBODY, READ_ADDRESS, b""), spec.timeout_s, WAKE, 0))
        if isinstance(found, bool) or len(found) != 7:
            yield Step(frame.ANYBODY, noise=found is True)
            return
        own = [frame.address_text(found[1:])]
    for address in own:
        asked = frame.request(frame.Ask(address, READ, TOTAL_ENERGY), spec.timeout_s, WAKE, 0)
        found = await tried(line, asked)
        if isinstance(found, bool):
            yield Step(address, noise=found)
        else:
            said = f"00010000: {found[1:].hex(' ')}" if found else "refuses 00010000"
            yield Step(address, Heard("dlt645", address, said))
