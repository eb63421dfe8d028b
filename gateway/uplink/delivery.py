"""What is sent over one connection: live batches as they are committed, the backlog behind them in order.

    feed ── committed_after ──► live ────┐
                                         ├─ window ─► send ─► PUBACK ─► settle, or keep and try again
         ── undelivered ──────► backlog ─┘

Live batches are those committed since the connection was made; what they leave behind (refused, fallen out of the
feed's memory, passed over while nobody listens) becomes backlog, oldest first. A batch is settled only by the
PUBACK of a connection that is still the current one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from drivers.measure import Histogram
from gateway.batch import Batch, Feed, Signal
from gateway.broker import Connection, Lost
from gateway.uplink.pace import Pace
from gateway.uplink.ranges import Range, Ranges
from gateway.uplink.refusals import FAILURE, TOO_LARGE, UNHEARD, Asking, LaneState, Refusals, name
from gateway.uplink.settings import UplinkSettings
from gateway.uplink.window import Lane, Window

logger = logging.getLogger(__name__)

PAGE = 64
"""Batches read from the log at once, at most: a commit that falls due meanwhile waits for the reading."""
PAGE_BYTES = 256 << 10
"""About so many bytes are read at once; twice as many are in memory, since the next page is read while one is sent."""

MAKE_WAY_S = 0.02
"""How long the backlog rests for one commit at most: a slow disk must not hold up a drain."""


@dataclass(slots=True)
class Counts:
    """What health reads of an uplink's deliveries."""

    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    acknowledge_seconds: Histogram = field(
        default_factory=lambda: Histogram((0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20))
    )


class Lanes:
    """How the broker treats the two topics and each refused batch; outlives connections."""

    def __init__(self, data: str, backfill: str, ask_every_s: float) -> None:
        self.live = LaneState(data)
        self.backlog = LaneState(backfill)
        self.asking = Asking(ask_every_s, (self.live, self.backlog))
        self.refusals = Refusals()
        self.proof: Batch | None = None
        """The last batch that was accepted live, or one of the backlog: what the broker took once is no bad batch."""

    @property
    def unheard(self) -> bool:
        """Whether the broker said that nobody listens."""
        return name(UNHEARD) in (self.live.asking, self.backlog.asking)


class Delivery:
    """Delivers over `connection` until it is lost. `live`, `backlog` and `watch` run side by side and raise Lost."""

    def __init__(
        self,
        uplink: str,
        connection: Connection,
        feed: Feed,
        settings: UplinkSettings,
        lanes: Lanes,
        counts: Counts,
        ranges: Ranges,
    ) -> None:
        self._uplink = uplink
        self._connection = connection
        self._feed = feed
        self._settings = settings
        self._lanes = lanes
        self._counts = counts
        self._ranges = ranges
        self._now = asyncio.get_running_loop().time
        spared = max(1, connection.window // 4)  # slots that the backlog leaves to live batches
        self._pace = Pace(settings.backlog_rate, connection.window - spared, self._now())
        self.window = Window(connection.window, self._pace)
        self._position = feed.newest()
        self._in_flight: dict[int, float] = {}  # position -> when it was sent, in that order
        self._more = asyncio.Event()
        self._opened = asyncio.Event()
        self._idle = asyncio.Event()
        self._from_start = False
        self._made_way: Awaitable[Any] | None = None
        """The commit for which the backlog has rested."""
        self._rests_from = self._now()
        self._again: asyncio.TimerHandle | None = None
        self._mean_bytes = float(PAGE_BYTES / 8)

    async def live(self) -> None:
        """Send what is committed from now on, in order, at once."""
        lane = self._lanes.live
        while True:
            batches = await self._feed.committed_after(self._position)
            if not batches:  # all of it has left the feed's memory already
                self._position = self._feed.newest()
                self._leave_to_backlog()
            elif batches[0].position != self._position + 1:
                self._leave_to_backlog()
            for batch in batches:
                lane.wants = True
                if self._lanes.asking.wait_s(lane, self._now()) > 0:
                    self._leave_to_backlog()
                else:
                    if not self.window.try_take(Lane.LIVE):
                        await self.window.take(Lane.LIVE)
                    self._send(batch, lane, Lane.LIVE)
                self._position = batch.position
            if self.caught_up():
                self._idle.set()

    async def backlog(self) -> None:
        """Send what the live lane does not, oldest first, and what was asked for, at the pace of the connection."""
        recovered = self._feed.recovered(self._uplink)
        while True:
            self._more.clear()
            recovered.clear()
            await self._oldest_first()
            if self._lanes.proof is not None and self._lanes.backlog.doubtful and self._lanes.refusals:
                await self._send_backlog(self._lanes.proof, proof=True)
            while (request := self._ranges.current()) is not None and not self._more.is_set():
                request.begin(self._in_flight)
                await self._requested(request)
                await self._either(self._more, request.answered)
            self._lanes.backlog.wants = False
            await self._either(self._more, self._ranges.waiting, recovered)

    async def watch(self) -> None:
        """Raise Lost when a batch stays without an acknowledgement for too long."""
        limit_s = self._settings.acknowledge_timeout_s
        while True:
            oldest = next(iter(self._in_flight.values()), None)
            left_s = limit_s if oldest is None else oldest + limit_s - self._now()
            if left_s <= 0:
                raise Lost(f"no acknowledgement in {limit_s:g} s")
            await asyncio.sleep(left_s)

    async def finish(self) -> None:
        """Wait until all that is committed by now is sent live and acknowledged. The caller has a timeout."""
        while not self.caught_up():
            self._idle.clear()
            await self._idle.wait()

    def close(self) -> None:
        """The connection is no longer used."""
        if self._again is not None:
            self._again.cancel()

    def caught_up(self) -> bool:
        """Whether nothing is on its way and the live lane has seen everything."""
        return not self._in_flight and self._position >= self._feed.newest()

    async def _oldest_first(self) -> None:
        """One pass over the backlog as it is and as it grows meanwhile."""
        page = await self._page(0)
        while page:
            following = asyncio.create_task(self._page(page[-1].position), name=f"{self._uplink}-page")
            try:
                for batch in page:
                    if self._from_start:
                        break
                    await self._in_turn(batch)
                if not self._from_start:
                    page = await following
            finally:
                following.cancel()
            if self._from_start:
                self._from_start = False
                page = await self._page(0)

    async def _in_turn(self, batch: Batch) -> None:
        """Send it unless it is on its way, has arrived since its page was read, or was refused a short time ago."""
        if batch.position in self._in_flight or not self._feed.needs(self._uplink, batch.position):
            return
        if (wait_s := self._lanes.refusals.wait_s(batch.position, self._now())) > 0:
            self._again_in(wait_s)
            return
        await self._prove_before(batch)
        await self._send_backlog(batch)

    async def _prove_before(self, batch: Batch) -> None:
        """Ask with a good batch where the lane is refused, and before one that has no others to be judged by."""
        lane, proof = self._lanes.backlog, self._lanes.proof
        if proof is None or proof.position in self._in_flight:
            return
        alone = lane.asking is None and self._lanes.refusals.alone(batch.position, lane)
        if lane.doubtful or alone:
            await self._send_backlog(proof, proof=True, open_too=alone)

    async def _page(self, after: int) -> Sequence[Batch]:
        limit = max(1, min(PAGE, int(PAGE_BYTES / self._mean_bytes)))
        page = await self._feed.undelivered(self._uplink, self._position + 1, after, limit)
        if page:
            self._mean_bytes = max(1.0, sum(len(batch.body) for batch in page) / len(page))
        return page

    async def _requested(self, request: Range) -> None:
        """Send what is left of one request."""
        for position in sorted(request.again):
            if not self._more.is_set():
                await self._requested_again(request, position)
        while not self._more.is_set():
            limit = max(1, min(PAGE, int(PAGE_BYTES / self._mean_bytes)))
            page = await self._feed.between(request.from_ms, request.until_ms, request.after, limit)
            if not page:
                request.all_sent()
                return
            for batch in page:
                if not request.take(batch) or batch.position in self._in_flight or batch.position > self._position:
                    continue  # what is new goes live, and answers the request so
                if not await self._send_backlog(batch):
                    request.refused(batch.position)
                    self._more.set()
                    return

    async def _requested_again(self, request: Range, position: int) -> None:
        """Send one batch of a request that did not get through, unless it goes live or was refused a short time ago."""
        if position > self._position:
            return
        if (wait_s := self._lanes.refusals.wait_s(position, self._now())) > 0:
            self._again_in(wait_s)
            return
        page = await self._feed.between(request.from_ms, request.until_ms, position - 1, 1)
        if not page or page[0].position != position:
            request.settled(position)  # it has left the log meanwhile
            return
        await self._prove_before(page[0])
        request.sent_again(position)
        if not await self._send_backlog(page[0]):
            request.refused(position)
            self._more.set()

    async def _send_backlog(self, batch: Batch, proof: bool = False, open_too: bool = False) -> bool:
        """Send it when it may go; False when an older one came back meanwhile and goes first.

        A `proof` only asks whether the lane is open: it goes when the lane is still closed (or `open_too`), and
        nothing follows for it.
        """
        lane = self._lanes.backlog
        lane.wants = True
        while (wait_s := self._lanes.asking.wait_s(lane, self._now())) > 0:
            self._opened.clear()
            await self._either_for(wait_s, self._opened)
            if self._from_start:
                return False
        if (proof and not (lane.doubtful or open_too)) or batch.position in self._in_flight:
            return True
        if (wait_s := self._pace.wait_s(self._now())) > 0:
            await asyncio.sleep(wait_s)
        await self._make_way()
        if not self.window.try_take(Lane.BACKLOG):
            await self.window.take(Lane.BACKLOG)
        began = self._now()
        self._send(batch, lane, Lane.BACKLOG, proof)
        self._pace.sent(began, self._now())
        return True

    async def _make_way(self) -> None:
        """Rest while live data are being committed, for a short time: two threads of Python hinder each other.

        No more than half of the time: commits may follow one another without a pause (held samples that are released).
        """
        commit, began = self._feed.committing(), self._now()
        if commit is not None and commit is not self._made_way and began >= self._rests_from:
            self._made_way = commit
            await asyncio.wait((asyncio.ensure_future(commit),), timeout=MAKE_WAY_S)
            ended = self._now()
            self._rests_from = ended + (ended - began)

    def _send(self, batch: Batch, lane: LaneState, which: Lane, proof: bool = False) -> None:
        now = self._now()
        if lane.asking is not None:
            self._lanes.asking.asked(lane, now)
        self._in_flight[batch.position] = now
        done = partial(self._answered, batch, lane, which, now, proof)
        if self._connection.fits(lane.topic, batch.body):
            self._connection.send(lane.topic, batch.body, done, together=which is Lane.BACKLOG)
        else:
            done(TOO_LARGE)

    def _answered(self, batch: Batch, lane: LaneState, which: Lane, sent_at: float, proof: bool, code: int) -> None:
        """The PUBACK of one batch, called by the connection as it reads it."""
        now, position = self._now(), batch.position
        del self._in_flight[position]
        if which is Lane.BACKLOG:
            self._pace.acknowledged(now - sent_at, now)
        self.window.release(which)
        if code < FAILURE and (code != UNHEARD or self._settings.accept_unheard):
            self._counts.acknowledged += 1
            self._counts.acknowledge_seconds.observe(now - sent_at)
            self._feed.settle(self._uplink, position)
            self._lanes.refusals.settled(position, lane)
            self._ranges.settled(position)
            if which is Lane.LIVE or self._lanes.proof is None:
                self._lanes.proof = batch
            if lane.success():
                logger.info("uplink %s: %s is accepted again", self._uplink, lane.topic)
                self._lanes.asking.opened()
                self._opened.set()
                self._more.set()
        else:
            self._refused(position, lane, code, now, proof)
        if self.caught_up():
            self._idle.set()

    def _refused(self, position: int, lane: LaneState, code: int, now: float, proof: bool) -> None:
        reason = name(code)
        self._counts.refused[reason] += 1
        was = lane.asking
        if code == UNHEARD or not self._lanes.refusals.judged(position, lane):
            lane.failure(code)
        if lane.asking is not None and was is None:
            self._lanes.asking.asked(lane, now)
            words = "uplink %s: %s is refused (%s); one batch at a time asks again"
            logger.warning(words, self._uplink, lane.topic, reason)
        if proof:
            lane.was_good(1)
            return
        self._ranges.refused(position)
        if code == UNHEARD:
            self._from_start = lane is self._lanes.backlog
            self._leave_to_backlog()
            return
        wait_s = self._lanes.refusals.refuse(position, lane, now, code)
        if wait_s is None:
            self._feed.set_aside(self._uplink, position, reason)
            self._ranges.settled(position)
        else:
            self._again_in(wait_s)

    def _leave_to_backlog(self) -> None:
        if self._lanes.backlog.asking is None or not self._lanes.backlog.wants:
            self._more.set()

    def _again_in(self, wait_s: float) -> None:
        """Look at the backlog again after so long, or sooner if that is due already."""
        loop = asyncio.get_running_loop()
        if self._again is not None and not self._again.cancelled():
            if loop.time() < self._again.when() <= loop.time() + wait_s:
                return
            self._again.cancel()
        self._again = loop.call_later(wait_s, self._more.set)

    async def _either(self, *events: Signal) -> None:
        """Wait until one of the events is set; others have a turn in any case, since what clears it may be theirs."""
        if any(event.is_set() for event in events):
            await asyncio.sleep(0)
        else:
            tasks = [asyncio.create_task(_set(event)) for event in events]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()

    async def _either_for(self, seconds: float, event: asyncio.Event) -> None:
        """Wait for the event or so long."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


async def _set(event: Signal) -> None:
    await event.wait()
