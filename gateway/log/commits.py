"""What each commit takes along, and what it has changed once it is there; work.py is the transaction between the two.

waiting, telling, cursors, states ─► gathered ─► Work ─► commit (work.py) ─► Done ─► show ─► shelf, tail, upkeep
                                                   │ outcome unknown: `attempt`
                                                   └─► decide, when the log is open again: it is there, or waits again
"""

import contextlib
import logging
from collections.abc import Sequence

from drivers.measure import Histogram
from gateway.clock import Clock, ClockState
from gateway.log import checkpoints
from gateway.log.age import AGE, Age
from gateway.log.checkpoints import Checkpoints
from gateway.log.faults import Faults
from gateway.log.gathering import Segment
from gateway.log.mark import Mark
from gateway.log.opening import Opening
from gateway.log.options import LogSettings, Options, Signer
from gateway.log.release import Released
from gateway.log.shelf import Shelf
from gateway.log.tail import Tail
from gateway.log.telling import Telling
from gateway.log.times import TURNS, written_turns
from gateway.log.upkeep import Upkeep
from gateway.log.waiting import Waiting
from gateway.log.work import GONE, KEPT, Done, Work
from gateway.reading import Event

logger = logging.getLogger("fieldgate.log")

TRANSACTION_WEIGHT = 4 << 20
"""Content of one transaction at most, so that a long wait is worked off in steps and the WAL stays small."""

MOST_TOLD = 500
"""Events of the log itself in one batch: some 100 KiB, which every broker accepts."""

COMMIT_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Commits:
    """`states` is what the file keeps, `carried` what it does not have yet though a file before it had. `attempt` is
    the last commit while its outcome is unknown. `seal_wanted`: the next commit signs what is there."""

    def __init__(
        self,
        settings: LogSettings,
        options: Options,
        clock: Clock,
        signer: Signer | None,
        waiting: Waiting,
        telling: Telling,
        faults: Faults,
        mark: Mark,
    ) -> None:
        self.shelf = Shelf(options.uplinks)
        self.tail = Tail(options.boot)
        self.age = Age(settings.max_age_s, clock, options.boot)
        self.upkeep = Upkeep(settings, clock)
        self.states: dict[str, tuple[int, bytes]] = {}
        self.carried: dict[str, tuple[int, bytes]] = {}
        self.gone_changed = False
        self.attempt: Work | None = None
        self.seal_wanted = False
        self.sealed = 0  # position of a batch that holds a checkpoint and nothing that needs another
        self.seconds = Histogram(COMMIT_BOUNDS_S)
        self.last_s = clock.monotonic()
        self.waiting, self.telling, self.faults = waiting, telling, faults
        self._settings, self._options, self._clock, self._mark = settings, options, clock, mark
        self._checkpoints = Checkpoints(options.gateway, signer, clock)

    # Before

    def gathered(self, state: ClockState, final: bool) -> Work:
        """Everything that waits, as far as one transaction takes it; a `final` one is signed."""
        work = self._around(self.waiting.pending.take(TRANSACTION_WEIGHT), state, final)
        work.aside = self.waiting.aside.take(TRANSACTION_WEIGHT)
        return work

    def releasing(self, released: Released) -> Work:
        """Held readings, which go before anything newer."""
        work = self._around(released.segments, released.clock, final=False)
        work.released = released.ids
        return work

    def _around(self, segments: Sequence[Segment], state: ClockState, final: bool) -> Work:
        """The segments with what the log itself has to say and to save."""
        now_ms = self._clock.now_ms()
        events = self.telling.take(MOST_TOLD)
        generated: list[Event] = []
        if self.tail.end.seq == 0:
            generated.append(Event(now_ms, "log.started", self.tail.started))
        elif self._checkpoints.due(bool(segments or events), final or self.seal_wanted):
            generated.append(Event(now_ms, checkpoints.KIND, self._checkpoints.data(self.tail.end)))
        if losses := self.waiting.take_losses():
            generated.append(Event(now_ms, "log.lost", losses.data(self.faults.trouble or "memory")))
        states: dict[str, bytes | None] = {}
        if self.gone_changed:
            states[GONE] = self.shelf.cursors.gone.written()
            self.gone_changed = False
        if self.tail.turned(now_ms):
            states[TURNS] = written_turns(self.tail.turns)
        if (age := self.age.to_save(self.shelf.newest)) is not None:
            states[AGE] = age
        return Work(
            gateway=self._options.gateway,
            compression=self._settings.compression,
            boot=self._options.boot,
            end=self.tail.end,
            created_ms=now_ms,
            clock=state.value,
            segments=segments,
            own=events,
            generated=generated,
            cursors=self.shelf.cursors.written(),
            states=states,
            carried=self.carried,
            room=self.upkeep.room(self.age, self.shelf.cursors, self.shelf.newest),
            look=self.shelf.unknown(),
            give_back=self.upkeep.give_back,
            look_at_files=self.upkeep.look_due(),
        )

    # After

    def show(self, work: Work, done: Done, salvaging: bool) -> None:
        """It is committed; `salvaging` says whether a damaged file is being looked through."""
        self.tail.end = done.end
        self.waiting.committed(work)
        for segment, position in zip(work.segments, work.ends, strict=False):
            for name, value in segment.kept.items():
                self.states[KEPT + name] = (position, value)
        self.carried = {}
        for first, last in done.evicted.positions:
            self.shelf.cursors.lose(first, last)
        for counts in (done.evicted.delivered, done.evicted.undelivered):
            self.telling.gone.update(counts)
        self.shelf.learn(done.created)
        self.shelf.put(done.batches)
        if any(event.kind == checkpoints.KIND for event in work.generated):
            self._checkpoints.committed()
            self.seal_wanted = False
            self.sealed = done.end.position if not work.segments and not work.own else 0
        self.last_s = self._clock.monotonic()
        self.seconds.observe(done.seconds)
        self.upkeep.committed(work, done, salvaging)
        self.waiting.releases.put(done.held)
        for words in done.unwritable:
            logger.error("left out of the log, it is no JSON: %s", words)
        with contextlib.suppress(OSError):
            self._mark.write(self.tail.noted(running=True), durable=False)

    def decide(self, opening: Opening) -> None:
        """The log is open again, and the `attempt` is in it, or all of it waits again."""
        attempt, self.attempt = self.attempt, None
        if attempt is None:
            return
        if opening.reason is None and self.waiting.is_there(attempt, opening.position, opening.standing.held):
            self.waiting.committed(attempt)
            self.shelf.put(attempt.batches)
        else:
            self.waiting.put_back(attempt)
            self.shelf.cursors.changed.update(attempt.cursors)
            self.gone_changed = self.gone_changed or GONE in attempt.states
