"""Simulated instruments whose protocol marks its own frames, and lines that several protocols share. Pure.

A **meter** is asked by frames and answers by frames; `MeterBus` says what goes on the wire, `MeterStream` finds the
requests in what comes in. `MixedBus` and `MixedStream` put instruments of several protocols on one line: each hears
everything and makes something only of its own frames, as on a real bus.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

from drivers import frames, units
from drivers.contract import Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.slave import Act, Send
from drivers.simulator.truth import Truth

DECOY_DIGITS = 0x99
"""Every byte of decimal digits that no driver may believe."""


class Meter(Protocol):
    """One simulated instrument."""

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to a request; None when it is not for this one."""

    def wrongs(self, frame: bytes) -> Mapping[str, bytes]:
        """Good frames that are not the answer, by what is wrong with them; `decoy` is right but for its data."""


@runtime_checkable
class Announcing(Protocol):
    """A meter that says something more, later."""

    def follows(self, frame: bytes) -> Iterable[Send]:
        """What goes on the wire after the answer to a request."""


Mischief = Callable[[bytes, bytes, Mapping[str, bytes]], Iterable[Act]]
"""(request, right answer, wrong ones) -> what goes on the wire instead: drivers/simulator/meter_faults.py."""


class MeterStream:
    """The requests in what comes in on one connection or bus."""

    def __init__(self, framing: frames.Framing) -> None:
        self.framing = framing
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[bytes]:
        """Everything that is whole now."""
        self._input += data
        yield from frames.split(self.framing, self._input)
        if (frame := frames.ending(self.framing, self._input)) is not None:
            self._input.clear()  # what was begun before was somebody else's
            yield frame

    def forget(self) -> None:
        """The line was silent: what was begun will not be finished."""
        self._input.clear()


@dataclass(frozen=True, slots=True)
class MeterBus:
    """Meters of one protocol on one line. `think_s` is how long each needs before its answer begins."""

    meters: Sequence[Meter]
    think_s: float = 0.0
    mischief: Mischief | None = None

    def acts(self, question: bytes, stream: Any) -> Iterable[Act]:
        """What the line does about one request; the first meter that it is for answers."""
        for meter in self.meters:
            reply = meter.answer(question)
            if reply is None:
                continue
            if self.mischief is not None:
                return self.mischief(question, reply, meter.wrongs(question))
            later = meter.follows(question) if isinstance(meter, Announcing) else ()
            return (*((Send(reply, self.think_s),) if reply else ()), *later)
        return ()


class MixedStream:
    """Every protocol of a line hears everything; `rates` are the baud rates at which each understands it (0: any)."""

    def __init__(self, streams: Sequence[Any], rates: Sequence[int] = ()) -> None:
        self.streams = tuple(streams)
        self._rates = tuple(rates) or (0,) * len(self.streams)
        self.rate = 0
        """Baud rate of what comes in now, 0 where nobody knows; the port sets it."""

    def questions(self, data: bytes) -> Iterator[tuple[int, Any]]:
        """(which protocol, its question)."""
        for number, stream in enumerate(self.streams):
            if self.rate and self._rates[number] not in (0, self.rate):
                stream.forget()  # at another rate it hears nonsense
                continue
            for question in stream.questions(data):
                yield number, question

    def forget(self) -> None:
        """The line was silent."""
        for stream in self.streams:
            stream.forget()


@dataclass(frozen=True, slots=True)
class MixedBus:
    """Instruments of several protocols on one line, in the order of the streams."""

    buses: Sequence[Any]

    def acts(self, question: tuple[int, Any], stream: MixedStream) -> Iterable[Act]:
        """What the line does about one question."""
        number, asked = question
        acts: Iterable[Act] = self.buses[number].acts(asked, stream.streams[number])
        return acts


class Readings:
    """What one simulated instrument shows: its behaviour, renewed at each answer, and the account of what it served."""

    def __init__(
        self,
        instrument: InstrumentSpec,
        behaviour: Behaviour,
        truth: Truth | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.instrument = instrument
        self._behaviour = behaviour
        self._truth = truth
        self._now = now

    def shown(self) -> dict[str, Value]:
        """Point -> value, now."""
        points = self.instrument.points
        return {point.id: value for point, value in zip(points, self._behaviour.at(self._now()), strict=True)}

    def served(self, point: Point, value: Value) -> None:
        """One point was in an answer."""
        if self._truth is not None:
            self._truth.note(self.instrument.id, point.id, int(self._now() * 1000), value)


def raw_number(point: Point, value: Value, decimals: int, unit: str | None = None) -> int:
    """The digits that an instrument shows for a value of the point: `unit` is its own, `decimals` its resolution."""
    number = Fraction(repr(float(value or 0)))
    number -= Fraction(repr(point.offset))
    if unit is not None and point.unit is not None:
        factor, shift = units.conversion(unit, point.unit)
        number = (number - shift) / factor
    return round(number / Fraction(repr(point.scale)) * Fraction(10) ** decimals)


def bcd_bytes(number: int, size: int) -> bytes:
    """Packed decimal digits, low byte first; what is too large wraps, as counters do."""
    return bytes.fromhex(f"{abs(number) % 10 ** (2 * size):0{2 * size}d}")[::-1]
