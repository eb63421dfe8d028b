"""The machine itself as an instrument: each point is a question of its own, and costs only itself when it fails.

Units of industrial I/O channels are those of the kernel (Documentation/ABI/testing/sysfs-bus-iio).
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from drivers.asking import AskingDriver
from drivers.contract import Line, Request, Verdict, Whole
from drivers.errors import BadReply, Refused
from drivers.host.source import HostPoint
from drivers.line.gpio import ACTIVE_LOW, BIAS, INPUT
from drivers.profile import InstrumentSpec, LineSpec
from drivers.values import Measured, Odd, Raw

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
IIO_UNITS: Mapping[str, tuple[str, Fraction]] = {
    "in_voltage": ("mV", Fraction(1)), "in_current": ("mA", Fraction(1)), "in_temp": ("°C", Fraction(1, 1000)),
    "in_humidityrelative": ("%", Fraction(1, 1000)), "in_pressure": ("kPa", Fraction(1)),
    "in_illuminance": ("lx", Fraction(1)), "in_power": ("mW", Fraction(1)),
}  # fmt: skip
"""Kind of channel -> its unit, and the factor to it."""
_PARTS = re.compile(r"raw (\S+) scale (\S+) offset (\S+)")


class Question:
    """One source."""

    def __init__(self, member: int, point: HostPoint, spec: InstrumentSpec) -> None:
        self.members = (member,)
        self._point = point
        self._request = Request(
            unit=spec.address, frame=asked(point).encode(), receive=receive, timeout_s=spec.timeout_s
        )

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See drivers/asking.py, Question."""
        text = (await line.exchange(self._request)).decode("utf-8", "replace")
        return {self.members[0]: read(self._point, text)}


def asked(point: HostPoint) -> str:
    """The request (drivers/line/machine.py)."""
    if point.gpio is not None:
        flags = INPUT | BIAS.get(point.bias, 0) | (ACTIVE_LOW if point.active_low else 0)
        return f"gpio {point.gpio} {point.line} {flags}"
    if point.iio is not None:
        return f"iio {point.iio} {point.channel}"
    return f"found {point.group} {point.named} {point.file}" if point.group is not None else f"file {point.file}"


def receive(data: bytes | bytearray) -> Verdict:
    """The answer of the machine. Raises Refused with its reason."""
    if data[:1] == b"!":
        code, _, why = bytes(data[1:]).decode("utf-8", "replace").partition(" ")
        raise Refused(why, int(code) if code.isdecimal() else 0)
    if data[:1] != b"=":
        raise BadReply(f"no answer of this machine: {bytes(data[:16]).hex(' ')}", "noise")
    return Whole(len(data), bytes(data[1:]))


def read(point: HostPoint, text: str) -> Raw:
    """What the text of the source says."""
    if point.is_bool:
        return text == "1" if text in ("0", "1") else Odd(f"{text!r} is neither 0 nor 1")
    if point.type == "text":
        return text if text.isprintable() else Odd(f"{text!r} is no text")
    if point.iio is None:
        number = _number(text)
        return Measured(number) if number is not None else Odd(f"{text!r} is no number")
    assert point.channel is not None
    kind = next((kind for kind in IIO_UNITS if point.channel.startswith(kind)), None)
    unit, factor = IIO_UNITS[kind] if kind is not None else (None, Fraction(1))
    value = _channel(text)
    if value is None:
        return Odd(f"{text!r} is no value of a channel")
    converts = point.scale == 1 and point.offset == 0  # a scaled voltage is another quantity, in the point's unit
    return Measured(value * factor, unit if converts else None)


def _channel(text: str) -> Fraction | None:
    """`input 21.5`, or (raw + offset) x scale."""
    ready = text.removeprefix("input ")
    parts = _PARTS.fullmatch(text)
    found = [_number(ready)] if parts is None else [_number(part) for part in parts.groups()]
    if any(number is None for number in found):
        return None
    exact = [Fraction(number) for number in found if number is not None]
    return exact[0] if parts is None else (exact[0] + exact[2]) * exact[1]


def _number(text: str) -> int | Fraction | None:
    if not _NUMBER.fullmatch(text):
        return None
    return Fraction(text) if "." in text or "e" in text.lower() else int(text)


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The machine as an instrument."""
    points = [point for point in spec.points if isinstance(point, HostPoint)]
    questions = [Question(member, point, spec) for member, point in enumerate(points)]
    return AskingDriver(points, spec.address, line, questions)
