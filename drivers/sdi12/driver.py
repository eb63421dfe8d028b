"""An SDI-12 sensor behind a transparent adapter: start a measurement, wait for it, fetch its values."""

import asyncio
from collections.abc import Mapping
from fractions import Fraction

from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.contract import Flag, Line, Request
from drivers.errors import BadReply, NoReply, Refused
from drivers.profile import InstrumentSpec, LineSpec
from drivers.sdi12 import message
from drivers.sdi12.source import Sdi12Options, Sdi12Point
from drivers.status import Statuses
from drivers.values import Measured, Odd, Raw

VALUE_BYTES = 9
"""Sign, seven digits, point."""
ANNOUNCED_BYTES = 8
SERVICE_S = 1.0
"""A service request may come so much later than announced; then the values are fetched without it (§4.4.6)."""


class Measurement:
    """One command and the points that it brings."""

    def __init__(self, spec: InstrumentSpec, command: message.Command, places: Mapping[int, int]) -> None:
        """`places`: index of a point -> place of its value."""
        options = options_of(spec)
        self.members = tuple(places)
        self.command = command
        self._places = places
        self._address = address_of(spec)
        self._timeout_s = spec.timeout_s
        self._settle_s = spec.settle_s
        self._resend_s = spec.timeout_s / options.tries if options.tries > 1 else None
        self._longest_s = options.longest
        self._later = options.collect == "next_poll"
        self._started: tuple[float, int] | None = None
        """When the values will be there, and how many: of a measurement that the next poll fetches."""

    @property
    def wire_bytes(self) -> list[tuple[int, int]]:
        """(command, answer) of each exchange of a usual poll."""
        count = max(self._places.values()) + 1
        asked = len(self.command.text) + 2
        data = 3 + count * VALUE_BYTES + 3 * self.command.crc
        if self.command.kind == "R":
            return [(asked, data)]
        return [(asked, ANNOUNCED_BYTES), (4, data)]

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        if self.command.kind == "R":
            judge = message.values(self.command.crc, self._address, late_service=False)
            return self._found(message.numbers(await self._say(line, self.command.text, judge)))
        if self._later:
            return await self._of_last_poll(line)
        seconds, count = await self._start(line)
        served = seconds == 0 or await self._wait(line, seconds)
        return self._found(await self._fetch(line, count, served))

    async def _say(self, line: Line, text: str, judge: object) -> bytes:
        request: Request = message.request(self._address, text, self._timeout_s, judge)  # type: ignore[arg-type]
        request.resend_s = self._resend_s
        request.settle_s = self._settle_s
        return await line.exchange(request)

    async def _start(self, line: Line) -> tuple[int, int]:
        """(seconds, number of values) as the sensor announces them."""
        text = await self._say(line, self.command.text, message.announced(self.command.kind))
        seconds, count = int(text[:3]), int(text[3:])
        if seconds > self._longest_s:
            raise Refused(f"{seconds} s are announced, {self._longest_s:g} s is the longest that is waited", seconds)
        return seconds, count

    async def _wait(self, line: Line, seconds: int) -> bool:
        """Until the sensor has its values; whether its service request has come (C and HA send none)."""
        if self.command.kind in ("C", message.HIGH_VOLUME):
            await asyncio.sleep(seconds)
            return True
        listening = message.request(self._address, "", seconds + SERVICE_S, message.service_request)
        listening.settle_s = 0.0  # its silence is allowed
        try:
            await line.exchange(listening)
        except NoReply:
            return False
        return True

    async def _of_last_poll(self, line: Line) -> Mapping[int, Raw]:
        """The values of the measurement that the last poll has started, after which the next one is started."""
        now_s = asyncio.get_running_loop().time()
        started, self._started = self._started, None
        found: Mapping[int, Raw] = dict.fromkeys(self.members, Odd("the first measurement begins", Flag.COMMUNICATION))
        if started is not None:
            ready_s, count = started
            if now_s < ready_s:
                self._started = started
                return dict.fromkeys(self.members, Odd("the sensor still measures", Flag.COMMUNICATION))
            found = self._found(await self._fetch(line, count, True))
        seconds, count = await self._start(line)
        self._started = (asyncio.get_running_loop().time() + seconds, count)
        return found

    async def _fetch(self, line: Line, count: int, served: bool) -> list[int | Fraction]:
        """D0, D1 … until all announced values are there."""
        found: list[int | Fraction] = []
        judge = message.values(self.command.crc, self._address, late_service=not served)
        for number in range(1000 if self.command.kind == message.HIGH_VOLUME else 10):
            if len(found) >= count:
                break
            found += message.numbers(await self._say(line, f"D{number}", judge))
        if len(found) != count:
            raise BadReply(f"{len(found)} values came, {count} were announced", "wrong_count")
        return found

    def _found(self, values: list[int | Fraction]) -> dict[int, Raw]:
        missing = Odd(f"the sensor sends {len(values)} values", Flag.COMMUNICATION)
        return {
            index: Measured(values[place]) if place < len(values) else missing for index, place in self._places.items()
        }


def measurements(spec: InstrumentSpec) -> tuple[Measurement, ...]:
    """The commands of one poll. Raises ValueError, one problem a line."""
    options = options_of(spec)
    address_of(spec)
    commands: dict[str, dict[int, int]] = {}
    for index, point in enumerate(spec.points):
        assert isinstance(point, Sdi12Point)
        commands.setdefault(point.command or options.command, {})[index] = point.place
    problems: list[str] = []
    made: list[Measurement] = []
    for written, places in commands.items():
        try:
            made.append(Measurement(spec, message.command(written, options.crc), places))
        except ValueError as error:
            problems.append(str(error))
    if options.collect == "next_poll" and any(one.command.kind != "C" for one in made):
        problems.append("collect: next_poll is for the command C alone: after M the bus belongs to the sensor")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(made)


def options_of(spec: InstrumentSpec) -> Sdi12Options:
    """The sensor's options, defaults where the site file has none."""
    return spec.options if isinstance(spec.options, Sdi12Options) else Sdi12Options()


def address_of(spec: InstrumentSpec) -> str:
    """One letter or digit. Raises ValueError."""
    address = str(spec.address)
    if len(address) != 1 or address not in message.ADDRESSES:
        raise ValueError(f"{spec.address!r} is no SDI-12 address: one of 0 to 9, a to z, A to Z")
    return address


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one sensor. Raises ValueError, one problem a line."""
    unit = message.unit_of(address_of(spec))
    statuses = Statuses(options_of(spec).flags, spec.points)
    return AskingDriver(spec.points, unit, line, measurements(spec), statuses)


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes, quiet gaps and the announced measuring time alone. Raises ValueError."""
    options = options_of(spec)
    Statuses(options.flags, spec.points)
    made = measurements(spec)
    waiting_s = options.measuring * len(made) if options.collect == "same_poll" else 0.0
    return exchanges_s(line, (sizes for one in made for sizes in one.wire_bytes)) + waiting_s
