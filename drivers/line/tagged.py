"""The discipline of framings that number their requests: several under way, each answer finds its question.

A device that answers every request with number 0 (some do) is found out at its first answer and from then on asked
one question at a time, with settling, like a line without tags: number 0 tells nothing about which question it
answers.
"""

import asyncio
from dataclasses import dataclass

from drivers.contract import Request, Skip, Tags, Whole
from drivers.errors import BadReply, FieldError, LineDown, NoReply, Refused, Settling
from drivers.line.line import DEAD_AFTER, FieldLine, Opener
from drivers.profile import LineSpec

LAST_TAG = 65535


@dataclass(slots=True, eq=False)
class _Asked:
    request: Request
    answer: asyncio.Future[bytes]


class TaggedLine(FieldLine):
    """A network line whose answers carry their question's number."""

    def __init__(self, spec: LineSpec, opener: Opener, tags: Tags) -> None:
        super().__init__(spec, opener)
        self.in_flight = spec.in_flight
        self.numbers_answers = True
        self._tags = tags
        self._tag = 0
        self._pending: dict[int, _Asked] = {}
        self._room = asyncio.Semaphore(spec.in_flight)

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""
        if self._wire is None or not self.up:
            raise LineDown(self.state)
        loop = self._loop
        started_s = loop.time()
        if (until := self._settling.get(request.unit)) is not None:
            if until > started_s:
                raise Settling(f"not asked for another {until - started_s:.1f} s after its last timeout")
            del self._settling[request.unit]
        if self.in_flight > 1:
            async with self._room:
                return await self._ask_numbered(request, started_s)
        return await self._ask_numbered(request, started_s)

    async def _ask_numbered(self, request: Request, started_s: float) -> bytes:
        if self._wire is None:
            raise LineDown(self.state)
        loop = self._loop
        pause_s = max(request.pause_s, self.spec.request_pause_s)
        if pause_s and (wait_s := self._last_byte_s + pause_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
            if self._wire is None:
                raise LineDown(self.state)
        self._tag = tag = self._tag % LAST_TAG + 1
        answer: asyncio.Future[bytes] = loop.create_future()
        self._pending[tag] = _Asked(request, answer)
        frame = self._tags.stamp(request.frame, tag)
        if self.transcript is not None:
            self.transcript.sent(frame)
        self._asked[request.unit] = self._last_byte_s = asked_s = loop.time()
        self._wire.write(frame)
        timer = loop.call_at(asked_s + request.timeout_s, self._no_answer, tag)
        try:
            payload = await answer
            self._unanswered = 0
            return payload
        except (NoReply, BadReply) as error:
            self._count(error)
            if not self.numbers_answers:
                self._settle(request.unit)
            raise
        except Refused as error:
            self._count(error)
            self._unanswered = 0
            raise
        except asyncio.CancelledError:
            if not self.numbers_answers:
                self._settle(request.unit)
            raise
        finally:
            timer.cancel()
            self._pending.pop(tag, None)
            spent_s = loop.time() - started_s
            self.busy_s += spent_s
            self.exchange_seconds.observe(spent_s)

    def _no_answer(self, tag: int) -> None:
        asked = self._pending.pop(tag, None)
        if asked is None or asked.answer.done():
            return
        self._unanswered += 1
        asked.answer.set_exception(NoReply(f"no answer in {asked.request.timeout_s:.1f} s"))
        if self._unanswered >= DEAD_AFTER:
            self._drop(f"{self.spec.host}:{self.spec.port}: silent for {self._unanswered} requests, connecting anew")

    def _opened(self) -> None:
        del self._input[:]
        super()._opened()

    def _fail_all(self, error: FieldError) -> None:
        pending, self._pending = self._pending, {}
        for asked in pending.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)

    def _received(self, data: bytes) -> None:
        self._last_byte_s = self._loop.time()
        if self.transcript is not None:
            self.transcript.received(data)
        self._input += data
        while self._input:
            found = self._tags.split(self._input)
            if found is None:
                return
            if isinstance(found, Skip):
                self.faults[found.fault] += 1
                del self._input[: found.upto]
                # what is no frame has no end either: only a new connection is in step again
                self._drop(f"{self.spec.host}:{self.spec.port}: sent what is no frame, connecting anew")
                return
            end, tag = found
            frame = bytes(self._input[:end])
            del self._input[:end]
            self._answered(tag, frame)

    def _answered(self, tag: int, frame: bytes) -> None:
        if tag == 0 and len(self._pending) == 1:
            if self.numbers_answers and not self._unanswered:
                self.numbers_answers = False
                self.in_flight = 1
                self.state = "up; its answers are not numbered, so one question at a time"
            if not self.numbers_answers:
                tag = next(iter(self._pending))
        asked = self._pending.get(tag)
        if asked is None or asked.answer.done():
            self.faults["late"] += 1
            self._unanswered = 0  # it talks: the connection is not half-open
            for unit in self._settling:
                self._heard_late(unit)
            return
        try:
            verdict = asked.request.receive(frame)
        except FieldError as error:
            asked.answer.set_exception(error)
            return
        if isinstance(verdict, Whole):
            asked.answer.set_result(verdict.payload)
        elif isinstance(verdict, Skip):
            wrong = BadReply(f"not the answer to this question: {frame.hex(' ')}", verdict.fault)
            asked.answer.set_exception(wrong)
        else:
            asked.answer.set_exception(BadReply(f"cut short: {frame.hex(' ')}", "wrong_count"))
