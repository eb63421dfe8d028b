"""What stands in a report: alarms of i101, the tanks of i201, a field at a place of any other. Pure.

i101: alarms of six digits each, category, type and device (tank); 000000 is "all functions normal". The layout was
recomputed from a capture. i201: for each tank TT p ssss NN and NN floats of eight hex digits; general knowledge.
"""

import re
from dataclasses import dataclass

from drivers.errors import BadReply
from drivers.values import float32

INVENTORY = ("volume", "tc_volume", "ullage", "height", "water", "temperature", "water_volume")
"""The floats of i201, in order."""
_ALARMS = re.compile(r"(?:[0-9A-Fa-f]{2}\d{4})*")
_TANK = re.compile(r"(\d\d)(.)([0-9A-Fa-f]{4})([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One active alarm or warning."""

    category: int
    type: int
    device: int


@dataclass(frozen=True, slots=True)
class Tank:
    """One tank of the inventory; `values` in the order of INVENTORY, as many as the console sends."""

    number: int
    product: str
    status: int
    values: tuple[float, ...]


def alarms(data: str) -> tuple[Alarm, ...]:
    """Of i101. Raises BadReply for data that is none."""
    if not _ALARMS.fullmatch(data):
        raise BadReply(f"{data[:24]!r} are no alarms of six characters each", "wrong_count")
    found = [Alarm(int(data[at : at + 2], 16), int(data[at + 2 : at + 4]), int(data[at + 4 : at + 6]))
             for at in range(0, len(data), 6)]  # fmt: skip
    return tuple(alarm for alarm in found if alarm.category or alarm.type)


def tanks(data: str) -> dict[int, Tank]:
    """Of i201, by number. Raises BadReply for data that is none."""
    found: dict[int, Tank] = {}
    at = 0
    while at < len(data):
        head = _TANK.match(data, at)
        if head is None:
            raise BadReply(f"{data[at : at + 12]!r} begins no tank", "wrong_count")
        number, product, status, count = int(head[1]), head[2], int(head[3], 16), int(head[4], 16)
        digits = data[head.end() : head.end() + 8 * count]
        if len(digits) != 8 * count or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
            raise BadReply(f"tank {number} has no {count} values of eight hex digits", "wrong_count")
        if number in found:
            raise BadReply(f"tank {number} comes twice", "wrong_count")
        raw = bytes.fromhex(digits)
        values = tuple(float32(raw[place : place + 4], ">") for place in range(0, len(raw), 4))
        found[number] = Tank(number, product, status, values)
        at = head.end() + 8 * count
    return found
