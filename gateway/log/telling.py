"""What the log itself has to tell in the feed: batches that are gone or refused, and what else befell it."""

from collections import Counter

from gateway.clock import Clock
from gateway.log import eviction, reader
from gateway.log.eviction import Report
from gateway.log.store import Store
from gateway.reading import Event


class Telling:
    """`events` come first in the next batch; `gone` counts batches by reason: size, age, damage, refused."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self.gone: Counter[str] = Counter()
        self.refused: list[tuple[str, int, str]] = []
        """Uplink, position and the broker's words of each batch that is still to be named."""
        self._clock = clock

    def take(self, most: int) -> list[Event]:
        """The oldest events that wait."""
        events, self.events = self.events[:most], self.events[most:]
        return events

    def tell(self, event: Event) -> None:
        """One more."""
        self.events.append(event)

    def report(self, report: Report, detail: str | None = None) -> None:
        """Batches are gone, or refused, for some uplinks."""
        self.gone[report.reason] += report.batches
        data = report.data() | ({} if detail is None else {"detail": detail})
        self.tell(Event(self._clock.now_ms(), eviction.KIND, data))

    async def name_refused(self, store: Store) -> None:
        """Report the batches that a broker refuses for good. Raises sqlite3.Error."""
        while self.refused:
            uplink, position, reason = self.refused[0]
            found = await store.call(reader.read, [(position, position)], 1)
            del self.refused[0]
            for batch in found.batches:
                made = batch.created_ms
                self.report(Report(batch.stream, batch.seq, batch.seq, 1, made, made, (uplink,), "refused"), reason)
