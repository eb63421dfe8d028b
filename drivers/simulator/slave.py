"""A Modbus slave on one line: questions in, what goes back on the wire (and when) out. Pure; ports.py does the I/O."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from drivers.simulator.slave_framing import Question, SlaveFraming
from drivers.simulator.unit import Unit

BROADCAST = 0


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the wire, `after_s` after the question was heard."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hangup:
    """The connection ends `after_s` after the question: with a reset, or in order (a bus cannot hang up)."""

    reset: bool
    after_s: float = 0.0


Act = Send | Hangup
Mischief = Callable[[Question, bytes, SlaveFraming], Iterable[Act]]
"""Turns a right answer (its PDU) into what goes on the wire instead: drivers/simulator/faults.py."""


@dataclass(frozen=True, slots=True)
class Slave:
    """Several units on one line. `think_s` is how long a unit needs before its answer begins."""

    units: Mapping[int, Unit]
    think_s: float = 0.0
    mischief: Mischief | None = None

    def acts(self, question: Question, framing: SlaveFraming) -> Iterable[Act]:
        """What the line does about one question. An address that nobody has stays silent; so does a broadcast."""
        if question.unit == BROADCAST and BROADCAST not in self.units:
            for unit in self.units.values():
                unit.answer(question.pdu)
            return ()
        asked = self.units.get(question.unit)
        if asked is None:
            return ()
        pdu = asked.answer(question.pdu)
        if self.mischief is not None:
            return self.mischief(question, pdu, framing)
        return (Send(framing.frame(question.unit, pdu, question.tag), self.think_s),)
