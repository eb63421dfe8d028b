"""A CJ/T 188 meter on a line: one request brings all its values."""

from collections.abc import Mapping
from datetime import datetime

from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.cjt188 import frame
from drivers.cjt188.layout import UNITS, Field, layout
from drivers.cjt188.source import Cjt188Options, Cjt188Point
from drivers.contract import Line
from drivers.errors import BadReply
from drivers.profile import InstrumentSpec, LineSpec
from drivers.status import Statuses
from drivers.values import Measured, Odd, Raw, bcd, decimal

FRAME_BYTES = 16
"""Of a frame with identifier and serial number."""


class Reading:
    """The one question."""

    def __init__(self, spec: InstrumentSpec) -> None:
        """Raises ValueError, one problem a line."""
        options = options_of(spec)
        problems: list[str] = []
        self._fields: list[Field] = []
        for point in spec.points:
            assert isinstance(point, Cjt188Point)
            try:
                self._fields.append(point.placed(options.kind))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))
        self.members = tuple(range(len(spec.points)))
        self.size = max(layout(options.kind)[1], *(field.end for field in self._fields))
        self.wire_bytes = FRAME_BYTES + options.wake, FRAME_BYTES + self.size
        ask = frame.Ask(options.kind, address_of(spec), options.identifier, options.order)
        self.request = frame.request(ask, spec.timeout_s, options.wake, self.wire_bytes[1])
        self.request.settle_s = spec.settle_s

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        return self.decoded(await line.exchange(self.request))

    def decoded(self, data: bytes) -> dict[int, Raw]:
        """The values of the points. Raises BadReply for data that is too short for them."""
        if len(data) < max(field.end for field in self._fields):
            raise BadReply(f"{len(data)} bytes of data, {self.size} are right", "wrong_count")
        return {index: value(field, data) for index, field in enumerate(self._fields)}


def value(field: Field, data: bytes) -> Raw:
    """One value out of the data behind the serial number."""
    own = data[field.at : field.at + field.size]
    if field.kind == "bits":
        return Measured(int.from_bytes(own, "little"))
    if field.kind == "time":
        text = own[::-1].hex()
        try:
            return datetime.strptime(text, "%Y%m%d%H%M%S").isoformat()  # the meter's own clock has no zone
        except ValueError:
            return Odd(f"{text} is no time")
    digits = bcd(own)
    if isinstance(digits, Odd):
        return digits
    unit = field.unit
    if unit == "":
        code = data[field.at + field.size]
        unit = UNITS.get(code)
        if unit is None:
            return Odd(f"unit {code:02X} is not known")
    return Measured(decimal(digits, field.decimals), unit)


def options_of(spec: InstrumentSpec) -> Cjt188Options:
    """The meter's options, defaults where the site file has none."""
    return spec.options if isinstance(spec.options, Cjt188Options) else Cjt188Options()


def address_of(spec: InstrumentSpec) -> str:
    """Fourteen digits."""
    return str(spec.address).zfill(14).upper()


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one meter. Raises ValueError, one problem a line."""
    unit = frame.unit_of(address_of(spec))
    return AskingDriver(spec.points, unit, line, (Reading(spec),), Statuses(options_of(spec).flags, spec.points))


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone. Raises ValueError, one problem a line."""
    Statuses(options_of(spec).flags, spec.points)
    return exchanges_s(line, (Reading(spec).wire_bytes,))


def think_s(spec: InstrumentSpec) -> float:
    """Seconds of one poll that the instrument thinks, as its options say; for the plan. Raises ValueError."""
    return options_of(spec).response
