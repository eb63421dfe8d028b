"""One task a line: takes the next instrument that is due, polls it, stamps the sample, hands it on.

Every expected poll becomes exactly one reading (promise P4): made, or as nulls with the reason why not.
Waits are monotonic; stamps are wall time. `emit` is a plain function: nothing here waits for the log.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from drivers.contract import Driver, Line, Sample
from drivers.measure import Histogram
from gateway.clock import Clock
from gateway.polling.schedule import Due, Entry, Schedule
from gateway.polling.silence import LONGEST_ALONE_S, LONGEST_S, Silence
from gateway.reading import Event, Reading

log = logging.getLogger("fieldgate.polling")

LATENESS_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MOST_OVERRUNS = 1000
"""Polls told one by one after a standstill; what is beyond is told as one `polling.gap` event (memory is bounded)."""
FASTEST_RETRY_S = 0.5
"""Pause before an instrument polled as fast as possible is tried again while its line is down."""
NO_ANSWER = frozenset({"timeout", "crc"})
"""Results that cost the line its time and make the unit a suspect."""
JOBS = 16
"""Commands that may wait for a line; more are refused at once."""
ROUNDING_MS = 0.001
"""A timer set to a whole millisecond may fire a rounding before it: without this the poller would turn in a circle."""
STEP_TOLERANCE_MS = 50
"""Wall and monotonic lateness differ by more than this only when the clock was stepped in between."""


@dataclass(frozen=True, slots=True)
class Polled:
    """One instrument as the poller needs it; `period_ms` 0 means as fast as the line allows."""

    instrument: str
    driver: Driver
    period_ms: int
    phase_ms: int = 0


class LineBusyError(Exception):
    """Too many commands wait for this line."""


class Poller:
    """Owner of one line."""

    def __init__(
        self,
        line: Line,
        instruments: Iterable[Polled],
        clock: Clock,
        emit: Callable[[Reading], None],
        tell: Callable[[Event], None],
        *,
        shared_wire: bool,
    ) -> None:
        """`shared_wire` says that units share the line's time (serial), so that silent ones are left alone longer."""
        self.line = line
        self.polls: Counter[tuple[str, str]] = Counter()
        self.lateness_seconds = Histogram(LATENESS_BOUNDS_S)
        self.last: dict[str, Reading] = {}
        self.answering: dict[str, bool] = {}
        self.answered_s: dict[str, float] = {}
        self.whenever: frozenset[str] = frozenset()
        self._polled = {polled.instrument: polled for polled in instruments}
        self._clock = clock
        self._emit = emit
        self._tell = tell
        alone = len({polled.driver.unit for polled in self._polled.values()}) == 1
        self._silence = Silence(LONGEST_S if shared_wire and not alone else LONGEST_ALONE_S)
        self._jobs: deque[tuple[Callable[[], Coroutine[Any, Any, Any]], asyncio.Future[Any]]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._offset_ms = 0
        self._schedule = Schedule((), 0)

    async def run(self) -> None:
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        self._offset_ms = self._clock.now_ms() - int(loop.time() * 1000)
        entries = [Entry(polled.instrument, polled.period_ms, polled.phase_ms) for polled in self._polled.values()]
        self._schedule = Schedule(entries, self._now_ms(loop))
        while True:
            if self._jobs:
                await self._do_job()
            due = self._schedule.choose(self._now_ms(loop))
            if due is None:
                await self._wait(loop)
            else:
                await self._serve(due, loop)

    def clock_stepped(self) -> None:
        """Align the periods to the wall clock as it stands now."""
        loop = asyncio.get_running_loop()
        self._offset_ms = self._clock.now_ms() - int(loop.time() * 1000)
        self._schedule.align(self._now_ms(loop))
        self._wake()

    async def between(self, job: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a command's exchanges between two polls; waits for at most the poll under way and earlier commands."""
        if len(self._jobs) >= JOBS:
            raise LineBusyError(f"{JOBS} commands already wait for line {self.line.name}")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, done))
        self._wake()
        return await done

    async def read_now(self, instrument: str) -> Reading:
        """Poll one instrument at once, outside its schedule; the reading is the caller's and not in the feed."""
        driver = self._polled[instrument].driver

        async def job() -> Reading:
            return self._stamp(instrument, driver, await driver.poll(), self._clock.now_ms(), 0.0)

        reading = await self.between(job)
        assert isinstance(reading, Reading)
        return reading

    async def _serve(self, due: Due, loop: asyncio.AbstractEventLoop) -> None:
        entry = due.entry
        polled = self._polled[entry.instrument]
        driver = polled.driver
        if due.overruns:
            self._tell_overruns(due, driver, loop)
        started_s = loop.time()
        due_s = (due.due_ms - self._offset_ms) / 1000
        self.lateness_seconds.observe(max(0.0, started_s - due_s))
        if (why := self._not_now(driver, started_s)) is not None:
            if entry.period_ms:
                self._hand_on(entry.instrument, driver, Sample.nothing(len(driver.points), why), due.due_ms, due_s)
            else:
                self._schedule.postpone(entry, self._now_ms(loop) + int(FASTEST_RETRY_S * 1000))
            return
        sample = await driver.poll()
        if sample.result in NO_ANSWER:
            self._fell_silent(entry, driver, sample, loop)
        else:
            if entry.suspect or not self.answering.get(entry.instrument, False):
                self._answered(entry, driver, sample)
            if sample.result != "line":
                self.answered_s[entry.instrument] = self._clock.monotonic()
            if sample.result == "line" and not entry.period_ms:
                self._schedule.postpone(entry, self._now_ms(loop) + int(FASTEST_RETRY_S * 1000))
        self._hand_on(entry.instrument, driver, sample, due.due_ms, due_s)

    def _not_now(self, driver: Driver, now_s: float) -> str | None:
        """Why this poll is not made, or None."""
        if (until := self.line.ready_at(driver.unit)) > now_s:
            return f"settling: not asked for another {until - now_s:.1f} s after its last timeout"
        if (until := self._silence.until(driver.unit)) > now_s:
            failures = self._silence.failures(driver.unit)
            return f"silent: no answer {failures} times in a row, next try in {until - now_s:.1f} s"
        return None

    def _fell_silent(self, entry: Entry, driver: Driver, sample: Sample, loop: asyncio.AbstractEventLoop) -> None:
        self._schedule.failed(entry, self._now_ms(loop))
        if self._silence.failed(driver.unit, loop.time()) == 1:
            why = next(iter(sample.why.values()), sample.result)
            log.warning("%s on line %s does not answer: %s", entry.instrument, self.line.name, why)
        self.answering[entry.instrument] = False

    def _answered(self, entry: Entry, driver: Driver, sample: Sample) -> None:
        if sample.result == "line":
            self.answering[entry.instrument] = False
            return
        self._schedule.answered(entry)
        if failures := self._silence.answered(driver.unit):
            log.warning("%s on line %s answers again after %d tries", entry.instrument, self.line.name, failures)
        self.answering[entry.instrument] = True

    def _tell_overruns(self, due: Due, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
        entry = due.entry
        first_ms = due.due_ms - due.overruns * entry.period_ms
        told = min(due.overruns, MOST_OVERRUNS)
        sample = Sample.nothing(len(driver.points), "overrun: the line was busy when this poll was due")
        for missed in range(due.overruns - told, due.overruns):
            missed_ms = first_ms + missed * entry.period_ms
            self._hand_on(entry.instrument, driver, sample, missed_ms, (missed_ms - self._offset_ms) / 1000)
        if beyond := due.overruns - told:
            data = {"missed": beyond, "from": first_ms, "to": first_ms + (beyond - 1) * entry.period_ms}
            self._tell(Event(self._clock.now_ms(), "polling.gap", data, entry.instrument, level="warning"))

    def _hand_on(self, instrument: str, driver: Driver, sample: Sample, due_ms: int, due_s: float) -> None:
        reading = self._stamp(instrument, driver, sample, due_ms, due_s)
        self.polls[instrument, sample.result] += 1
        self.last[instrument] = reading
        self._emit(reading)

    def _stamp(self, instrument: str, driver: Driver, sample: Sample, due_ms: int, due_s: float) -> Reading:
        ts_ms = self._clock.now_ms()
        lag_ms = ts_ms - due_ms
        if due_s:
            elapsed_ms = round((asyncio.get_running_loop().time() - due_s) * 1000)
            # the wall clock was stepped since the poll fell due: only the monotonic clock knows how late it is
            if abs(lag_ms - elapsed_ms) > STEP_TOLERANCE_MS:
                lag_ms = elapsed_ms
        if (
            lag_ms < 0
        ):  # the two clocks' milliseconds do not change at the same instant: nothing is done before it is due
            ts_ms, lag_ms = ts_ms - lag_ms, 0
        return Reading(instrument, driver.points, ts_ms, lag_ms, sample, self._clock.monotonic())

    async def _do_job(self) -> None:
        job, done = self._jobs.popleft()
        if done.done():
            return
        task = asyncio.ensure_future(job())
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
        if done.done():
            return
        if task.cancelled():
            done.cancel()
        elif (error := task.exception()) is not None:
            done.set_exception(error)
        else:
            done.set_result(task.result())

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        next_s = (self._schedule.next_ms() - self._offset_ms) / 1000
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_at(next_s, self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _now_ms(self, loop: asyncio.AbstractEventLoop) -> int:
        return int(loop.time() * 1000 + ROUNDING_MS) + self._offset_ms
