"""Which primary addresses answer on an M-Bus, and which meters they are: SND_NKE, then one readout. Only reads."""

from collections.abc import AsyncIterator, Sequence

from drivers.airtime import character_s
from drivers.contract import Line
from drivers.errors import BadReply
from drivers.mbus import frame
from drivers.mbus.records import Header, telegram
from drivers.profile import LineSpec
from drivers.scanning import Heard, Step, tried

ALL = range(251)


async def scan(line: Line, spec: LineSpec, addresses: Sequence[int | str] = ()) -> AsyncIterator[Step]:
    """See drivers/scanning.py. Meters with the same address answer at once: that is noise."""
    for address in addresses or ALL:
        meter = frame.address(address)
        if meter.mask is None:
            found = await tried(line, frame.reset(meter, spec.timeout_s))
        else:
            found = await tried(line, frame.select(meter, spec.timeout_s))
        if isinstance(found, bool):
            yield Step(address, noise=found)
            continue
        # the longest telegram takes a second at 2400 baud
        readout_s = spec.timeout_s + frame.LONGEST * character_s(spec)
        payload = await tried(line, frame.data_request(meter, True, readout_s, 0))
        try:
            header = telegram(payload).header if isinstance(payload, bytes) and payload else None
        except BadReply:
            header = None
        yield Step(address, Heard("mbus", address, "acknowledges and is read out", _identity(header)))


def _identity(header: Header | None) -> dict[str, str]:
    if header is None or not header.identity:
        return {}
    identity = header.identity
    return {
        "identification": identity[:4][::-1].hex(),
        "manufacturer": frame.manufacturer_letters(int.from_bytes(identity[4:6], "little")),
        "version": str(identity[6]),
        "medium": f"{identity[7]:02X}",
    }
