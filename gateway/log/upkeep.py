"""What commits cost and leave behind: bytes, pages, how much must leave the log, and what is given back."""

from gateway.clock import Clock
from gateway.log import eviction
from gateway.log.age import Age
from gateway.log.cursors import Cursors
from gateway.log.database import PAGE_SIZE
from gateway.log.eviction import Room
from gateway.log.options import LogSettings
from gateway.log.work import Done, Work

AGE_CHECK_S = 60.0
"""How often batches older than max_age are looked for."""

GIVE_BACK_PAGES = 1024
"""Returned with one commit at most: moving pages fills the WAL and delays the next commit by some 20 ms."""

SALVAGE_BYTES = 2 << 20
"""How much over its bound the log may be while a damaged file is looked through, which is cut as it goes."""

LOOK_EVERY_S = 1.0
LOOK_BYTES = 256 << 10
"""The files are looked at again after so long, or so many bytes of batches: at ten commits a second the looking would
cost a quarter of a commit (tests/benchmarks/stages.py), and it is far finer than what the log may be over its bound."""


class Upkeep:
    """Kept within `max_size` and `max_age`; `give_back` free pages are returned to the file system next time."""

    def __init__(self, settings: LogSettings, clock: Clock) -> None:
        self.bytes = self.written_bytes = 0
        self.give_back = 0
        self.wal_bytes = min(2 << 20, max(64 << 10, settings.max_size // 8))
        self._settings = settings
        self._clock = clock
        self._over = 0  # bytes that should leave
        self._written_before = 0
        self._age_checked_s = self._looked_s = float("-inf")
        self._unseen = 0  # bytes of batches since the last look

    def reopened(self) -> None:
        """The account of written bytes begins anew with each thread."""
        self._written_before = self.written_bytes

    def room(self, age: Age, cursors: Cursors, newest: int) -> Room | None:
        """What should leave with the next commit."""
        old = age.old() if self._clock.monotonic() - self._age_checked_s >= AGE_CHECK_S else 0
        if not old and self._over <= 0:
            return None
        settled = {name: runs.copy() for name, runs in cursors.settled.items()}
        return Room(max(0, self._over), old, settled, cursors.gone.copy(), newest)

    def look_due(self) -> bool:
        """Whether the next commit should look at the files."""
        if self._over > 0 or self.give_back or self._unseen >= min(LOOK_BYTES, self._settings.max_size // 64):
            return True
        return self._clock.monotonic() - self._looked_s >= LOOK_EVERY_S

    def committed(self, work: Work, done: Done, salvaging: bool) -> None:
        """Take the measure of the files after a commit that looked at them."""
        if work.room and work.room.old and sum(done.evicted.delivered.values(), 0) < eviction.RUN_ROWS:
            self._age_checked_s = self._clock.monotonic()
        self._unseen += sum(len(batch.body) for batch in done.batches)
        if not done.pages:
            return
        self._unseen, self._looked_s = 0, self._clock.monotonic()
        self.written_bytes = self._written_before + done.written
        self.bytes = done.bytes
        database = done.pages * PAGE_SIZE
        used = database - done.free_pages * PAGE_SIZE
        bound = self._settings.max_size + (SALVAGE_BYTES if salvaging else 0)
        over = used + done.others + self.wal_bytes - bound
        self._over = over + min(eviction.RUN_BYTES, self._settings.max_size // 64) if over > 0 else 0
        free = done.free_pages * PAGE_SIZE
        too_large = done.bytes > self._settings.max_size
        self.give_back = min(done.free_pages, GIVE_BACK_PAGES) if too_large or free > max(1 << 20, database // 4) else 0
