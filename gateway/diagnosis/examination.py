"""The visit of a doctor: everybody on the line is asked in turn, until there were enough polls or the time is up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drivers.airtime import character_s
from drivers.contract import Driver, Line
from drivers.errors import FieldError
from drivers.line import FieldLine, ListeningLine, TaggedLine
from drivers.modbus import codec
from drivers.modbus.driver import framing
from drivers.modbus.scan import FUNCTIONS
from drivers.profile import InstrumentSpec, LineSpec, line_for
from gateway.diagnosis.findings import BEHIND, Idle
from gateway.diagnosis.trial import Trial
from gateway.diagnosis.witness import Notes, Witness, idle
from gateway.fieldbus import build

ANSWER_S = 0.15
"""How long an answer may take while it is found out who is there."""
BACK_S = 5.0
"""How long a line that went down may take to come back."""
HOPELESS = 3
"""Questions without one byte in return after which a unit is not asked again."""

Shown = Callable[[str, float], None]
"""(what is done now, seconds since the beginning)"""


@dataclass(slots=True)
class Examined:
    """What was seen."""

    trials: list[Trial] = field(default_factory=list)
    idle: Idle = Idle()  # noqa: RUF009  # frozen
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Register:
    """One register of one Modbus unit, by the function that it answers to."""

    unit: int
    line: Line
    spec: LineSpec
    functions: list[int]
    settle_s: float | None = None

    async def poll(self) -> object:
        """Ask for it, by one function after the other until one of them gets a sound."""
        for function in tuple(self.functions):
            ask = codec.read(self.unit, function, 0, 1)
            timing = codec.Timing(self.spec.timeout_s, settle_s=self.settle_s)
            try:
                await self.line.exchange(codec.request(ask, framing(self.spec), timing))
            except FieldError as error:
                if "no answer" in error.detail and "only" not in error.detail:
                    continue
            self.functions[:] = [function]
            break
        return None


class Examination:
    """Of one line, for at most `seconds` from now. Needs a running loop."""

    def __init__(self, spec: LineSpec, seconds: float) -> None:
        self.examined = Examined()
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._end_s = self._began_s + seconds
        self._asked: list[tuple[str, Driver | _Register]] = []
        self._search: Sequence[int] = ()
        self._line: FieldLine | None = None
        self._notes: Notes | None = None

    def of_instruments(self, instruments: Sequence[InstrumentSpec]) -> FieldLine | ListeningLine:
        """The line with its instruments, each asked by its own driver."""

        def between(instrument: InstrumentSpec, seen: Line, line: FieldLine) -> Line:
            self._notes = self._notes or Notes(line)
            timed = instrument.protocol == "modbus"
            return self._witness(_name(instrument), seen, line, line_for(instrument, self._spec), timed)

        bus = build({self._spec.name: self._spec}, instruments, between)[self._spec.name]
        if isinstance(bus.line, FieldLine):
            self._line = bus.line
            self._asked = [(_name(one), bus.drivers[one.id]) for one in instruments]
        return bus.line

    def of_addresses(self, line: FieldLine, units: Sequence[int], known: bool) -> FieldLine:
        """The line with these Modbus units; unless they are `known` it is found out first who of them is there."""
        self._line, self._notes = line, Notes(line)
        if known:
            self._asked = [self._register(unit) for unit in units]
        else:
            self._search = units
        return line

    async def run(self, polls: int, shown: Shown) -> None:
        """Ask everybody so often, in turn, while the line is up."""
        assert self._line is not None
        assert self._notes is not None
        try:
            if not isinstance(self._line, TaggedLine):
                self.examined.idle = await idle(self._notes, self._rtu(self._spec))
            if self._search:
                await self._find(shown)
            for number in range(polls):
                for name, asked in self._asked:
                    if self._loop.time() >= self._end_s:
                        return
                    shown(f"poll {number + 1} of {polls}, unit {name}", self._loop.time() - self._began_s)
                    if self._hopeless(name):
                        continue
                    if not await self._line.wait_up(min(BACK_S, self._end_s - self._loop.time())):
                        return
                    await asked.poll()
        finally:
            self.examined.seconds = self._loop.time() - self._began_s

    async def _find(self, shown: Shown) -> None:
        """Who of those that may be there makes a sound; if nobody does, what was tried is what was seen."""
        assert self._line is not None
        assert self._notes is not None
        tried: list[Trial] = []
        quick = self._spec.model_copy(update={"timeout_s": ANSWER_S})
        found: list[int] = []
        for unit in self._search:
            if self._loop.time() >= self._end_s or not await self._line.wait_up(BACK_S):
                break
            shown(f"who is there: address {unit}", self._loop.time() - self._began_s)
            witness = Witness(self._line, self._line, self._notes, str(unit), 0.0, tried, self._loop.time())
            before = len(tried)
            await _Register(unit, witness, quick, list(FUNCTIONS), 0.0).poll()
            for one in tried[before:]:
                if (
                    one.outcome not in ("line", "settling")
                    and not one.silent
                    and not one.strangers
                    and not _behind(one)
                ):
                    found.append(unit)
                found += [int(other) for other in one.strangers if int(other) in self._search]
        if not found:
            self.examined.trials += tried
        self._asked = [self._register(unit) for unit in dict.fromkeys(found)]

    def _register(self, unit: int) -> tuple[str, _Register]:
        assert self._line is not None
        witness = self._witness(str(unit), self._line, self._line, self._spec, True)
        return str(unit), _Register(unit, witness, self._spec, list(FUNCTIONS))

    def _witness(self, name: str, seen: Line, line: FieldLine, spec: LineSpec, modbus: bool) -> Witness:
        assert self._notes is not None
        timed = character_s(spec) if modbus and self._rtu(spec) else 0.0
        return Witness(seen, line, self._notes, name, timed, self.examined.trials, self._end_s)

    def _rtu(self, spec: LineSpec) -> bool:
        return framing(spec) == "rtu"

    def _hopeless(self, name: str) -> bool:
        own = [one for one in self.examined.trials if one.unit == name]
        return len(own) >= HOPELESS and all(one.silent for one in own)


def _name(instrument: InstrumentSpec) -> str:
    return f"{instrument.id} ({instrument.address})"


def _behind(one: Trial) -> bool:
    """Whether a gateway device says that nobody is there."""
    return one.outcome == "exception" and one.detail.split()[0] in BEHIND
