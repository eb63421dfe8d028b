"""One listening line, in the place of a poller: stamps what instruments say unasked, and says when they do not.

Each message becomes one reading (`keep: last`: the last one of each period). A message is expected one period after
the one before; when it has not come half a period later, its place in the feed is taken by nulls with the reason
(promise P4), and the next is expected one period on. Instruments without a period (`every: fastest`) are expected
never. `lag` is 0 for all of them (contract.md §2).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from drivers import durations
from drivers.contract import Heard, Sample
from drivers.line.listened import Listened
from drivers.line.listening import ListeningLine
from drivers.measure import Histogram
from gateway.clock import Clock
from gateway.polling.poller import LATENESS_BOUNDS_S, MOST_OVERRUNS, LineBusyError
from gateway.reading import Event, Reading

log = logging.getLogger("fieldgate.polling")

GRACE_PERIODS = 0.5
"""Part of a period that a message may be late: more than any clock's drift, less than would hide a missing one."""
NEVER_S = float("inf")
MOST_UNSENT = 10_000
"""Acknowledgements that wait for one commit: ten seconds of a thousand messages a second."""


@dataclass(slots=True)
class Expected:
    """One instrument. Times are the loop's, in seconds."""

    instrument: str
    driver: Listened
    period_s: float
    next_s: float = NEVER_S
    """When its next message is expected."""
    silent: int = 0
    """Periods without a message in a row."""
    latest: Reading | None = None
    """`keep: last`: the last message of this period."""

    @property
    def give_up_s(self) -> float:
        """When its place is taken: at the end of the period for `keep: last`, else after the grace."""
        return self.next_s if self.driver.last_only else self.next_s + GRACE_PERIODS * self.period_s


class Listener:
    """Owner of one listening line; to the rest of the gateway it looks as a Poller does."""

    def __init__(
        self,
        line: ListeningLine,
        instruments: Iterable[tuple[str, Listened, int]],
        clock: Clock,
        emit: Callable[[Reading], None],
        tell: Callable[[Event], None],
        committed: Callable[[], asyncio.Event] | None = None,
    ) -> None:
        """`instruments` are (id, driver, period in ms; 0: whenever it speaks).

        `committed` gives what is set when the reading emitted last is on the disk: until then it is not acknowledged.
        """
        self.line = line
        self.polls: Counter[tuple[str, str]] = Counter()
        self.lateness_seconds = Histogram(LATENESS_BOUNDS_S)
        self.last: dict[str, Reading] = {}
        self.answering: dict[str, bool] = {}
        self.answered_s: dict[str, float] = {}
        self._expected = {name: Expected(name, driver, period / 1000) for name, driver, period in instruments}
        self.whenever = frozenset(name for name, one in self._expected.items() if not one.period_s)
        self._clock = clock
        self._emit = emit
        self._tell = tell
        self._committed = committed
        self._safe: asyncio.Event | None = None  # of the reading emitted last
        self._unsent: dict[asyncio.Event, list[Callable[[], None]]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        line.said.append(self._heard)
        if committed is not None:
            line.answer = self._answer

    async def run(self) -> None:
        """Watch for what does not come, until cancelled."""
        loop = asyncio.get_running_loop()
        for one in self._expected.values():
            one.next_s = loop.time() + one.period_s if one.period_s else NEVER_S
        while True:
            until_s = min((one.give_up_s for one in self._expected.values()), default=NEVER_S)
            if until_s == NEVER_S:
                await loop.create_future()  # nothing is ever expected: what is heard needs no task
            await asyncio.sleep(max(0.0, until_s - loop.time()))
            # after a standstill what has come meanwhile is heard first
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            now_s = loop.time()
            for one in self._expected.values():
                if one.give_up_s <= now_s:
                    self._period_over(one, now_s)

    def clock_stepped(self) -> None:
        """Periods are counted from the last message, on the monotonic clock: nothing changes."""

    async def between(self, job: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Nobody is asked on this line. Raises LineBusyError."""
        raise LineBusyError(f"line {self.line.name} listens: its instruments speak unasked and take no requests")

    async def read_now(self, instrument: str) -> Reading:
        """The next message of this instrument, or nulls when none comes."""
        driver = self._expected[instrument].driver
        return self._stamped(instrument, driver, await driver.poll())

    def _heard(self, heard: Heard) -> None:
        one = self._expected.get(heard.instrument)
        if one is None:
            return
        self.answered_s[one.instrument] = self._clock.monotonic()
        if heard.sample is None:
            return
        reading = self._stamped(one.instrument, one.driver, heard.sample)
        if one.silent:
            log.warning("%s on line %s speaks again after %d periods", one.instrument, self.line.name, one.silent)
            one.silent = 0
        self.answering[one.instrument] = True
        self.last[one.instrument] = reading
        if one.driver.last_only:
            one.latest = reading
            return
        if one.period_s:
            one.next_s = asyncio.get_running_loop().time() + one.period_s
        self._hand_on(reading)

    def _period_over(self, one: Expected, now_s: float) -> None:
        """One place in the feed for each period that has gone by; the oldest ones of a long standstill as one event."""
        if (latest := one.latest) is not None:
            one.latest = None
            one.next_s += one.period_s
            self._hand_on(latest)
            if one.give_up_s > now_s:
                return
        missed = int((now_s - one.give_up_s) / one.period_s) + 1
        one.next_s += missed * one.period_s
        if one.silent == 0:
            log.warning("%s on line %s is not heard: %s", one.instrument, self.line.name, self._why(one))
        one.silent += missed
        self.answering[one.instrument] = False
        now_ms = self._clock.now_ms()
        period_ms = round(one.period_s * 1000)
        told = min(missed, MOST_OVERRUNS)
        sample = Sample.nothing(len(one.driver.points), self._why(one))
        for before in range(told - 1, -1, -1):
            reading = self._stamped(one.instrument, one.driver, sample, now_ms - before * period_ms)
            self.last[one.instrument] = reading
            self._hand_on(reading)
        if beyond := missed - told:
            data = {"missed": beyond, "from": now_ms - (missed - 1) * period_ms, "to": now_ms - told * period_ms}
            self._tell(Event(now_ms, "polling.gap", data, one.instrument, level="warning"))

    def _answer(self, send: Callable[[], None]) -> None:
        """Acknowledge when what was heard is committed: who has an acknowledgement may forget his data."""
        safe = self._safe
        if safe is None or safe.is_set():
            send()
        elif safe in self._unsent:
            if len(self._unsent[safe]) < MOST_UNSENT:  # what is not acknowledged comes again
                self._unsent[safe].append(send)
        else:
            self._unsent[safe] = [send]
            task = asyncio.create_task(self._send(safe), name=f"acknowledgements of line {self.line.name}")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, safe: asyncio.Event) -> None:
        try:
            await safe.wait()
        finally:
            unsent = self._unsent.pop(safe)
        for send in unsent:
            send()

    def _why(self, one: Expected) -> str:
        if not self.line.up:
            return f"line: {self.line.state}"
        return f"timeout: no message in {durations.written(one.period_s)}, the line is {self.line.state}"

    def _stamped(self, instrument: str, driver: Listened, sample: Sample, ts_ms: int | None = None) -> Reading:
        when_ms = self._clock.now_ms() if ts_ms is None else ts_ms
        return Reading(instrument, driver.points, when_ms, 0, sample, self._clock.monotonic())

    def _hand_on(self, reading: Reading) -> None:
        self.polls[reading.instrument, reading.sample.result] += 1
        self._emit(reading)
        if self._committed is not None:
            self._safe = self._committed()
