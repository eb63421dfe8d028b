"""The flag that a value must have: from the instrument's condition and status, its range, and contacts."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from tests.site_day.day import Record, Served
from tests.site_day.feed import Feed, Told

WORST_FIRST = "BDFTCMSN"


def flag_of(spec: InstrumentSpec, point: Point, given: Value, condition: Flag, served: Mapping[str, Served]) -> str:
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


def marks_of(record: Record, spec: InstrumentSpec, feed: Feed) -> Callable[[Told, str], str]:
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
        if same and getattr(point, "bit", None) in (None, rule.bit) and getattr(point, "mask", None) is None:
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
