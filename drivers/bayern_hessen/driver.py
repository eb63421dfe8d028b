"""An analyser with the Bayern-Hessen protocol on a line: one request brings all its components."""

from collections.abc import Mapping

from drivers import units
from drivers.airtime import exchanges_s
from drivers.asking import AskingDriver
from drivers.bayern_hessen import frame
from drivers.bayern_hessen.source import (
    FAILURE_WORDS,
    STATUS_WORDS,
    VOLUMETRIC,
    BayernHessenOptions,
    BayernHessenPoint,
    conversion_problem,
)
from drivers.contract import Flag, Line
from drivers.profile import InstrumentSpec, LineSpec
from drivers.status import Statuses
from drivers.values import Flagged, Measured, Odd, Raw

REQUEST_BYTES = 9


class Data:
    """The one question."""

    def __init__(self, spec: InstrumentSpec) -> None:
        """Raises ValueError, one problem a line."""
        self.options = options_of(spec)
        self.members = tuple(range(len(spec.points)))
        self._points = tuple(point for point in spec.points if isinstance(point, BayernHessenPoint))
        problems = [
            problem for point in self._points if (problem := conversion_problem(point, self.options)) is not None
        ]
        if problems:
            raise ValueError("\n".join(problems))
        self._request = frame.request(address_of(spec), spec.timeout_s, self.options.reply)
        self._request.settle_s = spec.settle_s

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """See Question."""
        found = frame.components((await line.exchange(self._request)).decode("ascii"))
        return {index: value(point, found, self.options) for index, point in enumerate(self._points)}


def value(point: BayernHessenPoint, found: Mapping[int, frame.Component], options: BayernHessenOptions) -> Raw:
    """One point out of the components of an answer."""
    component = found.get(point.component)
    if component is None:
        return Odd(f"the answer has no component {point.component:03d}", Flag.COMMUNICATION)
    if point.read == "status":
        return Measured(component.status)
    if point.read == "failure":
        return Measured(component.failure)
    number = component.value(3 if options.mantissa == "n.nnn" else 0)
    unit = options.volumetric if component.status >> VOLUMETRIC & 1 else options.gravimetric
    if unit is not None and point.unit is not None:
        factor, offset = units.conversion(unit, point.unit, point.molar_mass, point.molar_volume)
        number = number * factor + offset
    measured = Measured(number if number.denominator != 1 else number.numerator)
    if failures := component.failure & options.failure_mask:
        return Flagged(measured, Flag.FAULT, f"failure {_words(failures, FAILURE_WORDS)}")
    bits = [bit for bit in sorted(options.status) if component.status >> bit & 1]
    if bits and (flag := options.status[bits[0]]) is not Flag.NORMAL:
        return Flagged(measured, flag, _words(component.status & sum(1 << bit for bit in bits), STATUS_WORDS))
    return measured


def _words(bits: int, words: Mapping[int, str]) -> str:
    return ", ".join(words.get(bit, f"bit {bit}") for bit in range(8) if bits >> bit & 1)


def options_of(spec: InstrumentSpec) -> BayernHessenOptions:
    """The analyser's options. Raises ValueError without them: nobody can guess where the point stands."""
    if not isinstance(spec.options, BayernHessenOptions):
        raise ValueError("options: say `mantissa`")
    return spec.options


def address_of(spec: InstrumentSpec) -> int | None:
    """Id of the one component that is asked, None for all. Raises ValueError."""
    written = str(spec.address)
    if written == frame.ANYBODY:
        return None
    if not written.isdecimal() or not 0 <= int(written) <= 999:
        raise ValueError(f"{spec.address!r} is no Bayern-Hessen id: 0 to 999, or any to ask for all components")
    return int(written)


def driver(spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> AskingDriver:
    """The driver of one analyser. Raises ValueError, one problem a line."""
    statuses = Statuses(options_of(spec).flags, spec.points)
    return AskingDriver(spec.points, frame.unit_of(address_of(spec)), line, (Data(spec),), statuses)


def wire_s(spec: InstrumentSpec, line: LineSpec) -> float:
    """Seconds of one poll that are bytes and quiet gaps alone. Raises ValueError, one problem a line."""
    options = options_of(spec)
    Statuses(options.flags, spec.points)
    Data(spec)
    return exchanges_s(line, ((REQUEST_BYTES, options.reply),))


def think_s(spec: InstrumentSpec) -> float:
    """Seconds of one poll that the instrument thinks, as its options say; for the plan. Raises ValueError."""
    return options_of(spec).response
