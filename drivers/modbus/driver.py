"""One Modbus instrument on a line: asks its planned reads, decodes the answers, and says why a value is missing.

A poll asks its blocks one after another (or several at once on a line that numbers its requests). It ends with the
first that brings no answer: the rest get the same reason untried, so that a dead instrument costs one timeout. A
refused block is looked into at once (drivers/modbus/reads.py) as far as half a timeout of extra time goes.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from drivers.contract import Answers, Flag, Line, PromptLine, Request, Sample, Value
from drivers.errors import BadReply, FieldError, Refused
from drivers.modbus import codec
from drivers.modbus.lane import Marks, picker
from drivers.modbus.plan import Block, Plan, plan, plan_instrument
from drivers.modbus.reads import ADDRESS_EXCEPTIONS, Reads
from drivers.modbus.source import BIT_TABLES
from drivers.modbus.wire import Wire
from drivers.modbus.words import Decoder, decoder
from drivers.modbus.writing import encode
from drivers.profile import InstrumentSpec, LineSpec

GATEWAY_SILENT = frozenset({10, 11})
"""Exceptions by which a gateway says that the unit behind it does not answer: as silent as a timeout."""
EXTRA_SHARE = 0.5
"""Part of the timeout that a poll may spend on reads beyond its plan."""
MEASURED_FIRST, MEASURED_AGAIN = 16, 1000
"""Polls after which the plan is looked at again: once the mean stands on some answers, and then now and then."""
MEASURED_OTHER = 1.5
"""A response time that differs by less than this factor is the one that was planned with."""
SEVERITY = ("ok", "excluded", "exception", "settling", "crc", "timeout", "line")


class Read:
    """One block as it is asked for and decoded."""

    __slots__ = ("block", "decode", "exchange_s", "members", "request")

    def __init__(self, block: Block, request: Request, decoding: Decoder, exchange_s: float) -> None:
        self.block, self.request, self.exchange_s = block, request, exchange_s
        self.decode, self.members = decoding.decode, decoding.members


class ModbusDriver:
    """See drivers/contract.py, Driver. Raises ValueError for a plan that cannot be made."""

    def __init__(self, spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> None:
        if not isinstance(spec.address, int):
            raise ValueError(f"instrument {spec.id}: a Modbus unit address is a number, not {spec.address!r}")
        self.plan: Plan = plan_instrument(spec, line_spec)
        self.unit: Hashable = spec.address
        self._address = spec.address
        self._own = self.plan.points[: len(self.plan.points) - len(self.plan.rules.sources)]
        self.points = tuple(point.id for point in self._own)
        self._line = line
        self._prompt_line = line if isinstance(line, PromptLine) else None
        self._framing = framing(line_spec)
        options = self.plan.options
        self._timing = codec.Timing(spec.timeout_s, options.pause, options.first_byte, spec.settle_s)
        self._wire = Wire.of(line_spec)
        self._response_s = self._wire.usual_response_s if options.response is None else options.response
        self._most = (options.in_flight or line_spec.in_flight) if self._framing == "tcp" else 1
        self._extra_s = EXTRA_SHARE * spec.timeout_s
        self._reads = Reads(self.plan.blocks)
        self._timeout_s = spec.timeout_s
        self._measure_in = MEASURED_FIRST if self._wire.is_serial and options.response is None else 0
        self._known: dict[Block, Read] = {}
        self._generation: object = None
        self._prepare()

    @property
    def excluded(self) -> dict[str, str]:
        """Point -> reason, for the points whose registers the instrument refuses."""
        return {
            self.plan.points[member].id: why
            for block, why in self._reads.excluded.items()
            for member in block.members
            if member < len(self.points)
        }

    def retry_excluded(self) -> None:
        """Try the excluded registers again in the next polls."""
        self._reads.retry()

    async def poll(self) -> Sample:
        """See drivers/contract.py: one value or one reason for each point."""
        generation = getattr(self._line, "generation", 0)
        if generation != self._generation:
            if self._generation is not None:
                self._reads.retry()
            self._generation = generation
        return await self._polled(None)

    def begin(self, done: Callable[[Answers], None]) -> Callable[[], None] | None:
        """See drivers/contract.py, Prompt."""
        line = self._prompt_line
        if line is None or self._reads.excluded or line.generation != self._generation or not self._requests:
            return None
        return line.begin_row(self._requests, self._most, done)

    def conclude(self, answers: Answers) -> Sample | Coroutine[Any, Any, Sample]:
        """See drivers/contract.py, Prompt: only a poll whose reads are all answered is over at once."""
        payloads = [answer for answer in answers if isinstance(answer, bytes)]
        if self._arrange is None or len(payloads) < len(self._current):
            return self._polled(answers)
        for read in self._current:
            self._reads.accepted(read.block)
        return self._whole(zip(self._current, payloads, strict=True))

    async def _polled(self, answers: Answers | None) -> Sample:
        """Ask, or go on from the first answers, and learn from what came."""
        taken = await self._ask(self._current, probing=bool(self._reads.excluded), answers=answers)
        sample = self._sample(taken)
        if taken.changed:
            self._reads.join()
            self._prepare()
        elif self._measure_in and not taken.failed:
            self._measure_in -= 1
            if not self._measure_in:
                self._measure_in = MEASURED_AGAIN
                self._plan_anew()
        return sample

    async def read(self, names: Sequence[str]) -> dict[str, tuple[Value, Flag, str]]:
        """Value, flag and reason ("" for N) of some points now, with no more reads than they need."""
        statuses = range(len(self.points), len(self.plan.points))
        wanted = {*statuses, *(self.points.index(name) for name in names)}
        taken = await self._ask([one for one in self._current if wanted.intersection(one.members)], probing=False)
        sample = self._sample(taken)
        return {
            name: (sample.values[at], sample.flags.get(at, Flag.NORMAL), sample.why.get(at, ""))
            for name in names
            for at in (self.points.index(name),)
        }

    async def write(self, name: str, value: bool | int | float | str) -> Value:
        """Write one point, read it back and return what the instrument now says.

        Raises WriteRefused before anything is sent, FieldError for a write or read that failed, and BadReply
        (fault "readback") when the instrument holds another value than the one written.
        """
        point = self._own[self.points.index(name)]
        payload = encode(point, value, self.plan.options.order)
        multiple = self.plan.options.writes == "multiple"
        if point.table in BIT_TABLES:
            ask = codec.write_coils(self._address, point.address, [bool(value)], multiple=multiple)
        else:
            ask = codec.write_registers(self._address, point.address, payload, multiple=multiple)
        await self._line.exchange(codec.request(ask, self._framing, self._timing))
        found, _, why = (await self.read([name]))[name]
        if found is None or encode(point, found, self.plan.options.order) != payload:
            raise BadReply(f"{value!r} was written to {name}, but it reads {found!r} {why}".rstrip(), "readback")
        return found

    def _prepare(self) -> None:
        """Requests and decoders for the blocks as they are now; what is unchanged is kept."""
        self._current = [self._read(block) for block in self._reads.blocks]
        self._known = {one.block: one for one in self._current}
        self._requests = [one.request for one in self._current]
        self._members = [member for one in self._current for member in one.members]
        self._arrange: Callable[[Sequence[Value]], tuple[Value, ...]] | None = None
        if sorted(self._members) == list(range(len(self.plan.points))):
            place = {member: at for at, member in enumerate(self._members)}
            self._arrange = picker([place[index] for index in range(len(self.plan.points))])

    def _plan_anew(self) -> None:
        """Plan with the response time that the line has measured, where it is another than was assumed."""
        measured_s: float | None = getattr(self._line, "response_s", {}).get(self.unit)
        if measured_s is None or self._reads.excluded or self._reads.blocks != self.plan.blocks:
            return  # what was learnt of refused registers is worth more
        if self._response_s / MEASURED_OTHER <= measured_s <= self._response_s * MEASURED_OTHER:
            return
        options = self.plan.options.model_copy(update={"response": measured_s})
        try:
            blocks = plan(self.plan.points, options, self._wire, self._timeout_s)
        except ValueError:
            return  # too slow for what must come in one read: the plan stays, the timeout will tell
        self._response_s = measured_s
        seconds = tuple(self._wire.exchange_s(one.data_bytes, measured_s, options.pause) for one in blocks)
        self.plan = replace(self.plan, blocks=blocks, exchange_s=seconds)
        self._reads = Reads(blocks)
        self._known = {}
        self._prepare()

    def _read(self, block: Block) -> Read:
        if (known := self._known.get(block)) is not None:
            return known
        ask = codec.read(self._address, block.function, block.address, block.count)
        points = [(member, self.plan.points[member]) for member in block.members]
        return Read(
            block,
            codec.request(ask, self._framing, self._timing),
            decoder(points, block.table, block.address, self.plan.options.order),
            self._wire.exchange_s(block.data_bytes, self._response_s, self.plan.options.pause),
        )

    async def _ask(self, reads: Sequence[Read], *, probing: bool, answers: Answers | None = None) -> "Taken":
        """Exchange these reads, whatever refused ones split into, and if wished those that were excluded.

        `answers` are those to the first reads where they have been asked already.
        """
        taken = Taken()
        waiting = list(reads)
        if probing:
            waiting.extend(map(self._read, self._reads.probes(asyncio.get_running_loop().time())))
        extra_s = self._extra_s
        while waiting:
            if answers is None:
                answers = await self._line.exchange_row([read.request for read in waiting], self._most)
            parts: list[Read] = []
            for read, answer in zip(waiting, answers, strict=False):
                if isinstance(answer, bytes):
                    taken.answered.append((read, answer))
                    taken.changed |= self._reads.accepted(read.block)
                    continue
                taken.failed.append((read, answer))
                if not isinstance(answer, Refused) or answer.code in GATEWAY_SILENT:
                    taken.silence = taken.silence or answer
                elif answer.code in ADDRESS_EXCEPTIONS and (extra_s > 0 or len(read.block.atoms) == 1):
                    # without time left the block stays as it is, and is looked into at the next poll
                    now_s = asyncio.get_running_loop().time()
                    halves = [self._read(part) for part in self._reads.refused(read.block, answer.why, now_s)]
                    extra_s -= sum(half.exchange_s for half in halves)
                    parts += halves
                    taken.changed = True
            waiting = [*parts, *waiting[len(answers) :]]
            answers = None
            if taken.silence is not None:
                taken.failed.extend((read, taken.silence) for read in waiting)
                break
        return taken

    def _sample(self, taken: "Taken") -> Sample:
        if self._arrange is not None and not taken.failed and len(taken.answered) == len(self._current):
            return self._whole(taken.answered)
        flags: dict[int, Flag] = {}
        why: dict[int, str] = {}
        arranged, result = self._gather(taken, flags, why)
        return self._ruled(arranged, flags, why, result)

    def _whole(self, answered: Iterable[tuple[Read, bytes]]) -> Sample:
        """All reads were answered, in their order."""
        assert self._arrange is not None
        flags: dict[int, Flag] = {}
        why: dict[int, str] = {}
        decoded: list[Value] = []
        for read, payload in answered:
            values, marks = read.decode(payload)
            if marks:
                _mark(marks, self._members, len(decoded), flags, why)
            decoded += values
        return self._ruled(self._arrange(decoded), flags, why, "ok")

    def _ruled(self, arranged: tuple[Value, ...], flags: dict[int, Flag], why: dict[int, str], result: str) -> Sample:
        if self.plan.rules.sources:
            known = list(arranged)
            self.plan.rules.apply(known, flags, why)
            arranged = tuple(known)
        return Sample(arranged, flags, why, result)

    def _gather(self, taken: "Taken", flags: dict[int, Flag], why: dict[int, str]) -> tuple[tuple[Value, ...], str]:
        """Values where some were not had: each point has the last thing that is known of it."""
        values: list[Value] = [None] * len(self.plan.points)
        missing = dict.fromkeys(range(len(values)), ("line: not asked for", "line"))
        for read, error in taken.failed:
            missing.update((member, (error.why, cause(error))) for member in read.members)
        for block, reason in self._reads.excluded.items():
            missing.update((member, (reason, "excluded")) for member in block.members)
        for read, payload in taken.answered:
            found, marks = read.decode(payload)
            _mark(marks, read.members, 0, flags, why)
            for member, value in zip(read.members, found, strict=True):
                values[member] = value
                missing.pop(member, None)
        for member, (reason, _) in missing.items():
            flags[member], why[member] = Flag.COMMUNICATION, reason
        causes = {cause for _, cause in missing.values()}
        if taken.answered:
            causes.discard("excluded")
        return tuple(values), max(causes, key=SEVERITY.index, default="ok")


class Taken:
    """What came of the reads of one poll."""

    __slots__ = ("answered", "changed", "failed", "silence")

    def __init__(self) -> None:
        self.answered: list[tuple[Read, bytes]] = []
        self.failed: list[tuple[Read, FieldError]] = []
        self.silence: FieldError | None = None
        """What ended the poll early."""
        self.changed = False
        """Whether the instrument taught us something about its registers."""


def cause(error: FieldError) -> str:
    """Class of the poll's result."""
    silent = isinstance(error, Refused) and error.code in GATEWAY_SILENT
    return "timeout" if silent else error.cause


def _mark(marks: Marks, members: Sequence[int], first: int, flags: dict[int, Flag], why: dict[int, str]) -> None:
    for at, (flag, reason) in marks.items():
        flags[members[first + at]], why[members[first + at]] = flag, reason


def framing(line: LineSpec) -> codec.Framing:
    """How frames are put on this line: RTU on a serial one, Modbus TCP on a network, unless it says otherwise."""
    return line.framing or ("rtu" if line.kind == "serial" else "tcp")
