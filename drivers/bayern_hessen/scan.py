"""Which components an analyser sends: it is asked for all of them. Only reads."""

from collections.abc import AsyncIterator, Sequence

from drivers.bayern_hessen import frame
from drivers.contract import Line
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py; without addresses one question asks for everything."""
    asked: list[int | str] = [one for one in addresses if isinstance(one, int) and one <= 999]
    for address in asked or [frame.ANYBODY]:
        number = address if isinstance(address, int) else None
        found = await tried(line, frame.request(number, spec.timeout_s, 0))
        if isinstance(found, bool):
            yield Step(address, noise=found)
            continue
        ids = ", ".join(f"{one:03d}" for one in frame.components(found.decode("ascii")))
        yield Step(address, Heard("bayern_hessen", address, f"components {ids or 'none'}", {"components": ids}))
