"""The line: one owner, one discipline of asking and listening, whatever carries the bytes.

An exchange is: wait the quiet gap, drop stray input, write, read until the codec says that the answer is whole
and right. What can go wrong ends as one of drivers/errors.py.

Without tags (serial, RTU or ASCII over a socket) there is one question at a time. After a timeout, a wrong answer
or a cancellation the unit **settles** (drivers/line/settling.py); other units go on meanwhile.
`drivers/line/tagged.py` is the discipline for framings that number their requests.
"""

import asyncio
import logging
from collections.abc import Hashable, Sequence

from drivers.airtime import character_s
from drivers.contract import Request, Skip, Whole
from drivers.errors import Babbling, BadReply, FieldError, LineDown, NoReply, Refused, Settling
from drivers.line.connection import Connection, Opener
from drivers.line.one_by_one import one_by_one
from drivers.line.settling import TIMEOUTS
from drivers.line.settling import Settling as Settlings
from drivers.line.wire import Switchable
from drivers.measure import Histogram
from drivers.profile import LineSpec

log = logging.getLogger("fieldgate.line")

EXCHANGE_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SHORTEST_GAP_S = 0.00175
"""Quiet time above 19,200 baud (Modbus over Serial Line V1.02 §2.5.1.1); below it is 3.5 characters."""
DOUBLES = 1.5
"""A unit that was asked again and has answered is left alone for so many resending times, for its other answers."""
DEAD_AFTER = 2
"""Timeouts in a row without one byte after which a network connection is given up as half-open."""
MOST_BYTES = 4096
"""Input without an answer in it after which an exchange ends: sixteen of the longest frames, so this is no noise."""
RESPONSE_WEIGHT = 1 / 8
"""Share of one answer in the running mean: some ten answers make it."""
SHOWN_BYTES = 32
"""Of an answer that is not whole, this many bytes are shown in its reason."""


class FieldLine(Connection):
    """A line without tags; also everything that both disciplines share."""

    def __init__(self, spec: LineSpec, opener: Opener) -> None:
        super().__init__(spec, opener)
        self.in_flight = 1
        self.busy_s = 0.0
        self.exchange_seconds = Histogram(EXCHANGE_BOUNDS_S)
        self._settling = Settlings()
        self._settings = spec
        self._gap_s = gap_s(spec)
        self._character_s = character_s(spec)
        self._last_byte_s = 0.0
        self._resent = 0
        self._doubling: tuple[Hashable, float] | None = None
        """Unit that may answer once more, because it was asked more than once, and how long to leave it alone."""
        self._input = bytearray()
        self._request: Request | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._asked_s = 0.0
        self._heard = 0
        self._echo: bytes | None = None
        self._echoes = False
        self._unanswered = 0
        self.response_s: dict[Hashable, float] = {}
        """Running mean of how long each unit thinks before it answers; on a serial line, without the wire time."""

    def set_up(self, settings: LineSpec) -> None:
        """Speak with these serial settings from now on. The quiet gap begins anew, for everybody to notice."""
        if settings is self._settings or self._wire is None:
            return
        self._settings = settings
        self._gap_s = gap_s(settings)
        self._character_s = character_s(settings)
        if isinstance(self._wire, Switchable):
            self._wire.set_up(settings)
        self._last_byte_s = max(self._last_byte_s, self._loop.time())

    @property
    def lateness_s(self) -> dict[Hashable, float]:
        """Of each unit that has answered too late: seconds from the question to the latest such answer."""
        return self._settling.late_s

    def ready_at(self, unit: Hashable) -> float:
        """Loop time from which `unit` may be asked again; 0.0 when it is not settling."""
        return self._settling.until.get(unit, 0.0)

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""
        if self._wire is None or not self.up:
            await self._wire_for(request.timeout_s)
        started_s = self._loop.time()
        if self._settling.until:
            await self._let_settle(request.unit)
        assert self._request is None, f"line {self.name} has one owner"
        self._request = request
        self._asked_s = 0.0
        try:
            gap_s = max(self._gap_s, request.pause_s, self.spec.request_pause_s)
            if self._doubling is not None and request.unit == self._doubling[0]:
                gap_s = max(gap_s, self._doubling[1])
            if request.frame and self._last_byte_s + gap_s > started_s:
                await self._quiet(gap_s, request.timeout_s)
            return await self._ask(request)
        except (NoReply, BadReply) as error:
            self._count(error)
            self._settle(request, self._asked_s)
            raise
        except Refused as error:
            self._count(error)
            self._unanswered = 0
            raise
        except asyncio.CancelledError:
            self._settle(request, self._asked_s)
            raise
        finally:
            self._request = None
            self._answer = None
            spent_s = self._loop.time() - started_s
            self.busy_s += spent_s
            self.exchange_seconds.observe(spent_s)

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """See drivers/contract.py, Line. A line without tags has one question under way, whatever `most` says."""
        return await one_by_one(self.exchange, requests)

    async def _quiet(self, gap_s: float, limit_s: float) -> None:
        """Wait until nothing has been heard or said for `gap_s`. Raises Babbling when that never happens."""
        give_up_s = self._loop.time() + limit_s + gap_s
        while (wait_s := self._last_byte_s + gap_s - self._loop.time()) > 0:
            if self._loop.time() >= give_up_s:
                raise Babbling(f"input never paused for {gap_s * 1000:.1f} ms within {limit_s:g} s")
            await asyncio.sleep(wait_s)

    async def _ask(self, request: Request) -> bytes:
        if self._wire is None:
            raise LineDown(self.state)  # lost while the line was quiet
        loop = self._loop
        del self._input[:]
        self._heard = self._resent = 0
        answer: asyncio.Future[bytes] = loop.create_future()
        self._answer = answer
        self._echo = request.frame if self._echoes and request.frame else None
        asked_s = loop.time() + len(request.frame) * self._character_s
        self._asked_s = asked_s
        if request.frame:
            self._send(request.frame, asked_s)
            if request.resend_s is not None:
                loop.call_at(asked_s + request.resend_s, self._send_again, answer, request)
        limit_s = request.timeout_s if request.first_byte_s is None else request.first_byte_s
        timer = loop.call_at(asked_s + limit_s, self._timed_out, answer, request, asked_s)
        try:
            payload = await answer
        finally:
            timer.cancel()
        self._unanswered = 0
        self._doubling = (request.unit, DOUBLES * self._resent * (request.resend_s or 0.0)) if self._resent else None
        if self._character_s and request.reply_bytes:
            thought_s = max(0.0, self._last_byte_s - asked_s - request.reply_bytes * self._character_s)
            mean_s = self.response_s.get(request.unit, thought_s)
            self.response_s[request.unit] = mean_s + RESPONSE_WEIGHT * (thought_s - mean_s)
        return payload

    def _send(self, frame: bytes, sent_s: float) -> None:
        assert self._wire is not None
        if self.transcript is not None:
            self.transcript.sent(frame)
        self._last_byte_s = sent_s
        self._wire.write(frame)

    def _send_again(self, answer: "asyncio.Future[bytes]", request: Request) -> None:
        """The question once more, unless it is answered, or something has begun to come in."""
        if answer.done() or self._wire is None:
            return
        assert request.resend_s is not None
        sent_s = self._loop.time() + len(request.frame) * self._character_s
        if not self._input:
            self.faults["resent"] += 1
            self._send(request.frame, sent_s)
            self._resent += 1
        self._loop.call_at(sent_s + request.resend_s, self._send_again, answer, request)

    def _timed_out(self, answer: "asyncio.Future[bytes]", request: Request, asked_s: float) -> None:
        if answer.done():
            return
        end_s = asked_s + request.timeout_s
        if self._input and self._loop.time() < end_s:  # the first byte came in time: the whole has its own limit
            self._loop.call_at(end_s, self._timed_out, answer, request, asked_s)
            return
        waited_s = self._loop.time() - asked_s
        heard = f", only {_shown(self._input)}" if self._input else ""
        if not self._input and request.frame:
            self._unanswered += 1
        answer.set_exception(NoReply(f"no answer in {waited_s:.1f} s{heard}"))
        self._give_up_when_dead()

    def _give_up_when_dead(self) -> None:
        if self._unanswered >= DEAD_AFTER and self.spec.kind not in ("serial", "local"):
            self._drop(f"silent for {self._unanswered} requests")

    def _opened(self) -> None:
        self._settings = self.spec  # a port is opened with the settings of its line
        self._gap_s = gap_s(self.spec)
        self._character_s = character_s(self.spec)
        self._unanswered = 0
        self._echoes = False  # it may be another adapter
        super()._opened()

    def _fail_all(self, error: FieldError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # -- what comes in ------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        self._last_byte_s = self._loop.time()
        if self.transcript is not None:
            self.transcript.received(data)
        answer, request = self._answer, self._request
        if answer is None or request is None or answer.done():
            self._stray()
            return
        self._heard += len(data)
        if self._heard > max(MOST_BYTES, 2 * request.reply_bytes):
            answer.set_exception(Babbling(f"{self._heard} bytes came in, and no answer among them"))
            return
        self._input += data
        if self._echo is not None and not self._drop_echo(self._echo):
            return
        while self._input and not answer.done():
            try:
                verdict = request.receive(self._input)
            except FieldError as error:
                self._found_echo(request)
                answer.set_exception(error)
                return
            if verdict is None:
                self._await_silence(request, answer)
                return
            if isinstance(verdict, Skip):
                self._skip(verdict, request)
            else:
                self._whole(verdict, answer)

    def _await_silence(self, request: Request, answer: "asyncio.Future[bytes]") -> None:
        """An answer that has no end of its own ends when nothing more comes."""
        if request.silence_s is not None:
            heard_s = self._last_byte_s
            self._loop.call_at(heard_s + request.silence_s, self._silent, request, answer, heard_s)

    def _silent(self, request: Request, answer: "asyncio.Future[bytes]", heard_s: float) -> None:
        if answer.done() or self._last_byte_s != heard_s:
            return
        assert request.at_silence is not None
        try:
            answer.set_result(request.at_silence(bytes(self._input)))
        except FieldError as error:
            answer.set_exception(error)

    def _skip(self, verdict: Skip, request: Request) -> None:
        if not self._found_echo(request):
            if verdict.fault:
                self.faults[verdict.fault] += 1
            if verdict.unit is not None:
                self._heard_late(verdict.unit)
            del self._input[: verdict.upto]

    def _whole(self, verdict: Whole, answer: "asyncio.Future[bytes]") -> None:
        if len(self._input) > verdict.end:
            self.faults["noise"] += 1
        if verdict.reply and self._wire is not None:
            if self.transcript is not None:
                self.transcript.sent(verdict.reply)
            self._wire.write(verdict.reply)
        answer.set_result(verdict.payload)

    def _drop_echo(self, echo: bytes) -> bool:
        """Take our own words off the front; False while they are still coming in."""
        if self._input.startswith(echo):
            del self._input[: len(echo)]
            self._echo = None
            return True
        if echo.startswith(self._input):
            return False
        self._echo = None  # this time the adapter did not repeat us
        return True

    def _found_echo(self, request: Request) -> bool:
        """Whether the input begins with our own request: an adapter that hears itself. Said once, dropped for ever."""
        if not request.frame or not self._input.startswith(request.frame):
            return False
        if not self._echoes:
            self._echoes = True
            log.warning("line %s: the adapter repeats what is sent; its echo is dropped from now on", self.name)
        self.faults["echo"] += 1
        del self._input[: len(request.frame)]
        return True

    def _stray(self) -> None:
        """Input that nobody asked for now: late if some unit is settling, noise otherwise."""
        units = self._settling.at(self._last_byte_s)
        self.faults["late" if units else "noise"] += 1
        for unit in units:
            self._heard_late(unit)

    def _heard_late(self, unit: Hashable) -> None:
        """What has come in may be this unit's late answer."""
        if (settle_s := self._settling.heard(unit, self._last_byte_s)) is not None:
            late_s = self._settling.late_s[unit]
            words = (
                "unit %s on line %s answers %.1f s after a question and settles for %.1f s; is its timeout too short?"
            )
            log.warning(words, unit, self.name, late_s, settle_s)

    # -- settling and counting ----------------------------------------------------------------------------

    async def _let_settle(self, unit: Hashable) -> None:
        """Raises Settling while the unit must not be asked."""
        until_s = self._settling.until.get(unit)
        if until_s is None:
            return
        if until_s <= self._loop.time():
            # after a stall its late answer may lie unread in the kernel: two turns of the loop read it before we ask
            heard_s = self._last_byte_s
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self._last_byte_s != heard_s:
                self._heard_late(unit)
                until_s = self._settling.until.get(unit, until_s)
        now_s = self._loop.time()
        if until_s > now_s:
            late_s = self._settling.late_s.get(unit)
            seen = f"; it has answered {late_s:.1f} s after a question" if late_s else ""
            raise Settling(f"not asked for another {until_s - now_s:.1f} s after its last timeout{seen}")
        self._settling.end(unit)

    def _settle(self, request: Request, asked_s: float) -> None:
        """The unit owes an answer, if the question went out at all."""
        if not asked_s:
            return
        base_s = request.settle_s if request.settle_s is not None else self.spec.settle_s
        self._settling.begin(request.unit, asked_s, TIMEOUTS * request.timeout_s if base_s is None else base_s)

    def _count(self, error: FieldError) -> None:
        if isinstance(error, BadReply):
            self.faults[error.fault] += 1
        elif isinstance(error, Refused):
            self.faults[f"exception_{error.code}"] += 1
        else:
            self.faults["babbling" if isinstance(error, Babbling) else "timeout"] += 1


def gap_s(settings: LineSpec) -> float:
    """Quiet time before each request; the standard counts 11 bits a character: start, 8 data, parity or stop, stop."""
    return max(3.5 * 11 / settings.baudrate, SHORTEST_GAP_S) if settings.kind == "serial" else 0.0


def _shown(data: bytes | bytearray) -> str:
    text = bytes(data[:SHOWN_BYTES]).hex(" ")
    return f"{len(data)} bytes: {text}{' …' if len(data) > SHOWN_BYTES else ''}"
