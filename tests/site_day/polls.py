"""Every poll of the day as it must stand in the feed, from what the simulated instruments served at that moment.

The feed says when a poll was due and where it stands; that none of them is missing is seen from the dues, which lie
one period apart. Values and flags come from the simulator's own account and from the instrument's parameters.
"""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers import catalogue
from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.behaviour import behaviour
from drivers.simulator.kinds import scenes
from gateway.settings.derived import DerivedSpec
from tests.site_day.day import UTC_OFFSET_S, Record, Served
from tests.site_day.feed import Feed, Told
from tests.site_day.formulas import NoValue, names_of, value

WORST_FIRST = "BDFTCMSN"
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
        found[spec.id] = _instrument(record, spec, told, condition, _marks(record, spec, feed), findings)
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
        if found is not None and told.values.get(self._point) is None and self._unheard(found):
            return None
        return found

    def _unheard(self, one: Served) -> bool:
        """Whether an instrument that speaks need not have been heard."""
        return not self._asked and (one.true_ms < self._joined_ms or self._record.disturbed(one.true_ms, 15_000))

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
        possible = [_flag(spec, point, given, each, served) for each in around]
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


def _flag(spec: InstrumentSpec, point: Point, given: Value, condition: Flag, served: Mapping[str, Served]) -> str:
    """The flag of a value that was served in this condition of the instrument: its status first, then its range."""
    if getattr(point, "component", None) is not None:
        return _of_component(spec, point, served)
    if spec.protocol == "hj212":  # each value bears the letter of the instrument's condition
        return _ranged(point, given) if condition is Flag.NORMAL else str(condition.value)
    rules = getattr(spec.options, "flags", ()) or ()
    for rule in rules:
        if rule.points is not None and point.id not in rule.points:
            continue
        if not hasattr(rule, "table") and rule.points is None and any(point.id == each.point for each in rules):
            continue  # outside Modbus a rule speaks of all points but the statuses
        place = _place(spec, rule)
        said = _meant(rule, place, served[place.id].value) if place and place.id in served else _shown(rule, condition)
        if said != "N":
            return said
    return _ranged(point, given)


def _ranged(point: Point, given: Value) -> str:
    """D for what is no value, T beyond the range."""
    if given is None:
        return "D"
    if point.range is not None and isinstance(given, int | float) and not isinstance(given, bool):
        low, high = point.range
        if given < low:
            return str(getattr(point, "below", None) or "T")
        if given > high:
            return "T"
    return "N"


def _marks(record: Record, spec: InstrumentSpec, feed: Feed) -> Callable[[Told, str], str]:
    """What contacts flag a point of an instrument with at a poll, N if nothing."""
    rules = record.site.steps[spec.id].marks or ()
    closed: list[tuple[Any, list[int], list[bool]]] = []
    for rule in rules:
        instrument, contact = rule.when.split("/")
        rows = [one for one in feed.samples[instrument] if one.values[contact] is not None]
        on = [any(one.values[contact] is word or one.values[contact] == word for word in rule.equals) for one in rows]
        closed.append((rule, [one.order for one in rows], on))

    def flag(told: Told, point: str) -> str:
        found = "N"
        for rule, orders, on in closed:
            at = bisect_right(orders, told.order) - 1
            speaks = (rule.points is None or point in rule.points) and rule.when != f"{spec.id}/{point}"
            if at >= 0 and on[at] and speaks:
                found = min(found, str(rule.flag.value), key=WORST_FIRST.index)
        return found

    return flag


def _of_component(spec: InstrumentSpec, point: Any, served: Mapping[str, Served]) -> str:
    """A value of the Bayern-Hessen protocol: its failure byte, then its status byte, lowest bit first."""
    bytes_of = {each.read: served[each.id].value for each in spec.points if each.component == point.component}  # type: ignore[attr-defined]
    options: Any = spec.options
    if point.read != "value":
        return "N"
    if int(bytes_of.get("failure") or 0) & options.failure_mask:
        return "D"
    status = int(bytes_of.get("status") or 0)
    return next((str(options.status[bit].value) for bit in sorted(options.status) if status >> bit & 1), "N")


def _shown(rule: Any, condition: Flag) -> str:
    """What a status register of the simulated instrument means in a condition."""
    if getattr(rule, "flag", None) is not None:
        return str(rule.flag.value) if rule.flag == condition else "N"
    return str(condition.value) if condition in (rule.codes or {}).values() else "N"


def _place(spec: InstrumentSpec, rule: Any) -> Point | None:
    """The point that shows the status itself, if there is one."""
    for point in spec.points:
        if getattr(rule, "point", None) is not None:
            if point.id == rule.point:
                return point
            continue
        if not hasattr(rule, "table"):
            return None
        same = (getattr(point, "table", None), getattr(point, "address", None)) == (rule.table, rule.address)
        if same and getattr(point, "bit", None) == rule.bit and getattr(point, "mask", None) is None:
            return point
    return None


def _meant(rule: Any, point: Point, status: Value) -> str:
    """What a status that is a point means."""
    codes = {word: code for code, word in (getattr(point, "states", None) or {}).items()}
    number = codes.get(status, status) if isinstance(status, str) else status
    if number is None or isinstance(number, str):
        return "N"
    if rule.codes is not None:
        code = int(number) if rule.mask is None else (int(number) & rule.mask) // (rule.mask & -rule.mask)
        flag = rule.codes.get(code, rule.other or Flag.NORMAL)
    else:
        bit = bool(number) if isinstance(number, bool) or rule.bit is None else bool(int(number) >> rule.bit & 1)
        flag = rule.flag if bit == rule.when else Flag.NORMAL
    return str(flag.value)


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
    if polls[-1].true_ms < record.to_ms - every - 2000:
        findings.add(f"{spec.id}: last poll at {polls[-1].true_ms}, until {record.to_ms}")
    for before, after in itertools.pairwise(polls):
        if abs(after.due - before.due - every) > apart_ms and not record.disturbed(after.true_ms, every + 5000):
            findings.add(f"{spec.id}: due at {before.due} and then at {after.due}")


# calculated instruments


def calculated(record: Record, feed: Feed, polls: dict[str, list[Poll]], findings: Findings) -> dict[str, list[Poll]]:
    """The polls of every calculated instrument, from the polls of those that it is calculated from."""
    found = dict(polls)
    for one in record.site.derived:
        found[one.spec.id] = _derived(record, one, feed.samples.get(one.spec.id, []), found, findings)
    return found


def _derived(
    record: Record, one: DerivedSpec, told: Sequence[Told], polls: Mapping[str, Sequence[Poll]], findings: Findings
) -> list[Poll]:
    name = one.spec.id
    at = polls[one.at]
    if [(each.due, each.ts) for each in told] != [(each.due, each.ts) for each in at]:
        findings.add(f"{name}: {len(told)} samples, and {len(at)} of {one.at}, or at other times")
        return []
    sources = {source.split("/")[0] for source in one.inputs.values()}
    orders = {source: [poll.order for poll in polls[source]] for source in sources}
    valid = {
        word: [poll for poll in polls[instrument] if poll.values[point] is not None and poll.flags[point] == "N"]
        for word, (instrument, point) in ((word, one.inputs[word].split("/")) for word in one.hold)
    }
    valid_orders = {word: [poll.order for poll in rows] for word, rows in valid.items()}
    found: list[Poll] = []
    for mine, poll in zip(told, at, strict=True):
        known: dict[str, tuple[Value, set[str]]] = {word: (number, set()) for word, number in one.constants.items()}
        for word, source in one.inputs.items():
            instrument, point = source.split("/")
            rows = valid[word] if word in one.hold else polls[instrument]
            place = valid_orders[word] if word in one.hold else orders[instrument]
            index = bisect_right(place, poll.order) - 1
            latest = rows[index] if index >= 0 else None
            if latest is not None and word not in one.hold and record.life(latest.true_ms) != record.life(poll.true_ms):
                # what is not held need not be known after a start: the feed says which
                unread = f"nothing was read of {source}"
                latest = None if any(unread in why for why in mine.why.values()) else latest
            most_ms = (one.hold.get(word, one.max_age_s)) * 1000
            if latest is None or _age_ms(poll, latest) > most_ms:
                known[word] = None, {"B"}
            else:
                given = latest.values[point]
                known[word] = given, {latest.flags[point]} - {"N"}
        made = Poll(mine.order, mine.ts, mine.due, poll.true_ms, {}, {})
        for point in one.spec.points:
            number, flags = _made(point, one.formulas[point.id], known)
            known[point.id] = number, flags
            _compare(made, point.id, number, flags, mine, name, findings)
        found.append(made)
    return found


def _age_ms(now: Poll, latest: Poll) -> int:
    return now.true_ms - latest.true_ms


def _made(point: Point, text: str, known: Mapping[str, tuple[Value, set[str]]]) -> tuple[Value, set[str]]:
    """Value and flags, one of which it has: none of them is N where there are some."""
    used = [known[name] for name in names_of(text)]
    missing = [flags for number, flags in used if number is None]
    if missing:
        return None, set().union(*missing)
    flags = {min(set().union(*(each for _, each in used)), key=WORST_FIRST.index)} if any(e for _, e in used) else set()
    try:
        number = value(text, {name: known[name][0] for name in names_of(text)})  # type: ignore[misc]
    except NoValue:
        return None, {min(flags | {"D"}, key=WORST_FIRST.index)}
    if point.range is not None and not point.range[0] <= number <= point.range[1]:
        flags = {min(flags | {"T"}, key=WORST_FIRST.index)}
    return number, flags


def _compare(made: Poll, point: str, number: Value, flags: set[str], mine: Told, name: str, findings: Findings) -> None:
    findings.count("calculated")
    got, flag = mine.values.get(point), mine.flags.get(point, "N")
    if flag not in (flags or {"N"}):
        findings.add(f"{name} at {mine.ts}: {point} has flag {flag} instead of {sorted(flags) or 'N'}")
    if not same(got, number):
        findings.add(f"{name} at {mine.ts}: {point} is {got!r} instead of {number!r}")
    made.values[point] = number
    made.flags[point] = flag if flag in flags else next(iter(flags), "N")
    if number is None:
        made.why[point] = why = mine.why.get(point, "")
        if why.partition(":")[0] not in CLASSES:
            findings.add(f"{name} at {mine.ts}: {point} is null, because of {why!r}")


def same(one: Any, other: Any, share: float = 1e-9) -> bool:
    """Equal, as far as the order of additions leaves it to be seen."""
    if one is None or other is None or isinstance(one, str | bool) or isinstance(other, str | bool):
        return bool(one == other)
    return bool(abs(one - other) <= share * max(1.0, abs(one), abs(other)))
