"""The line: one owner, one discipline of asking and listening, whatever carries the bytes.

An exchange is: wait the quiet gap, drop stray input, write, read until the codec says that the answer is whole
and right. What can go wrong ends as one of drivers/errors.py.

Without tags (serial, RTU or ASCII over a socket) there is one question at a time. After a timeout, a wrong answer
or a cancellation the unit **settles**: it is not asked again until `settle` has passed since its last request or
byte, so that its late answer cannot be taken for the next one (contract.md §3). Other units go on meanwhile.
`drivers/line/tagged.py` is the discipline for framings that number their requests.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from random import uniform
from typing import Any

from drivers.contract import Request, Skip, Whole
from drivers.errors import Babbling, BadReply, FieldError, LineDown, NoReply, Refused, Settling
from drivers.line.transcript import Transcript
from drivers.line.wire import Lost, Received, Wire
from drivers.measure import Histogram
from drivers.profile import LineSpec

log = logging.getLogger("fieldgate.line")

EXCHANGE_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
REOPEN_S = 0.5
"""First wait before a lost port is opened again; a port must be polled 2 s after it is back (contract.md §3)."""
REOPEN_MOST_S = {"serial": 1.0, "tcp": 2.0, "udp": 2.0, "tls": 2.0}
"""Longest wait: with the connect limit of 3 s a TCP instrument is found within the 5 s of contract.md §3."""
SHORTEST_GAP_S = 0.00175
"""Quiet time above 19,200 baud (Modbus over Serial Line V1.02 §2.5.1.1); below it is 3.5 characters."""
SETTLE_TIMEOUTS = 3
"""Default settling in timeouts (contract.md §3)."""
DEAD_AFTER = 2
"""Timeouts in a row without one byte after which a network connection is given up as half-open."""
SHOWN_BYTES = 32
"""Of an answer that is not whole, this many bytes are shown in its reason."""

Opener = Callable[[LineSpec, Received, Lost], Coroutine[Any, Any, Wire]]


class FieldLine:
    """A line without tags; also everything that both disciplines share."""

    def __init__(self, spec: LineSpec, opener: Opener) -> None:
        self.name = spec.name
        self.spec = spec
        self.in_flight = 1
        self.up = False
        self.state = "not opened yet"
        self.generation = 0
        self.busy_s = 0.0
        self.exchange_seconds = Histogram(EXCHANGE_BOUNDS_S)
        self.faults: Counter[str] = Counter()
        self.lateness_s: dict[Hashable, float] = {}
        self.transcript: Transcript | None = None
        self._opener = opener
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._came_up = asyncio.Event()
        characters_s = 11 / spec.baudrate  # start, 8 data, parity or second stop, stop
        self._gap_s = max(3.5 * characters_s, SHORTEST_GAP_S) if spec.kind == "serial" else 0.0
        self._character_s = characters_s if spec.kind == "serial" else 0.0
        self._last_byte_s = 0.0
        self._input = bytearray()
        self._request: Request | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._echo: bytes | None = None
        self._echoes = False
        self._settling: dict[Hashable, float] = {}
        self._longer: dict[Hashable, float] = {}
        self._asked: dict[Hashable, float] = {}
        self._unanswered = 0

    # -- the port or connection ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the port or connection open until cancelled."""
        wait_s = REOPEN_S
        try:
            while True:
                self._lost.clear()
                try:
                    self._wire = await self._opener(self.spec, self._received, self._connection_lost)
                except LineDown as error:
                    self._down(error.detail)
                    await asyncio.sleep(wait_s * uniform(0.8, 1.0))
                    wait_s = min(wait_s * 2, REOPEN_MOST_S[self.spec.kind])
                    continue
                if self.spec.connect_pause_s:
                    await asyncio.sleep(self.spec.connect_pause_s)
                self._opened()
                opened_s = self._loop.time()
                await self._lost.wait()
                # a port that opens and fails at once must not be opened in a tight circle
                if self._loop.time() - opened_s > REOPEN_MOST_S[self.spec.kind]:
                    wait_s = REOPEN_S
                await asyncio.sleep(min(wait_s, REOPEN_S) * uniform(0.2, 1.0))
        finally:
            self.close()

    async def wait_up(self, limit_s: float) -> bool:
        """Wait until the line is up; False when it is not within the limit."""
        try:
            async with asyncio.timeout(limit_s):
                await self._came_up.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close the port or connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._down("closed")

    def _opened(self) -> None:
        if self._lost.is_set():
            return
        self.up = True
        self.generation += 1
        self.state = "up"
        self._unanswered = 0
        self._came_up.set()
        log.info("line %s is up", self.name)

    def _connection_lost(self, why: str) -> None:
        self._wire = None
        self.faults["down"] += 1
        self._down(why)
        self._lost.set()

    def _down(self, why: str) -> None:
        if self.up or self.state != why:
            log.warning("line %s is down: %s", self.name, why)
        self.up = False
        self.state = why
        self._came_up.clear()
        self._fail_all(LineDown(why))

    def _drop(self, why: str) -> None:
        """Give up a connection that looks alive and is not."""
        if self._wire is not None:
            self._wire.close()
            self._connection_lost(why)

    def _fail_all(self, error: FieldError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # -- one exchange -------------------------------------------------------------------------------------

    def ready_at(self, unit: Hashable) -> float:
        """Loop time from which `unit` may be asked again; 0.0 when it is not settling."""
        return self._settling.get(unit, 0.0)

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""
        unit = request.unit
        if self._wire is None or not self.up:
            raise LineDown(self.state)
        started_s = self._loop.time()
        if (until := self._settling.get(unit)) is not None:
            if until > started_s:
                raise Settling(f"not asked for another {until - started_s:.1f} s after its last timeout")
            del self._settling[unit]
        assert self._request is None, f"line {self.name} has one owner"
        self._request = request
        try:
            await self._quiet(max(self._gap_s, request.pause_s, self.spec.request_pause_s), request.timeout_s)
            return await self._ask(request)
        except (NoReply, BadReply) as error:
            self._count(error)
            self._settle(unit)
            raise
        except Refused as error:
            self._count(error)
            self._unanswered = 0
            raise
        except asyncio.CancelledError:
            self._settle(unit)
            raise
        finally:
            self._request = None
            self._answer = None
            spent_s = self._loop.time() - started_s
            self.busy_s += spent_s
            self.exchange_seconds.observe(spent_s)

    async def _quiet(self, gap_s: float, limit_s: float) -> None:
        """Wait until nothing has been heard or said for `gap_s`. Raises Babbling when that never happens."""
        give_up_s = self._loop.time() + limit_s + gap_s
        while (wait_s := self._last_byte_s + gap_s - self._loop.time()) > 0:
            if self._loop.time() >= give_up_s:
                raise Babbling(f"input never paused for {gap_s * 1000:.1f} ms within {limit_s:g} s")
            await asyncio.sleep(wait_s)

    async def _ask(self, request: Request) -> bytes:
        assert self._wire is not None
        loop = self._loop
        del self._input[:]
        answer: asyncio.Future[bytes] = loop.create_future()
        self._answer = answer
        self._echo = request.frame if self._echoes else None
        if self.transcript is not None:
            self.transcript.sent(request.frame)
        sending_s = len(request.frame) * self._character_s
        now_s = loop.time()
        self._asked[request.unit] = self._last_byte_s = now_s + sending_s
        self._wire.write(request.frame)
        limit_s = request.first_byte_s if request.first_byte_s is not None else request.timeout_s
        timer = loop.call_at(now_s + sending_s + limit_s, self._timed_out, answer, request, now_s + sending_s)
        try:
            payload = await answer
        finally:
            timer.cancel()
        self._unanswered = 0
        return payload

    def _timed_out(self, answer: asyncio.Future[bytes], request: Request, asked_s: float) -> None:
        if answer.done():
            return
        end_s = asked_s + request.timeout_s
        if self._input and self._loop.time() < end_s:  # the first byte came in time: the whole has its own limit
            self._loop.call_at(end_s, self._timed_out, answer, request, asked_s)
            return
        waited_s = self._loop.time() - asked_s
        heard = f", only {_shown(self._input)}" if self._input else ""
        if not self._input:
            self._unanswered += 1
        answer.set_exception(NoReply(f"no answer in {waited_s:.1f} s{heard}"))
        if self._unanswered >= DEAD_AFTER and self.spec.kind in ("tcp", "tls"):
            self._drop(f"{self.spec.host}:{self.spec.port}: silent for {self._unanswered} requests, connecting anew")

    # -- what comes in ------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        self._last_byte_s = self._loop.time()
        if self.transcript is not None:
            self.transcript.received(data)
        answer, request = self._answer, self._request
        if answer is None or request is None or answer.done():
            self._stray(data)
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
                return
            if isinstance(verdict, Skip):
                self._skip(verdict, request)
            else:
                self._whole(verdict, answer)

    def _skip(self, verdict: Skip, request: Request) -> None:
        if not self._found_echo(request):
            self.faults[verdict.fault] += 1
            if verdict.unit is not None:
                self._heard_late(verdict.unit)
            del self._input[: verdict.upto]

    def _whole(self, verdict: Whole, answer: asyncio.Future[bytes]) -> None:
        if len(self._input) > verdict.end:
            self.faults["noise"] += 1
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
        if not self._input.startswith(request.frame):
            return False
        if not self._echoes:
            self._echoes = True
            log.warning("line %s: the adapter repeats what is sent; its echo is dropped from now on", self.name)
        self.faults["echo"] += 1
        del self._input[: len(request.frame)]
        return True

    def _stray(self, data: bytes) -> None:
        """Input that nobody asked for now: late if some unit is settling, noise otherwise."""
        now_s = self._loop.time()
        settling = [unit for unit, until_s in self._settling.items() if until_s > now_s]
        self.faults["late" if settling else "noise"] += 1
        for unit in settling:
            self._heard_late(unit)

    # -- settling -----------------------------------------------------------------------------------------

    def _settle_s(self, unit: Hashable) -> float:
        timeout_s = self.spec.timeout_s
        default_s = self.spec.settle_s if self.spec.settle_s is not None else SETTLE_TIMEOUTS * timeout_s
        return max(default_s, self._longer.get(unit, 0.0))

    def _settle(self, unit: Hashable) -> None:
        self._settling[unit] = self._asked.get(unit, self._loop.time()) + self._settle_s(unit)

    def _heard_late(self, unit: Hashable) -> None:
        """A byte that may be a settling unit's late answer: measure it, and wait on from here."""
        if unit not in self._settling:
            return
        now_s = self._loop.time()
        late_s = now_s - self._asked.get(unit, now_s)
        self.lateness_s[unit] = max(late_s, self.lateness_s.get(unit, 0.0))
        if late_s * 1.5 > self._settle_s(unit):
            self._longer[unit] = late_s * 1.5
        self._settling[unit] = now_s + self._settle_s(unit)

    def _count(self, error: FieldError) -> None:
        if isinstance(error, BadReply):
            self.faults[error.fault] += 1
        elif isinstance(error, Refused):
            self.faults[f"exception_{error.code}"] += 1
        else:
            self.faults["babbling" if isinstance(error, Babbling) else "timeout"] += 1


def _shown(data: bytes | bytearray) -> str:
    text = bytes(data[:SHOWN_BYTES]).hex(" ")
    return f"{len(data)} bytes: {text}{' …' if len(data) > SHOWN_BYTES else ''}"
