"""Opening the log, for the first time or anew after an error, and going on from what is found there.

lock ─► open (opening.py) ─► held readings ─► mark ─► Found ─► adopt: states, cursors, the attempt, the tail
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.log import reader
from gateway.log.commits import Commits
from gateway.log.files import DAMAGED, Files
from gateway.log.holding import Holding
from gateway.log.intervals import Intervals
from gateway.log.lock import Lock
from gateway.log.mark import Mark, Noted
from gateway.log.opening import Opening, mark_at_opening, missing_tail, open_store, saved_until_ms
from gateway.log.options import Options
from gateway.log.work import CURSOR, GONE, KEPT


@dataclass(frozen=True, slots=True)
class Found:
    """An open log. `held`: rows of readings held back, those of this boot since boot second `since_s`; `before`: the
    mark that was written for it."""

    opening: Opening
    held: list[tuple[int, str]]
    since_s: float | None
    before: Noted


class Healing:
    """`opened` is set by the first `adopt`; what was found then stays in `last_before_ms` and `opened_at`."""

    def __init__(self, options: Options, clock: Clock, files: Files, mark: Mark, commits: Commits) -> None:
        self.opened = asyncio.Event()
        self.last_before_ms = 0  # when the newest batch was created
        self.opened_at = 0  # its position
        self._options, self._clock = options, clock
        self._files, self._lock, self._mark, self._commits = files, Lock(files.lock), mark, commits

    async def open(self) -> Found:
        """Open it; the mark tells of it before anybody does. Raises FAULTS and LogError, with nothing left open but
        the lock."""
        running = self._commits.tail.end if self.opened.is_set() else None
        await asyncio.to_thread(self._lock.take)
        opening = await open_store(
            self._files, self._mark, self._commits.upkeep.wal_bytes, self._options.gateway, self._options.boot,
            self._clock.now_ms(), running, self._commits.faults.damaged,
        )  # fmt: skip
        try:
            held = await opening.store.call(reader.held)
            since_s = await opening.store.call(reader.held_since, self._options.boot)
            before = mark_at_opening(opening, self._options.boot, self._saved_until_ms(opening))
            await asyncio.to_thread(self._mark.write, before, durable=True)
        except BaseException:
            await opening.store.abandon()
            raise
        return Found(opening, held, since_s, before)

    def _saved_until_ms(self, opening: Opening) -> int:
        if self.opened.is_set():
            return self._commits.tail.saved_until_ms
        newest = opening.standing.newest
        believed_ms = max(self._clock.now_ms(), self._options.release_ms, newest.created_ms if newest else 0)
        return saved_until_ms(opening, believed_ms)

    def adopt(self, found: Found) -> None:
        """Go on from what was found."""
        opening, commits, now_ms = found.opening, self._commits, self._clock.now_ms()
        states = opening.standing.states
        if self.opened.is_set():  # a file made anew has no memory of what was kept
            kept = {name: state for name, state in commits.states.items() if name.startswith(KEPT)}
            commits.carried = {name[len(KEPT) :]: state for name, state in kept.items() if name not in states}
            states.update((name, state) for name, state in kept.items() if name not in states)
        commits.states = states
        commits.age.load(states)
        settled = {name: _runs(states, CURSOR + name) for name in self._options.uplinks}
        commits.shelf.load(max(opening.position, commits.shelf.newest), _runs(states, GONE), settled)
        commits.decide(opening)
        commits.tail.adopt(opening, found.before, now_ms)
        if opening.reason is not None and not self._files.aside(DAMAGED):  # else it is told after the salvage
            for report in missing_tail(opening, self._options.uplinks, now_ms):
                commits.telling.report(report)
        if not self.opened.is_set():
            newest = opening.standing.newest
            self.last_before_ms = newest.created_ms if newest else 0
            self.opened_at = commits.shelf.newest
        commits.waiting.releases.load(found.held)
        self.opened.set()

    def release(self) -> None:
        """Let others have the log."""
        self._mark.close()
        self._lock.release()

    def holding(self, found: Found | None) -> Holding:
        """Whether readings are held back: at the start, and with what the first opening found."""
        options = self._options
        newest = found.opening.standing.newest if found is not None else None
        newest_ms = newest.created_ms if newest is not None else None
        holding = Holding(self._clock, options.hold_s, options.hold_until, options.release_ms, newest_ms)
        if found is not None and found.since_s is not None:
            holding.resume(found.since_s, options.hold_s)
        return holding


def _runs(states: Mapping[str, tuple[int, bytes]], name: str) -> Intervals:
    return Intervals.read(states[name][1]) if name in states else Intervals()
