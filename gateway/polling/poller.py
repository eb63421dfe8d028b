"""One owner a line: takes the next instrument that is due, polls it, stamps the sample, hands it on.

Every expected poll becomes exactly one reading (promise P4): made, or as nulls with the reason why not.
Waits are monotonic; stamps are wall time. `emit` is a plain function: nothing here waits for the log.

    timer ─► turn ─► begin (a driver that is Prompt) ──► last answer ─► concluded ─► reading ─► turn
                └──► task: whatever must be awaited ──────────────────────────────► reading ─► turn

A turn is a plain call. The owner's task sleeps while polls can be made without it: waking it for each costs more than
the poll itself (docs/performance.md).
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivers.contract import Answers, Driver, Line, Prompt, Sample
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
        self._prompt = {name: one.driver for name, one in self._polled.items() if isinstance(one.driver, Prompt)}
        self._loop = asyncio.get_running_loop()
        self._called: asyncio.Future[None] | None = None
        """What the owner's task waits for; None while it is at work."""
        self._timer: asyncio.TimerHandle | None = None
        self._give_up: Callable[[], None] | None = None
        """Of the poll that is under way without the task."""
        self._awaited: tuple[Due, float, Coroutine[Any, Any, Sample]] | None = None
        """The poll that the task is to await, and when it was due (loop time)."""
        self._offset_ms = 0
        self._schedule = Schedule((), 0)

    async def run(self) -> None:
        """Poll until cancelled."""
        self._offset_ms = self._clock.now_ms() - int(self._loop.time() * 1000)
        entries = [Entry(polled.instrument, polled.period_ms, polled.phase_ms) for polled in self._polled.values()]
        self._schedule = Schedule(entries, self._now_ms())
        try:
            while True:
                self._turn()
                if self._awaited is None and (not self._jobs or self._give_up is not None):
                    self._called = self._loop.create_future()
                    await self._called
                    self._called = None
                if self._awaited is not None:
                    (due, due_s, poll), self._awaited = self._awaited, None
                    self._ended(due, due_s, await poll)
                elif self._jobs:
                    await self._do_job()
        finally:
            self._rest()

    def _rest(self) -> None:
        """Nothing goes on by itself any more."""
        self._called = None
        if self._timer is not None:
            self._timer.cancel()
        if self._give_up is not None:
            self._give_up()
        if self._awaited is not None:
            self._awaited[2].close()
        self._timer = self._give_up = self._awaited = None

    def _turn(self) -> None:
        """Poll what is due, as far as that needs no task; come back when something is."""
        while self._give_up is None and self._awaited is None and not self._jobs:
            due = self._schedule.choose(self._now_ms())
            if due is None:
                self._timer = self._loop.call_at((self._schedule.next_ms() - self._offset_ms) / 1000, self._turned)
                return
            self._serve(due)

    def _turned(self) -> None:
        """A turn that nobody waits for: what fails in it fails the task."""
        called = self._called
        if called is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._turn()
        except Exception as error:
            self._fail(error)
        else:
            if self._give_up is None and (self._jobs or self._awaited is not None) and not called.done():
                called.set_result(None)

    def _fail(self, error: Exception) -> None:
        """The task raises it."""
        if self._called is not None and not self._called.done():
            self._called.set_exception(error)

    def clock_stepped(self) -> None:
        """Align the periods to the wall clock as it stands now."""
        self._offset_ms = self._clock.now_ms() - int(self._loop.time() * 1000)
        self._schedule.align(self._now_ms())
        self._turned()

    async def between(self, job: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a command's exchanges between two polls; waits for at most the poll under way and earlier commands."""
        if len(self._jobs) >= JOBS:
            raise LineBusyError(f"{JOBS} commands already wait for line {self.line.name}")
        done: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.append((job, done))
        self._turned()
        return await done

    async def read_now(self, instrument: str) -> Reading:
        """Poll one instrument at once, outside its schedule; the reading is the caller's and not in the feed."""
        driver = self._polled[instrument].driver

        async def job() -> Reading:
            made = self._stamp(instrument, driver, await driver.poll(), self._clock.now_ms(), 0.0)
            *earlier, asked = made.spread()
            for one in earlier:  # what was missed comes only once
                self._emit(one)
            return asked

        reading = await self.between(job)
        assert isinstance(reading, Reading)
        return reading

    def _serve(self, due: Due) -> None:
        """Begin this poll, leave it to the task, or say why it is not made."""
        entry = due.entry
        driver = self._polled[entry.instrument].driver
        if due.overruns:
            self._tell_overruns(due, driver)
        started_s = self._loop.time()
        due_s = (due.due_ms - self._offset_ms) / 1000
        self.lateness_seconds.observe(max(0.0, started_s - due_s))
        if (why := self._not_now(driver, started_s)) is not None:
            if entry.period_ms:
                self._hand_on(entry.instrument, driver, Sample.nothing(len(driver.points), why), due.due_ms, due_s)
            else:
                self._schedule.postpone(entry, self._now_ms() + int(FASTEST_RETRY_S * 1000))
            return
        prompt = self._prompt.get(entry.instrument)
        if prompt is not None:
            self._give_up = prompt.begin(partial(self._answered, due, due_s, prompt))
        if self._give_up is None:
            self._awaited = due, due_s, driver.poll()

    def _answered(self, due: Due, due_s: float, driver: Prompt, answers: Answers) -> None:
        """All answers of a poll without the task are there."""
        self._give_up = None
        try:
            sample = driver.conclude(answers)
            if isinstance(sample, Sample):
                self._ended(due, due_s, sample)
            else:
                self._awaited = due, due_s, sample
        except Exception as error:
            self._fail(error)
        else:
            self._turned()

    def _ended(self, due: Due, due_s: float, sample: Sample) -> None:
        """This is what came of the poll."""
        entry = due.entry
        driver = self._polled[entry.instrument].driver
        if sample.result in NO_ANSWER:
            self._fell_silent(entry, driver, sample)
        else:
            if entry.suspect or not self.answering.get(entry.instrument, False):
                self._came_back(entry, driver, sample)
            if sample.result != "line":
                self.answered_s[entry.instrument] = self._clock.monotonic()
            if sample.result == "line" and not entry.period_ms:
                self._schedule.postpone(entry, self._now_ms() + int(FASTEST_RETRY_S * 1000))
        self._hand_on(entry.instrument, driver, sample, due.due_ms, due_s)

    def _not_now(self, driver: Driver, now_s: float) -> str | None:
        """Why this poll is not made, or None."""
        if (until := self.line.ready_at(driver.unit)) > now_s:
            return f"settling: not asked for another {until - now_s:.1f} s after its last timeout"
        if (until := self._silence.until(driver.unit)) > now_s:
            failures = self._silence.failures(driver.unit)
            return f"silent: no answer {failures} times in a row, next try in {until - now_s:.1f} s"
        return None

    def _fell_silent(self, entry: Entry, driver: Driver, sample: Sample) -> None:
        self._schedule.failed(entry, self._now_ms())
        if self._silence.failed(driver.unit, self._loop.time()) == 1:
            why = next(iter(sample.why.values()), sample.result)
            log.warning("%s on line %s does not answer: %s", entry.instrument, self.line.name, why)
        self.answering[entry.instrument] = False

    def _came_back(self, entry: Entry, driver: Driver, sample: Sample) -> None:
        if sample.result == "line":
            self.answering[entry.instrument] = False
            return
        self._schedule.answered(entry)
        if failures := self._silence.answered(driver.unit):
            log.warning("%s on line %s answers again after %d tries", entry.instrument, self.line.name, failures)
        self.answering[entry.instrument] = True

    def _tell_overruns(self, due: Due, driver: Driver) -> None:
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
        # Between looks at two clocks the process may have stood still; a step is still there when looked at again.
        if due_s and self._stepped(lag_ms, due_s) and self._stepped(self._clock.now_ms() - due_ms, due_s):
            # the wall clock was stepped since the poll fell due: only the monotonic clock knows how late it is
            lag_ms = round((self._loop.time() - due_s) * 1000)
        if lag_ms < 0:
            # the two clocks' milliseconds do not change at the same instant: nothing is done before it is due
            ts_ms, lag_ms = ts_ms - lag_ms, 0
        return Reading(instrument, driver.points, ts_ms, lag_ms, sample, self._clock.monotonic())

    def _stepped(self, lag_ms: int, due_s: float) -> bool:
        return abs(lag_ms - round((self._loop.time() - due_s) * 1000)) > STEP_TOLERANCE_MS

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

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000 + ROUNDING_MS) + self._offset_ms
