"""Whether a console is there: its status report is asked for. Only reads."""

from collections.abc import AsyncIterator, Sequence

from drivers.contract import Line
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried
from drivers.veeder_root import frame


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py; a console has no address, so there is one step."""
    found = await tried(line, frame.request("101", "00", "etx", ("veeder_root", 0), spec.timeout_s, 0))
    if isinstance(found, bool):
        yield Step(0, noise=found)
    else:
        said = f"i10100: {found.decode('ascii')}" if found else "does not understand i10100"
        yield Step(0, Heard("veeder_root", 0, said))
