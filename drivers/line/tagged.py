"""The discipline of framings that number their requests: several under way, each answer finds its question.

Some devices answer every request with number 0, which tells nothing about the question. So each connection begins
like a line without tags: one question at a time, with settling. The first answer under its question's own number
shows that the device numbers its answers: from then on several may be under way, nobody needs to settle, and number
0 is never believed again. A device that is not so is treated like a serial line for good.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from drivers.contract import Request, Skip, Tags, Whole
from drivers.errors import BadReply, FieldError, LineDown, NoReply, Refused
from drivers.line.connection import Opener
from drivers.line.line import FieldLine
from drivers.profile import LineSpec

LAST_TAG = 65535


@dataclass(slots=True, eq=False)
class _Asked:
    request: Request
    answer: asyncio.Future[bytes]


class TaggedLine(FieldLine):
    """A network line whose answers carry their question's number.

    `numbers_answers` is None until this connection has shown it; `in_flight` is how many questions it may be asked
    at once.
    """

    def __init__(self, spec: LineSpec, opener: Opener, tags: Tags) -> None:
        super().__init__(spec, opener)
        self.numbers_answers: bool | None = None
        self._tags = tags
        self._tag = 0
        self._pending: dict[int, _Asked] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""
        wire = self._wire
        if wire is None or not self.up:
            wire = await self._wire_for(request.timeout_s)
        loop = self._loop
        started_s = loop.time()
        if self._settling.until:
            self._let_settle(request.unit, started_s)
        pause_s = max(request.pause_s, self.spec.request_pause_s)
        while pause_s or len(self._pending) >= self.in_flight:
            await self._for_room()
            if (wait_s := self._last_byte_s + pause_s - loop.time()) <= 0:
                break
            await asyncio.sleep(wait_s)
        if self._wire is not wire:
            raise LineDown(self.state)
        self._tag = tag = self._tag % LAST_TAG + 1
        answer: asyncio.Future[bytes] = loop.create_future()
        self._pending[tag] = _Asked(request, answer)
        frame = self._tags.stamp(request.frame, tag)
        if self.transcript is not None:
            self.transcript.sent(frame)
        self._last_byte_s = asked_s = loop.time()
        wire.write(frame)
        timer = loop.call_at(asked_s + request.timeout_s, self._no_answer, tag)
        try:
            payload = await answer
            self._unanswered = 0
            return payload
        except (NoReply, BadReply) as error:
            self._count(error)
            if not self.numbers_answers:
                self._settle(request, asked_s)
            raise
        except Refused as error:
            self._count(error)
            self._unanswered = 0
            raise
        except asyncio.CancelledError:
            if not self.numbers_answers:
                self._settle(request, asked_s)
            raise
        finally:
            timer.cancel()
            self._pending.pop(tag, None)
            if self._waiting:
                self._let_in()
            spent_s = loop.time() - started_s
            self.busy_s += spent_s
            self.exchange_seconds.observe(spent_s)

    async def _for_room(self) -> None:
        """Until fewer than `in_flight` questions are under way."""
        while len(self._pending) >= self.in_flight:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(turn)
            await turn

    def _let_in(self) -> None:
        while self._waiting:
            if not (turn := self._waiting.popleft()).done():
                turn.set_result(None)

    def _no_answer(self, tag: int) -> None:
        asked = self._pending.pop(tag, None)
        if asked is None or asked.answer.done():
            return
        self._unanswered += 1
        asked.answer.set_exception(NoReply(f"no answer in {asked.request.timeout_s:.1f} s"))
        self._give_up_when_dead()

    def _opened(self) -> None:
        del self._input[:]
        self.numbers_answers = None
        self.in_flight = 1
        super()._opened()

    def _fail_all(self, error: FieldError) -> None:
        pending, self._pending = self._pending, {}
        for asked in pending.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)
        self._let_in()

    def _received(self, data: bytes) -> None:
        self._last_byte_s = self._loop.time()
        if self.transcript is not None:
            self.transcript.received(data)
        self._input += data
        while self._input:
            found = self._tags.split(self._input)
            if isinstance(found, tuple):
                end, tag = found
                frame = bytes(self._input[:end])
                del self._input[:end]
                self._answered(tag, frame)
                continue
            if found is None and self.spec.kind != "udp":
                return
            self._not_a_frame(found)
            return

    def _not_a_frame(self, found: Skip | None) -> None:
        """What is no frame has no end either: only a new connection is in step again. A datagram ends by itself."""
        self.faults[found.fault if found is not None else "noise"] += 1
        del self._input[:]
        if self.spec.kind != "udp":
            self._drop("sent what is no frame")

    def _answered(self, tag: int, frame: bytes) -> None:
        asked = self._pending.get(tag)
        if asked is None and tag == 0 and not self.numbers_answers and len(self._pending) == 1:
            asked = next(iter(self._pending.values()))  # one question at a time, whose unit has settled
        if asked is None or asked.answer.done():
            self.faults["late"] += 1
            self._unanswered = 0  # it talks: the connection is not half-open
            self._settling.heard_any(self._settling.at(self._last_byte_s), self._last_byte_s)
            return
        try:
            verdict = asked.request.receive(frame)
        except FieldError as error:
            if isinstance(error, Refused):
                self._learn(numbered=tag != 0)
            asked.answer.set_exception(error)
            return
        if isinstance(verdict, Whole):
            if not self.numbers_answers:
                self._learn(numbered=tag != 0)
            asked.answer.set_result(verdict.payload)
        elif isinstance(verdict, Skip):
            self._another(verdict, tag, frame, asked)
        else:
            asked.answer.set_exception(BadReply(f"cut short: {frame.hex(' ')}", "wrong_count"))

    def _another(self, verdict: Skip, tag: int, frame: bytes, asked: _Asked) -> None:
        """A frame that is not the answer: under the question's own number it is a wrong one, under 0 a stray one."""
        if tag:
            wrong = BadReply(f"not the answer to this question: {frame.hex(' ')}", verdict.fault)
            asked.answer.set_exception(wrong)
            return
        self.faults[verdict.fault] += 1
        if verdict.unit is not None:
            self._settling.heard(verdict.unit, self._last_byte_s)

    def _learn(self, *, numbered: bool) -> None:
        """What an answer shows of the device."""
        if numbered and not self.numbers_answers:
            self.numbers_answers = True
            self.in_flight = self.spec.in_flight
            self.state = "up"
            self._settling.clear()
            self._let_in()
        elif self.numbers_answers is None:
            self.numbers_answers = False
            self.state = "up; its answers are not numbered, so one question at a time"
