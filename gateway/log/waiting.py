"""What waits to be committed: readings, windows, events, readings held aside, and those due for release.

What a commit takes from here comes back when the commit failed. After an error its outcome is unknown until the log
is open again; then it is either there, or all of it waits again, in its old order.
"""

from collections.abc import Callable

from gateway.clock import Clock
from gateway.log import reader
from gateway.log.gathering import Losses, Pending
from gateway.log.holding import Holding
from gateway.log.options import Options
from gateway.log.release import Released, Releases
from gateway.log.store import Store
from gateway.log.telling import Telling
from gateway.log.work import Work
from gateway.reading import Event, Reading

Told = Callable[[Reading], None]


class Waiting:
    """`lost` is called with each reading that had entered the sequence and does not fit any more."""

    def __init__(self, options: Options, clock: Clock, telling: Telling, lost: Told) -> None:
        self.pending = Pending(options.pending_bytes, lost)
        self.aside = Pending(options.pending_bytes, lambda reading: None)
        self.releases = Releases(clock, options.boot)
        self._clock = clock
        self._telling = telling
        self._released: Released | None = None  # on their way
        self._losses = Losses()  # those told in the commit under way

    def __bool__(self) -> bool:
        return bool(self.pending or self._telling.events or self.aside)

    def urgent(self, holding: Holding) -> bool:
        """Whether something must not wait for `commit_every`."""
        return bool(
            self._telling.events
            or self.pending.full
            or self.releases.due(holding)
            or any(segment.events for segment in self.pending.segments)
        )

    def releasing(self, holding: Holding) -> bool:
        """Whether `release` has something to wait for."""
        return self._released is not None or bool(self.releases.due(holding))

    async def release(self, store: Store, holding: Holding, entered: Told) -> Released | None:
        """The next held readings that are due; they go before anything newer, except state to be kept, which does not
        count them. Raises sqlite3.Error."""
        if self._released is None:
            if self.pending.keeping:
                return None
            due = self.releases.due(holding)
            if not due or self.aside:
                return None
            rows = await store.call(reader.held_rows, due)
            if self.pending.keeping:  # meanwhile
                return None
            self._released = self.releases.segments(rows, holding, entered)
            for damaged in self._released.damaged:
                self._telling.tell(Event(self._clock.now_ms(), "log.lost", {"reason": damaged}))
        return self._released

    def take_losses(self) -> Losses:
        """What has been lost and not been told yet."""
        if self.pending.losses:
            self._losses, self.pending.losses = self.pending.losses, Losses()
        return self._losses

    def committed(self, work: Work) -> None:
        """It is in the log."""
        if work.released and self._released is not None:
            self.releases.done(self._released)
            self._released = None
        self._losses = Losses()
        for segment in work.segments:
            segment.committed.set()

    def is_there(self, attempt: Work, newest: int, held: int) -> bool:
        """Whether the commit of unknown outcome is in a log with these newest positions of batches and held rows; one
        without either may be repeated."""
        if attempt.batches:
            return newest >= attempt.batches[-1].position
        return bool(attempt.aside) and held > self.releases.newest()

    def put_back(self, attempt: Work) -> None:
        """It is not in the log: all of it waits again."""
        if not attempt.released:
            self.pending.put_back(attempt.segments)
        self._telling.events = [*attempt.own, *self._telling.events]
        self.pending.losses.join(self._losses)
        self._losses = Losses()
        self.aside.put_back(attempt.aside)
