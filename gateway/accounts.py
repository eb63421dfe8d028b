"""What is told of readings beside themselves: daily completeness, windows, limits, marks; kept over restarts.

    pollers ─ emit ─► marks, steps ─► log ─ entered, lost ─► completeness, windows ─ run ─► events, windows ─► log

A state that is kept counts everything up to its batch; `take_up` goes on from there by reading the batches after it.
The log may not be open at the start, because the disk fails. Then readings are gathered without being counted until it
is, and nothing is told meanwhile.
"""

import asyncio
import logging
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from gateway.batch import plain
from gateway.clock import Clock
from gateway.log import Log
from gateway.pipeline.completeness import Completeness
from gateway.pipeline.marks import Marks
from gateway.processing import pipeline_of
from gateway.reading import Event, Reading
from gateway.settings import Site

logger = logging.getLogger("fieldgate")

KEEP_EVERY_S = 60.0
"""How often the account of the day is written into the log; after a kill the batches since then are counted again."""
KEEP_WINDOWS_EVERY_S = 600.0
"""The same for the windows, whose state is larger (windows.py)."""


class Accounts:
    """Of one site."""

    def __init__(self, site: Site, log: Log, clock: Clock) -> None:
        self.marks = Marks()
        self.taken_up = False
        self._log = log
        self._clock = clock
        self._completeness = Completeness(ZoneInfo(site.timezone))
        self._pipeline = pipeline_of(site)
        self._early: list[Reading] = []  # what entered the log before `take_up`
        self._failures: dict[str, str] = {}  # by instrument, what was said last
        self._kept_s = self._windows_kept_s = 0.0
        log.on_entered(self._entered)
        log.on_lost(self._lost)
        log.on_window_lost(self._pipeline.windows.lost)

    def emit(self, reading: Reading) -> None:
        """Every reading on its way from a poller into the log."""
        marked = self.marks.applied(reading)
        if reading.instrument not in self._pipeline:
            self._log.add(marked)
            return
        # while readings are held back under a wrong clock, nothing is thinned: they get their stamps later
        try:
            passed = self._pipeline.passed(marked, thin=not self._log.holding)
        except Exception as error:
            # a mistake in a step must not cost what was measured
            self._failed(reading.instrument, error)
            self._log.add(marked)
            return
        for one in passed.readings:
            self._log.add(one)
        for one in passed.unchanged:
            self._completeness.count_unchanged(one.instrument, one.ts_ms - one.lag_ms, len(one.points))
            self._follow(self._pipeline.entered(one))
        self._follow(passed.events)

    async def take_up(self) -> None:
        """Wait for the log to be open, and go on with what it kept."""
        log = self._log
        until = await log.opened()
        if (kept := log.kept("marks")) is not None:
            self.marks = Marks.from_bytes(kept[1])
        counted = 0
        if (kept := log.kept("completeness")) is not None:
            counted, state = kept
            self._completeness.restore(state)
        # windows begin with the first start that asks for them, whatever the log already holds
        windowed = until
        if (kept := log.kept("windows")) is not None:
            try:
                self._pipeline.windows.restore(kept[1])
                windowed = kept[0]
            except ValueError as error:
                logger.warning("the windows begin anew: %s", error)
        stepped = until
        if (kept := log.kept("steps")) is not None:
            try:
                self._pipeline.restore(kept[1])
                stepped = kept[0]
            except ValueError as error:
                logger.warning("checks, limits and watched parameters begin anew: %s", error)
        missed: list[Event] = []
        async for batch in log.replay(min(counted, windowed)):
            if batch.position > until:  # committed since, and among the early ones
                break
            body = orjson.loads(plain(batch.body))
            if batch.position > counted:
                self._completeness.count_body(body)
            if batch.position > windowed:
                self._pipeline.count_body(body)
            if batch.position > stepped:
                missed += self._repeated(body)
        early, self._early = self._early, []
        self.taken_up = True
        self._follow(missed)
        for reading in early:
            self._entered(reading)

    def _repeated(self, body: dict[str, Any]) -> list[Event]:
        """What the steps make of a batch that they had seen and whose traces went with the kill."""
        try:
            return self._pipeline.repeat_body(body, self._clock.now_ms())
        except Exception as error:
            self._failed("", error)
            return []

    async def run(self) -> None:
        """Tell what is due by the calendar: windows, daily accounts, ended marks; keep their state."""
        while True:
            await asyncio.sleep(1.0)
            if self.taken_up:
                self._tell_due(self._clock.now_ms())

    def keep(self) -> None:
        """Have the log keep everything but the marks, which are kept when they change."""
        if self.taken_up:
            self._keep_account()
            self._keep_windows()

    def keep_marks(self) -> None:
        """With the event that was told last."""
        self._log.keep("marks", self.marks.to_bytes())

    def _entered(self, reading: Reading) -> None:
        if not self.taken_up:
            self._early.append(reading)
            return
        self._completeness.count(reading)
        try:
            events = self._pipeline.entered(reading)
        except Exception as error:
            self._failed(reading.instrument, error)
            return
        self._follow(events)

    def _failed(self, instrument: str, error: Exception) -> None:
        """Say once what went wrong in the steps of an instrument."""
        words = f"{type(error).__name__}: {error}"
        if self._failures.get(instrument) == words:
            return
        self._failures[instrument] = words
        logger.error("the steps of %s failed; its readings go on without them", instrument, exc_info=error)
        self._log.add_event(
            Event(self._clock.now_ms(), "pipeline.failed", {"error": words}, instrument or None, level="warning")
        )

    def _follow(self, events: list[Event]) -> None:
        """Events of the pipeline, with its state in the same transaction."""
        for event in events:
            self._log.add_event(event)
        if events:
            self._keep_steps()

    def _lost(self, reading: Reading) -> None:
        if not self.taken_up:
            self._early.remove(reading)
            return
        self._completeness.count(reading, -1)
        self._pipeline.lost(reading)

    def _tell_due(self, now_ms: int) -> None:
        ended = self.marks.ended(now_ms)
        windows, events = self._pipeline.due(now_ms)
        for window in windows:
            self._log.add_window(window)
        for event in (*events, *self._completeness.events(now_ms), *ended):
            self._log.add_event(event)
        if events:
            self._keep_steps()
        if ended:
            self.keep_marks()
        if self._clock.monotonic() - self._kept_s >= KEEP_EVERY_S:
            self._keep_account()
        if self._clock.monotonic() - self._windows_kept_s >= KEEP_WINDOWS_EVERY_S:
            self._keep_windows()

    def _keep_account(self) -> None:
        self._kept_s = self._clock.monotonic()
        self._log.keep("completeness", self._completeness.state())
        self._keep_steps()
        if self._pipeline.thins:
            self._keep_windows()  # the polls that were kept out of the feed are known only here

    def _keep_steps(self) -> None:
        """With the event that was told last, so that it is neither told twice nor forgotten."""
        if self._pipeline.keeps and self.taken_up:
            self._log.keep("steps", self._pipeline.state())

    def _keep_windows(self) -> None:
        self._windows_kept_s = self._clock.monotonic()
        if self._pipeline.windows:
            self._log.keep("windows", self._pipeline.windows.state())
