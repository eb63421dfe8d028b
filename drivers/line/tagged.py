"""The discipline of framings that number their requests: several under way, each answer finds its question.

Some devices answer every request with number 0, which tells nothing about the question. So each connection begins
like a line without tags: one question at a time, with settling. The first answer under its question's own number
shows that the device numbers its answers: from then on several may be under way, nobody needs to settle, and number
0 is never believed again. A device that is not so is treated like a serial line for good.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from drivers.contract import Request, Skip, Tags, Whole
from drivers.errors import BadReply, FieldError, LineDown, NoReply, Refused
from drivers.line.connection import Opener
from drivers.line.line import FieldLine
from drivers.profile import LineSpec

LAST_TAG = 65535
TICK_S = 1e-6
"""The loop's timers may come early by the resolution of its clock."""


@dataclass(slots=True, eq=False)
class _Row:
    """Questions of one caller, asked in order until one fails; `done` gets the answers of those that were asked."""

    requests: Sequence[Request]
    done: Callable[[list[bytes | FieldError]], None]
    answers: list[bytes | FieldError] = field(default_factory=list)
    open: int = 0
    failed: bool = False


@dataclass(slots=True, eq=False)
class _Asked:
    request: Request
    row: _Row
    place: int
    tag: int
    asked_s: float
    until_s: float


_NOT_YET = NoReply("not answered yet")


class TaggedLine(FieldLine):
    """A network line whose answers carry their question's number.

    `numbers_answers` is None until this connection has shown it; `in_flight` is how many questions it may be asked
    at once.

    What the polling path costs is decided here: the next question of a row leaves in the callback that brought the
    answer before it, and whoever began the row is called in the one that brought the last; the limits of all questions
    share one timer, which is not touched when an answer comes (tests/benchmarks/stages.py; docs/performance.md).
    """

    def __init__(self, spec: LineSpec, opener: Opener, tags: Tags) -> None:
        super().__init__(spec, opener)
        self.numbers_answers: bool | None = None
        self._tags = tags
        self._tag = 0
        self._pending: dict[int, _Asked] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""
        answer = (await self._exchange_row((request,), 1))[0]
        if isinstance(answer, bytes):
            return answer
        raise answer

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """See drivers/contract.py, Line."""
        # without numbers a second copy of one answer, right behind it, would pass for the answer to the next question:
        # it must find nobody waiting
        if not self.numbers_answers or self.spec.request_pause_s or requests[0].pause_s:
            return await super().exchange_row(requests, most)
        return await self._exchange_row(requests, most)

    async def _exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        try:
            await self._ready_for(requests[0])
        except FieldError as error:
            return [error]
        over: asyncio.Future[list[bytes | FieldError]] = self._loop.create_future()
        row = self._begin(requests, most, partial(_come, over))
        try:
            return await over
        finally:
            self._abandon(row)

    def begin_row(
        self, requests: Sequence[Request], most: int, done: Callable[[list[bytes | FieldError]], None]
    ) -> Callable[[], None] | None:
        """See drivers/contract.py, PromptLine."""
        if self._wire is None or not self.up or not self.numbers_answers or self._pending or self._settling.until:
            return None
        if self.spec.request_pause_s or requests[0].pause_s:
            return None
        return partial(self._abandon, self._begin(requests, most, done))

    def _begin(self, requests: Sequence[Request], most: int, done: Callable[[list[bytes | FieldError]], None]) -> _Row:
        row = _Row(requests, done)
        for _ in range(min(most, self.in_flight - len(self._pending), len(requests))):
            self._send_next(row)
        return row

    def _abandon(self, row: _Row) -> None:
        """Nobody waits for these answers any more."""
        row.done = _nobody
        if not row.open:
            return
        for asked in [asked for asked in self._pending.values() if asked.row is row]:
            self._end(asked)
            if not self.numbers_answers:
                self._settle(asked.request, asked.asked_s)

    async def _ready_for(self, request: Request) -> None:
        """Wait until it may be sent. Raises LineDown, Settling."""
        wire = self._wire
        if wire is None or not self.up:
            wire = await self._wire_for(request.timeout_s)
        if self._settling.until:
            await self._let_settle(request.unit)
        pause_s = request.pause_s or self.spec.request_pause_s
        if not pause_s and len(self._pending) < self.in_flight:
            return
        began_s = self._loop.time()
        pause_s = max(request.pause_s, self.spec.request_pause_s)
        while pause_s or len(self._pending) >= self.in_flight:
            await self._for_room()
            if (wait_s := self._last_byte_s + pause_s - self._loop.time()) <= 0:
                break
            await asyncio.sleep(wait_s)
        self.busy_s += self._loop.time() - began_s
        if self._wire is not wire:
            raise LineDown(self.state)

    def _send_next(self, row: _Row) -> None:
        """Send the next question of the row. The wire is there, and there is room."""
        assert self._wire is not None
        place = len(row.answers)
        request = row.requests[place]
        self._tag = tag = self._tag % LAST_TAG + 1
        frame = self._tags.stamp(request.frame, tag)
        if self.transcript is not None:
            self.transcript.sent(frame)
        self._last_byte_s = now_s = self._loop.time()
        until_s = now_s + request.timeout_s
        self._pending[tag] = _Asked(request, row, place, tag, now_s, until_s)
        row.answers.append(_NOT_YET)
        row.open += 1
        self._wire.write(frame)
        if self._timer is None or until_s < self._timer.when():
            self._look_at(until_s)

    def _end(self, asked: _Asked) -> None:
        """It is not waited for any more."""
        self._pending.pop(asked.tag, None)
        if self._waiting:
            self._let_in()
        spent_s = self._loop.time() - asked.asked_s
        self.busy_s += spent_s
        self.exchange_seconds.observe(spent_s)

    def _finish(self, asked: _Asked, answer: bytes | FieldError) -> None:
        """This is what came of it; the next question of its row goes out, or its row is over."""
        self._end(asked)
        row = asked.row
        row.answers[asked.place] = answer
        row.open -= 1
        if isinstance(answer, bytes):
            self._unanswered = 0
        else:
            row.failed = True
            self._account(asked, answer)
        if not row.failed and len(row.answers) < len(row.requests):
            self._send_next(row)
        elif not row.open:
            if row.failed:  # what failed may be about to end the connection: that comes first
                self._loop.call_soon(self._over, row)
            else:
                row.done(row.answers)

    @staticmethod
    def _over(row: _Row) -> None:
        row.done(row.answers)

    def _account(self, asked: _Asked, error: FieldError) -> None:
        if isinstance(error, NoReply | BadReply):
            self._count(error)
            if not self.numbers_answers:
                self._settle(asked.request, asked.asked_s)
        elif isinstance(error, Refused):
            self._count(error)
            self._unanswered = 0

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

    def _look_at(self, until_s: float) -> None:
        """Look for overdue answers then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(until_s, self._look)

    def _look(self) -> None:
        """The timer: give up what is overdue, and come back for what will be."""
        self._timer = None
        now_s = self._loop.time()
        for asked in tuple(self._pending.values()):
            if asked.until_s <= now_s + TICK_S and asked.tag in self._pending:
                self._no_answer(asked)
        if self._pending:
            self._look_at(min(asked.until_s for asked in self._pending.values()))

    def _no_answer(self, asked: _Asked) -> None:
        self._unanswered += 1
        self._finish(asked, NoReply(f"no answer in {asked.request.timeout_s:.1f} s"))
        self._give_up_when_dead()

    def _opened(self) -> None:
        del self._input[:]
        self.numbers_answers = None
        self.in_flight = 1
        super()._opened()

    def _fail_all(self, error: FieldError) -> None:
        for asked in tuple(self._pending.values()):
            self._finish(asked, error)
        self._let_in()

    def _received(self, data: bytes) -> None:
        self._last_byte_s = self._loop.time()
        if self.transcript is not None:
            self.transcript.received(data)
        if not self._input:  # the common case: one whole frame, looked at where it lies
            found = self._tags.split(data)
            if isinstance(found, tuple) and found[0] == len(data):
                self._answered(found[1], data)
                return
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
        if asked is None:
            self.faults["late"] += 1
            self._unanswered = 0  # it talks: the connection is not half-open
            for unit in self._settling.at(self._last_byte_s):
                self._heard_late(unit)
            return
        try:
            verdict = asked.request.receive(frame)
        except FieldError as error:
            if isinstance(error, Refused):
                self._learn(numbered=tag != 0)
            self._finish(asked, error)
            return
        if isinstance(verdict, Whole):
            if not self.numbers_answers:
                self._learn(numbered=tag != 0)
            self._finish(asked, verdict.payload)
        elif isinstance(verdict, Skip):
            self._another(verdict, tag, frame, asked)
        else:
            self._finish(asked, BadReply(f"cut short: {frame.hex(' ')}", "wrong_count"))

    def _another(self, verdict: Skip, tag: int, frame: bytes, asked: _Asked) -> None:
        """A frame that is not the answer: under the question's own number it is a wrong one, under 0 a stray one."""
        if tag:
            wrong = BadReply(f"not the answer to this question: {frame.hex(' ')}", verdict.fault)
            self._finish(asked, wrong)
            return
        self.faults[verdict.fault] += 1
        if verdict.unit is not None:
            self._heard_late(verdict.unit)

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


def _come(over: "asyncio.Future[list[bytes | FieldError]]", answers: list[bytes | FieldError]) -> None:
    if not over.done():
        over.set_result(answers)


def _nobody(_: list[bytes | FieldError]) -> None:
    """Takes what nobody waits for."""
