"""Which instrument of a line is polled next: a deadline queue with no clock inside.

Time is schedule time: whole milliseconds on the wall clock as it stood when the schedule was aligned, carried
on by the monotonic clock. A poll is due at k x period + phase, so a 5 s poll happens at :00.0, :05.0 (or at
:00.3, :05.3) for ever, without drift. What is chosen, in this order:

1. nothing but good units while any is still owed a turn since the last suspect was tried (promise P6);
2. a suspect that has waited longer than `PATIENCE_MS` (a full line must not hide that a unit is back);
3. the good unit that has been due longest;
4. the suspect that has been due longest;
5. units polled as fast as the line allows, in turn.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PATIENCE_MS = 10_000
"""How long good units may go first; equals the longest silence step, so that probes stay regular."""

TOGETHER = 10
"""Lines of a group, which are asked in one instant: on a small board the last of more would be asked noticeably late.
The second and third instruments of many lines may meet those of another group."""
INSTANTS = 8
"""Of one line at least, so that the second instruments of several lines are asked together too."""


@dataclass(slots=True, eq=False)
class Entry:
    """One instrument in the queue. `period_ms` 0 means as fast as the line allows."""

    instrument: str
    period_ms: int
    phase_ms: int = 0
    due_ms: int = 0
    suspect: bool = True  # until it has answered: at start nobody is owed a turn before anybody else


@dataclass(frozen=True, slots=True)
class Due:
    """What to poll now: the entry, when it was due, and how many earlier polls of it could not be made."""

    entry: Entry
    due_ms: int
    overruns: int


class Schedule:
    """The queue of one line. Entries are few (at most 247 units), so it is scanned, not heaped."""

    def __init__(self, entries: Iterable[Entry], now_ms: int) -> None:
        self.entries = tuple(entries)
        self._owed: set[Entry] = set()
        self.align(now_ms)

    def align(self, now_ms: int) -> None:
        """Set every due time to the next aligned one: at start and after a step of the clock."""
        for entry in self.entries:
            entry.due_ms = _aligned(entry, now_ms)

    def next_ms(self) -> int:
        """When something is due next. Raises ValueError when the line has no instruments."""
        return min(entry.due_ms for entry in self.entries)

    def choose(self, now_ms: int) -> Due | None:
        """Take the next poll out of the queue and book its following one; None when nothing is due yet."""
        if len(self.entries) == 1:
            entry = self.entries[0]
            return self._take(entry, now_ms) if entry.due_ms <= now_ms else None
        due = [entry for entry in self.entries if entry.due_ms <= now_ms]
        if not due:
            return None
        good = [entry for entry in due if not entry.suspect]
        if owed := [entry for entry in good if entry in self._owed]:
            return self._take(min(owed, key=_urgency), now_ms)
        suspects = [entry for entry in due if entry.suspect]
        if waiting := [entry for entry in suspects if now_ms - entry.due_ms > PATIENCE_MS]:
            return self._take(min(waiting, key=_urgency), now_ms)
        timed = [entry for entry in good if entry.period_ms]
        return self._take(min(timed or suspects or good, key=_urgency), now_ms)

    def failed(self, entry: Entry, now_ms: int) -> None:
        """The unit gave no answer: it is a suspect, and every good unit due by now goes before the next suspect."""
        entry.suspect = True
        self._owed = {other for other in self.entries if not other.suspect and other.due_ms <= now_ms}

    def answered(self, entry: Entry) -> None:
        """The unit answered: it is good (again)."""
        entry.suspect = False

    def postpone(self, entry: Entry, until_ms: int) -> None:
        """Not before `until_ms`: only for entries without a period, whose next poll nobody expects."""
        entry.due_ms = max(entry.due_ms, until_ms)

    def _take(self, entry: Entry, now_ms: int) -> Due:
        self._owed.discard(entry)
        if not entry.period_ms:
            entry.due_ms = now_ms
            return Due(entry, now_ms, 0)
        overruns = (now_ms - entry.due_ms) // entry.period_ms
        due_ms = entry.due_ms + overruns * entry.period_ms
        entry.due_ms = due_ms + entry.period_ms
        return Due(entry, due_ms, overruns)


def _urgency(entry: Entry) -> int:
    return entry.due_ms


def _aligned(entry: Entry, now_ms: int) -> int:
    if not entry.period_ms:
        return now_ms
    periods = -(-(now_ms - entry.phase_ms) // entry.period_ms)
    return periods * entry.period_ms + entry.phase_ms


def phases(asked: Sequence[tuple[str, int]]) -> list[int]:
    """A small fixed phase in ms for each instrument of a site, given as (line, period in ms).

    Instruments of one line would wait for one another: they are spread over it. Those of different lines are asked in
    the same instant: one wake-up and one commit serve them all, and what is calculated from several of them was
    measured at one time (docs/decisions/0012-lines-are-asked-together.md). Spread over four fifths of a short period
    and at most 0.8 s of a long one, so that a poll stays recognisably at its round second.
    """
    lines = {line: index // TOGETHER for index, line in enumerate(dict.fromkeys(line for line, _ in asked))}
    groups = 1 + max(lines.values(), default=0)
    of_line, before = Counter(line for line, _ in asked), Counter[str]()
    found: list[int] = []
    for line, period_ms in asked:
        many = of_line[line]
        instants = max(INSTANTS, many)
        place = before[line] * instants // many * groups * many + lines[line] * instants
        found.append(min(period_ms * 4 // 5, 800) * place // (instants * groups * many))
        before[line] += 1
    return found
