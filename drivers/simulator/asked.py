"""The instruments of one line that are asked, whatever they speak, as one bus. Pure."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from drivers.profile import InstrumentSpec, LineSpec, line_for
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.hj212_instrument import Hj212Bus, Hj212Instrument, Hj212Stream
from drivers.simulator.meter import MeterBus, MeterStream, MixedBus, MixedStream, Readings
from drivers.simulator.meters import KINDS
from drivers.simulator.modbus_instrument import ModbusInstrument
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.text_instrument import TextBus, TextInstrument, TextStream
from drivers.simulator.truth import Truth

Here = Sequence[tuple[InstrumentSpec, Behaviour]]


def bus(
    line: LineSpec, here: Here, truth: Truth | None, now: Callable[[], float], think_s: float
) -> tuple[Any, Callable[[], Any]]:
    """The bus, and how its requests are found. Raises LookupError for a protocol that nothing here speaks.

    Instruments that have serial settings of their own understand only at their own baud rate.
    """
    groups: dict[tuple[str, int], list[tuple[InstrumentSpec, Behaviour]]] = {}
    for spec, acting in here:
        groups.setdefault((spec.protocol, line_for(spec, line).baudrate), []).append((spec, acting))
    made = [_one(protocol, line, several, truth, now, think_s) for (protocol, _), several in groups.items()]
    if not made:
        made = [(Slave({}, think_s), FRAMINGS[_framing(line)])]
    if len(made) == 1:
        return made[0]
    rates = [rate if line.kind == "serial" else 0 for _, rate in groups]
    return MixedBus([one for one, _ in made]), lambda: MixedStream([stream() for _, stream in made], rates)


def _one(
    protocol: str, line: LineSpec, here: Here, truth: Truth | None, now: Callable[[], float], think_s: float
) -> tuple[Any, Callable[[], Any]]:
    if protocol == "modbus":
        units = {int(spec.address): ModbusInstrument(spec, acting, truth, now) for spec, acting in here}
        return Slave(units, think_s), FRAMINGS[_framing(line)]
    if protocol == "text":
        texts = [TextInstrument(spec, acting, truth, now) for spec, acting in here]
        return TextBus(texts, think_s), partial(TextStream, texts)
    if protocol == "hj212":
        senders = [Hj212Instrument(spec, acting, truth, now) for spec, acting in here]
        return Hj212Bus(senders, think_s), partial(Hj212Stream, senders)
    if (spoken := KINDS.get(protocol)) is not None:
        meters = [spoken.meter(Readings(spec, acting, truth, now)) for spec, acting in here]
        return MeterBus(meters, think_s), partial(MeterStream, spoken.heard)
    raise LookupError(f"{here[0][0].id}: no simulator speaks {protocol}")


def _framing(line: LineSpec) -> str:
    return line.framing or ("rtu" if line.kind == "serial" else "tcp")
