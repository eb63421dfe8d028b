"""The polls of calculated instruments, from the polls of those that they are calculated from."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from drivers.contract import Value
from drivers.profile import Point
from gateway.settings.derived import DerivedSpec
from tests.site_day.day import Record
from tests.site_day.feed import Feed, Told
from tests.site_day.flags import WORST_FIRST
from tests.site_day.formulas import NoValue, names_of, value
from tests.site_day.polls import CLASSES, Findings, Poll, same


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
