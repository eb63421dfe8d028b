"""A DL/T 645 meter on a line: one request for each data identifier, continuations fetched, values decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.contract import Line, Request
from drivers.dlt645 import frame
from drivers.dlt645.source import Dlt645Options, Dlt645Point
from drivers.errors import BadReply
from drivers.profile import InstrumentSpec, LineSpec
from drivers.status import Statuses
from drivers.values import Measured, Odd, Raw, bcd, decimal

FRAME_BYTES = 12
"""Of a frame without data."""


@dataclass(slots=True)
class Reading:
    """One identifier and the points that it holds."""

    address: str
    identifier: str
    options: Dlt645Options
    timeout_s: float
    settle_s: float | None = None
    places: list[tuple[int, Dlt645Point]] = field(default_factory=list)

    @property
    def members(self) -> tuple[int, ...]:
        """See Question."""
        return tuple(index for index, _ in self.places)

    @property
    def size(self) -> int:
        """Bytes of data in the usual answer."""
        return max(((point.part or 0) + 1) * point.layout.size for _, point in self.places)

    @property
    def wire_bytes(self) -> tuple[int, int]:
        """Request and answer."""
        head = len(self.identifier) // 2
        return FRAME_BYTES + head + self.options.wake, FRAME_BYTES + head + self.size

    def request(self, number: int = 0) -> Request:
        """The first request, or that of a continuation."""
        old = self.options.edition == 1997
        control = (0x01 if old else 0x11) + (number > 0)
        head = bytes.fromhex(self.identifier)[::-1]
        ask = frame.Ask(self.address, control, head, number if number and not old else None)
        made = frame.request(ask, self.timeout_s, self.options.wake, self.wire_bytes[1])
        made.settle_s = self.settle_s
        return made

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        data = b""
        for number in range(self.options.most_parts + 1):
            payload = await line.exchange(self.request(number))
            data += payload[1:]
            if not payload[0]:
                return self.decoded(data)
        raise BadReply(f"more than {self.options.most_parts} continuations of {self.identifier}", "wrong_count")

    def decoded(self, data: bytes) -> dict[int, Raw]:
        """The values of the places. Raises BadReply for data of a length that does not fit them."""
        point = self.places[0][1]
        whole = len(data) == self.size if point.part is None else len(data) % point.layout.size == 0
        if len(data) < self.size or not whole:
            raise BadReply(f"{len(data)} bytes of {self.identifier}, {self.size} are right", "wrong_count")
        return {index: value(point, data) for index, point in self.places}


def value(point: Dlt645Point, data: bytes) -> Raw:
    """One value out of the data of its identifier, low byte first."""
    layout = point.layout
    at = (point.part or 0) * layout.size
    own = data[at : at + layout.size]
    if point.type == "bits":
        return Measured(int.from_bytes(own, "little"))
    if point.type == "string":
        text = own[::-1].strip(b"\0 ")
        return text.decode("ascii") if text.isascii() else Odd(f"{own.hex(' ')} is no text")
    negative = layout.signed and own[-1] & 0x80
    if negative:
        own = own[:-1] + bytes([own[-1] & 0x7F])
    digits = bcd(own)
    if isinstance(digits, Odd):
        return digits
    return Measured(decimal(-digits if negative else digits, layout.decimals), layout.unit)


def readings(spec: InstrumentSpec) -> tuple[Reading, ...]:
    """The requests of one poll. Raises ValueError, one problem a line."""
    options = spec.options if isinstance(spec.options, Dlt645Options) else Dlt645Options()
    wanted = 8 if options.edition == 2007 else 4
    address = str(spec.address).zfill(12).upper()
    frame.address_bytes(address)
    problems: list[str] = []
    found: dict[str, Reading] = {}
    for index, point in enumerate(spec.points):
        assert isinstance(point, Dlt645Point)
        if len(point.identifier) != wanted:
            problems.append(f"{point.id}: edition {options.edition} has identifiers of {wanted} digits")
            continue
        reading = found.get(point.identifier)
        if reading is None:
            reading = found[point.identifier] = Reading(
                address, point.identifier, options, spec.timeout_s, spec.settle_s
            )
        reading.places.append((index, point))
    for reading in found.values():
        sizes = {point.layout.size for _, point in reading.places if point.part is not None}
        mixed = len({point.part is None for _, point in reading.places}) > 1
        if len(sizes) > 1 or mixed:
            names = ", ".join(point.id for _, point in reading.places)
            problems.append(f"{names}: parts of one block have one size, and all of them say `part`")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(found.values())


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one meter. Raises ValueError, one problem a line."""
    questions: Sequence[Reading] = readings(spec)
    options = spec.options if isinstance(spec.options, Dlt645Options) else Dlt645Options()
    address = str(spec.address).zfill(12).upper()
    return AskingDriver(spec.points, frame.unit_of(address), line, questions, Statuses(options.flags, spec.points))


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone. Raises ValueError, one problem a line."""
    options = spec.options if isinstance(spec.options, Dlt645Options) else Dlt645Options()
    Statuses(options.flags, spec.points)
    return exchanges_s(line, (reading.wire_bytes for reading in readings(spec)))


def think_s(spec: InstrumentSpec) -> float:
    """Seconds of one poll that the instrument thinks, as its options say; for the plan. Raises ValueError."""
    options = spec.options if isinstance(spec.options, Dlt645Options) else Dlt645Options()
    return options.response * len(readings(spec))
