"""A Veeder-Root console on a line: one request for each report that the points need."""

import re
from collections.abc import Mapping
from datetime import datetime

from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.contract import Flag, Line
from drivers.keys import secret
from drivers.profile import InstrumentSpec, LineSpec
from drivers.status import Statuses
from drivers.values import Measured, Odd, Raw, float32
from drivers.veeder_root import frame
from drivers.veeder_root.reports import INVENTORY, Tank, alarms, tanks
from drivers.veeder_root.source import VeederRootOptions, VeederRootPoint

ALARMS, TANKS = ("101", "00"), ("201", "00")
COMMAND_BYTES = 8


class Reading:
    """One report and the points that it brings."""

    def __init__(self, spec: InstrumentSpec, report: tuple[str, str], places: Mapping[int, VeederRootPoint]) -> None:
        self.members = tuple(places)
        self.report = report
        self._places = places
        self._options = options_of(spec)
        self._request = frame.request(
            *report, self._options.terminator, unit_of(spec), spec.timeout_s, self._options.reply, code_of(spec)
        )
        self._request.settle_s = spec.settle_s

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        return self.decoded(frame.parsed(await line.exchange(self._request)))

    def decoded(self, report: frame.Report) -> dict[int, Raw]:
        """The values of the points. Raises BadReply for a report that is not laid out as it should be."""
        if self.report == ALARMS:
            return {index: of_alarms(point, report) for index, point in self._places.items()}
        if self.report == TANKS:
            found = tanks(report.data)
            return {index: of_tanks(point, found, self._options) for index, point in self._places.items()}
        return {index: field(point, report.data) for index, point in self._places.items()}


def of_alarms(point: VeederRootPoint, report: frame.Report) -> Raw:
    """From i101: whether an alarm is active, how many are, or the console's clock."""
    active = alarms(report.data)
    if point.value == "time":
        try:
            return datetime.strptime(report.time, "%y%m%d%H%M").isoformat(timespec="minutes")
        except ValueError:
            return Odd(f"{report.time} is no time")
    if point.alarm is None:
        return Measured(len(active))
    wanted = point.alarm
    return any(
        (one.category, one.type) == (wanted.category, wanted.type) and wanted.device in (None, one.device)
        for one in active
    )


def of_tanks(point: VeederRootPoint, found: Mapping[int, Tank], options: VeederRootOptions) -> Raw:
    """From i201: one value of one tank, in the unit that the console is set up for."""
    tank = found.get(point.tank or 0)
    if tank is None:
        return Odd(f"the report has no tank {point.tank}", Flag.COMMUNICATION)
    if point.value == "status":
        return Measured(tank.status)
    place = INVENTORY.index(point.value or "")
    if place >= len(tank.values):
        return Odd(f"tank {tank.number} has no {point.value}", Flag.COMMUNICATION)
    unit = {"height": options.length, "water": options.length, "temperature": options.temperature}
    return Measured(tank.values[place], unit.get(point.value or "", options.volume))


def field(point: VeederRootPoint, data: str) -> Raw:
    """A field at its place in a report whose layout only the profile knows."""
    assert point.at is not None
    assert point.length is not None
    text = data[point.at : point.at + point.length]
    if len(text) < point.length:
        return Odd(f"the report ends before character {point.at + point.length}", Flag.COMMUNICATION)
    if point.type == "text":
        return text.strip()
    if point.type == "digits":
        return Measured(int(text)) if re.fullmatch(r" *[+-]?\d+ *", text) else Odd(f"{text!r} is no number")
    if not re.fullmatch(r"[0-9A-Fa-f]+", text):
        return Odd(f"{text!r} is no hex number")
    return Measured(float32(bytes.fromhex(text), ">") if point.type == "float" else int(text, 16))


def readings(spec: InstrumentSpec) -> tuple[Reading, ...]:
    """The reports of one poll: alarms, inventory, then the others in the order of the points."""
    places: dict[tuple[str, str], dict[int, VeederRootPoint]] = {ALARMS: {}, TANKS: {}}
    for index, point in enumerate(spec.points):
        assert isinstance(point, VeederRootPoint)
        if point.function is not None:
            report = (point.function, point.device)
        else:
            report = TANKS if point.tank is not None else ALARMS
        places.setdefault(report, {})[index] = point
    return tuple(Reading(spec, report, mine) for report, mine in places.items() if mine)


def options_of(spec: InstrumentSpec) -> VeederRootOptions:
    """The console's options, defaults where the site file has none."""
    return spec.options if isinstance(spec.options, VeederRootOptions) else VeederRootOptions()


def code_of(spec: InstrumentSpec) -> str:
    """The console's security code; "" for none. Raises ValueError for a file that holds none."""
    path = options_of(spec).security_code_file
    code = secret(path)
    if code is not None and not re.fullmatch(r"[0-9A-Za-z]{6}", code):
        raise ValueError(f"{path} holds no security code: six letters or digits")
    return code or ""


def unit_of(spec: InstrumentSpec) -> tuple[str, int | str]:
    """The key of settling and silence; a console has no address, so any will do."""
    return ("veeder_root", spec.address)


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one console. Raises ValueError, one problem a line."""
    statuses = Statuses(options_of(spec).flags, spec.points)
    return AskingDriver(spec.points, unit_of(spec), line, readings(spec), statuses)


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone. Raises ValueError, one problem a line."""
    options = options_of(spec)
    Statuses(options.flags, spec.points)
    sizes = [(COMMAND_BYTES, 30 if reading.report == ALARMS else options.reply) for reading in readings(spec)]
    return exchanges_s(line, sizes)


def think_s(spec: InstrumentSpec) -> float:
    """Seconds of one poll that the instrument thinks, as its options say; for the plan. Raises ValueError."""
    return options_of(spec).response * len(readings(spec))
