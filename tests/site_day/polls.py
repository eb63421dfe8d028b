"""Every poll of the day as it must stand in the feed, from what the simulated instruments served at that moment.

The feed says when a poll was due and where it stands; that none of them is missing is seen from the dues, which lie
one period apart. Values and flags come from the simulator's own account and from the instrument's parameters.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers import catalogue
from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec
from drivers.simulator.behaviour import behaviour
from drivers.simulator.kinds import scenes
from tests.site_day.day import UTC_OFFSET_S, Record, Served
from tests.site_day.feed import Feed, Told
from tests.site_day.flags import WORST_FIRST, flag_of, marks_of

CLASSES = ("timeout", "crc", "exception", "overrun", "settling", "silent", "excluded", "invalid", "line")
MOST_OF_A_POLL_MS = 3000
"""Between two answers of one poll."""
REFRESHED_S = 0.2
"""A simulated instrument renews its registers ten times a second; status and values may be two reads of one poll."""


@dataclass(slots=True)
class Poll:
    """One poll. `true_ms` is when it was, by the world's clock; `known` is False where only the feed knows it."""

    order: int
    ts: int
    due: int
    true_ms: int
    values: dict[str, Value]
    flags: dict[str, str]
    why: dict[str, str] = field(default_factory=dict)


@dataclass
class Findings:
    """What does not agree, and how much was compared."""

    lines: list[str] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """One finding."""
        self.lines.append(text)

    def count(self, what: str, number: int = 1) -> None:
        """So many comparisons."""
        self.compared[what] = self.compared.get(what, 0) + number


def measured(record: Record, feed: Feed, findings: Findings) -> dict[str, list[Poll]]:
    """The polls of every real instrument."""
    places = scenes(record.site.instruments, record.seed, UTC_OFFSET_S)
    found: dict[str, list[Poll]] = {}
    for spec in record.site.instruments:
        condition = behaviour(spec, places, record.seed).condition
        told = feed.samples.get(spec.id, [])
        found[spec.id] = _instrument(record, spec, told, condition, marks_of(record, spec, feed), findings)
    return found


def _instrument(
    record: Record,
    spec: InstrumentSpec,
    told: Sequence[Told],
    condition: Callable[[float], Flag],
    marks: Callable[[Told, str], str],
    findings: Findings,
) -> list[Poll]:
    answers = {
        point.id: _Answers(record, spec, point.id, record.truth.get((spec.id, point.id), []), findings)
        for point in spec.points
    }
    polls: list[Poll] = []
    true_ms = record.from_ms
    for one in told:
        served = {point: found for point, row in answers.items() if (found := row.of(one)) is not None}
        true_ms = max((each.true_ms for each in served.values()), default=_when(record, spec, one, true_ms))
        polls.append(_poll(record, spec, one, served, true_ms, condition, marks, findings))
    for row in answers.values():
        row.end()
    _grid(record, spec, polls, findings)
    return polls


class _Answers:
    """What was served of one point, taken poll by poll in the order of the feed."""

    def __init__(
        self, record: Record, spec: InstrumentSpec, point: str, row: Sequence[Served], findings: Findings
    ) -> None:
        self._record, self._point, self._row, self._findings = record, point, row, findings
        self._name = f"{spec.id}/{point}"
        self._asked = _asked(record, spec)
        # an instrument that speaks is heard after it has spoken, and the first word of a connection may be half a one
        self._early_ms = 1 if self._asked else round(spec.every_s * 1000) + 1000
        self._joined_ms = record.from_ms if self._asked else record.from_ms + round(spec.every_s * 2000) + 2000
        # a Modbus register is read once a poll; elsewhere a question may be asked again until its answer is right
        self._once = spec.protocol == "modbus"
        self._at = 0

    def of(self, told: Told) -> Served | None:
        """What was served in that poll."""
        found: Served | None = None
        while self._at < len(self._row) and self._row[self._at].stamp_ms <= told.ts + 1:
            one = self._row[self._at]
            if found is not None and self._asked and (self._once or one.true_ms - found.true_ms > MOST_OF_A_POLL_MS):
                break
            if found is not None and not self._asked:
                self._untold(found)
            self._at += 1
            if one.stamp_ms < told.due - self._early_ms and told.due <= told.ts:
                self._untold(one)
            else:
                found = one
        if found is not None and found.value is not None and told.values[self._point] is None and self._unheard(found):
            return None
        return found

    def _unheard(self, one: Served) -> bool:
        """Whether it need not have come through: the line was cut, or we had just begun to listen to it."""
        return one.true_ms < self._joined_ms or self._record.disturbed(one.true_ms, 3000 if self._asked else 15_000)

    def end(self) -> None:
        """No poll follows."""
        for one in self._row[self._at :]:
            self._untold(one)

    def _untold(self, one: Served) -> None:
        if not self._record.disturbed(one.true_ms) and one.true_ms >= self._joined_ms:
            self._findings.add(f"{self._name}: what was served at {one.stamp_ms} is not told")


def _when(record: Record, spec: InstrumentSpec, told: Told, before_ms: int) -> int:
    """True time of a poll that got no answer: by the clock before its step, or after it, whichever follows better."""
    usual = before_ms + round(spec.every_s * 1000)
    step_ms = round(record.troubles.step_s * 1000)
    return min((told.ts, told.ts - step_ms), key=lambda at: abs(at - usual))


def _asked(record: Record, spec: InstrumentSpec) -> bool:
    """Whether the instrument is asked; else it speaks unasked, and its polls have the time at which it was heard."""
    return not catalogue.protocol(spec.protocol).listens(spec, record.site.lines[spec.line])


def _poll(
    record: Record,
    spec: InstrumentSpec,
    told: Told,
    served: Mapping[str, Served],
    true_ms: int,
    condition: Callable[[float], Flag],
    marks: Callable[[Told, str], str],
    findings: Findings,
) -> Poll:
    poll = Poll(told.order, told.ts, told.due, true_ms, {}, {})
    name = f"{spec.id} at {told.ts}"
    if list(told.values) != [point.id for point in spec.points]:
        findings.add(f"{name}: points {list(told.values)}")
    around = [condition(true_ms / 1000 + back_s) for back_s in (-REFRESHED_S, 0.0, REFRESHED_S)]
    for point in spec.points:
        findings.count("readings")
        mine = told.values.get(point.id)
        if (spec.id, point.id) not in record.truth:
            # the simulator does not say what it printed: a position, a state that follows from another
            poll.values[point.id], poll.flags[point.id] = mine, told.flags.get(point.id, "N")
            poll.why[point.id] = told.why.get(point.id, "")
            findings.count("values without truth")
            continue
        if point.id not in served:
            # nothing was served: null, and why
            poll.values[point.id], poll.flags[point.id] = None, "B"
            poll.why[point.id] = why = told.why.get(point.id, "")
            if mine is not None or told.flags.get(point.id) != "B" or why.partition(":")[0] not in CLASSES:
                findings.add(f"{name}: {point.id} is {mine!r} ({why}), and nothing was served")
            elif not record.disturbed(true_ms, 15_000) and (
                _asked(record, spec) or true_ms > record.from_ms + spec.every_s * 2000 + 2000
            ):
                findings.add(f"{name}: {point.id} was not had ({why}) on an undisturbed line")
            continue
        given = served[point.id].value
        possible = [flag_of(spec, point, given, each, served) for each in around]
        possible = [min(each, marks(told, point.id), key=WORST_FIRST.index) for each in possible]
        flag = told.flags.get(point.id, "N")
        if flag not in possible:
            findings.add(f"{name}: {point.id} has flag {flag} instead of {possible[1]}")
            flag = possible[1]
        if mine != given or isinstance(mine, bool) != isinstance(given, bool):
            findings.add(f"{name}: {point.id} is {mine!r} instead of {given!r}")
        poll.values[point.id], poll.flags[point.id] = given, flag
        if given is None:
            poll.why[point.id] = "invalid"
    return poll


def _grid(record: Record, spec: InstrumentSpec, polls: Sequence[Poll], findings: Findings) -> None:
    """Each expected poll is in the feed once: dues lie one period apart, from the begin to the end."""
    every = round(spec.every_s * 1000)
    if not every:
        return
    apart_ms = 0 if _asked(record, spec) else every // 2
    if not polls:
        findings.add(f"{spec.id}: no poll at all")
        return
    findings.count("dues", len(polls))
    if polls[0].due > record.from_ms + every + 2000:
        findings.add(f"{spec.id}: first poll due at {polls[0].due}, from {record.from_ms} on")
    skipped_ms = every if record.troubles.step_s else 0
    if polls[-1].true_ms < record.to_ms - every - 2000 - skipped_ms:
        findings.add(f"{spec.id}: last poll at {polls[-1].true_ms}, until {record.to_ms}")
    for before, after in itertools.pairwise(polls):
        if abs(after.due - before.due - every) > apart_ms and not record.disturbed(after.true_ms, every + 5000):
            findings.add(f"{spec.id}: due at {before.due} and then at {after.due}")


def same(one: Any, other: Any, share: float = 1e-9) -> bool:
    """Equal, as far as the order of additions leaves it to be seen."""
    if one is None or other is None or isinstance(one, str | bool) or isinstance(other, str | bool):
        return bool(one == other)
    return bool(abs(one - other) <= share * max(1.0, abs(one), abs(other)))
