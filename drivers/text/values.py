"""A message's groups as the values of the points. Pure.

A group that is not there (it is optional, and did not match) and a text that stands for no value make a null, never
a guess; a status that speaks of a point changes its flag and keeps its value, unless the rule says `drop`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

from drivers import units
from drivers.contract import Flag, Sample, Value
from drivers.modbus.numbers import fraction
from drivers.text.source import Message, OwnTime, TextFlagRule, TextOptions, TextPoint
from drivers.written import Mark, Number, Unwritten, beyond, shown

Groups = Mapping[str, str | None]
"""Named groups of one message, or of several that make one record."""
Missing = Mapping[str, str]
"""Group -> why its message was not had."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANGLE = re.compile(r"([0-9]{1,3})([0-9]{2}(?:\.[0-9]{1,12})?)")
"""Degrees and minutes: ddmm.mmmm or dddmm.mmmm (NMEA 0183)."""
ADDRESS, RECORD = "address", "record"
"""Groups with a meaning of their own."""


class Pattern:
    """One kind of message."""

    __slots__ = ("_address", "_match", "groups", "joined")

    def __init__(self, message: Message, address: str) -> None:
        compiled = re.compile(message.pattern)
        self._match = compiled.fullmatch
        self.groups = frozenset(compiled.groupindex)
        self._address = address if ADDRESS in self.groups else None
        self.joined = RECORD in self.groups

    def match(self, text: str) -> Groups | None:
        """The groups of a message of this kind; None for another, or for one of another address."""
        found = self._match(text)
        if found is None:
            return None
        groups = found.groupdict()
        return None if self._address is not None and groups[ADDRESS] != self._address else groups


class Point:
    """How one point's value is made of the groups."""

    __slots__ = ("_group", "_make", "source")

    def __init__(self, source: TextPoint, decimal: str) -> None:
        self.source = source
        self._group = source.held_in
        self._make = self._maker(source, decimal)

    def value(self, groups: Groups) -> tuple[Value, Mark | None]:
        """The value with its flag and reason (None: N)."""
        text = groups.get(self._group)
        if text is None:
            return None, (Flag.FAULT, f"invalid: the message has no {self._group}")
        try:
            value = self._make(text, groups)
        except Unwritten as why:
            return None, (Flag.FAULT, f"invalid: {why}")
        return value, beyond(self.source, value)

    def _maker(self, point: TextPoint, decimal: str) -> Callable[[str, Groups], Value]:
        if point.type == "bool":
            return lambda text, groups: _bool(point, text)
        if point.type == "text":
            return lambda text, groups: _text(point, text)
        number = Number(point, decimal, fraction(point.scale))
        factors = _factors(point)
        read = {"number": _same, "hex": _hex, "angle": _same}[point.type]

        def make(text: str, groups: Groups) -> Value:
            negative = point.sign is not None and (groups.get(point.sign) or "").strip() in point.negative
            factor = factors[None]
            if point.printed is not None:
                printed = (groups.get(point.printed) or "").strip()
                if printed not in point.units:
                    raise Unwritten(f"its unit is printed as {shown(printed)}")
                factor = factors[printed]
            if point.type == "angle":
                return _angle(text, negative)
            return number.value(read(text), negative, factor)

        return make


def _same(text: str) -> str:
    return text


def _hex(text: str) -> str:
    bare = text.strip()
    if not re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{1,15}", bare):
        raise Unwritten(f"{shown(bare)} is no hexadecimal number")
    return str(int(bare, 16))


def _bool(point: TextPoint, text: str) -> bool:
    bare = text.strip()
    if bare in point.true:
        return True
    if bare in point.false:
        return False
    raise Unwritten(f"{shown(bare)} is neither {' nor '.join((*point.true, *point.false))}")


def _text(point: TextPoint, text: str) -> str:
    bare = text.strip()
    if bare in point.invalid or not bare.isprintable():
        raise Unwritten(f"{shown(bare)} is no value")
    if point.states is None:
        return bare
    if bare not in point.states:
        raise Unwritten(f"{shown(bare)} is none of {', '.join(point.states)}")
    return point.states[bare]


def _angle(text: str, negative: bool) -> float:
    """Degrees with decimals, rounded once."""
    found = _ANGLE.fullmatch(text.strip())
    if found is None or Fraction(found[2]) >= 60:
        raise Unwritten(f"{shown(text.strip())} is no angle in degrees and minutes")
    degrees = int(found[1]) + Fraction(found[2]) / 60
    return float(-degrees if negative else degrees)


def _factors(point: TextPoint) -> dict[str | None, Fraction]:
    """Factor to the point's unit: by the printed unit, and under None where nothing is printed."""
    if point.unit is None:
        return {None: Fraction(1)}
    sources: dict[str | None, str] = {None: point.reads or point.unit}
    sources.update(point.units)
    factors = {}
    for printed, source in sources.items():
        factor, plus = units.conversion(source, point.unit, point.molar_mass, point.molar_volume)
        if plus:
            raise ValueError(f"point {point.id}: {source} to {point.unit} needs scale and offset, not `reads`")
        factors[printed] = factor
    return factors


class Rule:
    """One printed status, and what it means for whom."""

    __slots__ = ("_rule", "group", "targets")

    def __init__(self, rule: TextFlagRule, points: Sequence[TextPoint]) -> None:
        self._rule = rule
        self.group = rule.group
        self.targets = [at for at, point in enumerate(points) if rule.points is None or point.id in rule.points]

    def mark(self, groups: Groups) -> Mark | None:
        """Flag and reason; None where it does not apply."""
        text = (groups.get(self.group) or "").strip()
        flag = self._rule.codes.get(text, self._rule.other)
        if flag is None or flag is Flag.NORMAL:
            return None
        where = f"{self.group} is {shown(text)}"
        return flag, f"{self._rule.why} ({where})" if self._rule.why else where

    @property
    def drops(self) -> bool:
        """Whether the value is not to be believed then."""
        return self._rule.drop


class Clock:
    """The instrument's own time."""

    __slots__ = ("_formats", "_groups", "_zone")

    def __init__(self, time: OwnTime) -> None:
        self._groups = time.groups
        self._formats = time.formats
        hours, minutes = time.utc_offset.split(":")
        offset = timedelta(hours=int(hours), minutes=int(hours[0] + minutes))
        self._zone = timezone(offset)

    def at_ms(self, groups: Groups) -> int | None:
        """Milliseconds since 1970 UTC; None where it says none, or what is no time."""
        parts = [groups.get(group) for group in self._groups]
        if None in parts:
            return None
        text = " ".join(part or "" for part in parts)
        for written in self._formats:
            try:
                moment = datetime.strptime(text, written).replace(tzinfo=self._zone)
            except ValueError:
                continue
            return (moment - EPOCH) // timedelta(milliseconds=1)
        return None


class Values:
    """All points of one instrument."""

    def __init__(self, points: Sequence[TextPoint], options: TextOptions) -> None:
        self._clock = Clock(options.time) if options.time is not None else None
        self._points = [Point(point, options.decimal) for point in points]
        self._rules = [Rule(rule, points) for rule in options.flags]

    def sample(self, groups: Groups, missing: Missing, result: str) -> Sample:
        """All of it."""
        values, flags, why = self.of(groups, missing)
        return Sample(values, flags, why, result, self._clock.at_ms(groups) if self._clock is not None else None)

    def of(
        self, groups: Groups, missing: Missing | None = None
    ) -> tuple[tuple[Value, ...], dict[int, Flag], dict[int, str]]:
        """Values, flags and reasons. `missing`: group -> why its message was not had."""
        values: list[Value] = []
        flags: dict[int, Flag] = {}
        why: dict[int, str] = {}
        for at, point in enumerate(self._points):
            lost = (
                next((missing[group] for group in point.source.groups if group in missing), None) if missing else None
            )
            if lost is not None:
                values.append(None)
                flags[at], why[at] = Flag.COMMUNICATION, lost
                continue
            value, mark = point.value(groups)
            values.append(value)
            if mark is not None:
                flags[at], why[at] = mark
        self._apply(groups, missing or {}, values, flags, why)
        return tuple(values), flags, why

    def _apply(
        self,
        groups: Groups,
        missing: Missing,
        values: list[Value],
        flags: dict[int, Flag],
        why: dict[int, str],
    ) -> None:
        claimed: set[int] = set()
        for rule in self._rules:
            if rule.group in missing:
                for target in rule.targets:  # without its status a value is doubtful
                    if flags.get(target) is not Flag.COMMUNICATION:
                        values[target] = None
                        flags[target] = Flag.COMMUNICATION
                        why[target] = f"{missing[rule.group]} (its status, {rule.group})"
                continue
            mark = rule.mark(groups)
            if mark is None:
                continue
            for target in rule.targets:
                if target not in claimed and flags.get(target) is not Flag.COMMUNICATION:
                    claimed.add(target)
                    _claim(target, mark, rule.drops, values, flags, why)


def _claim(
    target: int, mark: Mark, drops: bool, values: list[Value], flags: dict[int, Flag], why: dict[int, str]
) -> None:
    flag, meaning = mark
    before = why.get(target)
    flags[target] = flag
    if values[target] is None:
        why[target] = f"{before}; {meaning}"
    elif drops:
        values[target] = None
        why[target] = f"invalid: {meaning}"
    else:
        why[target] = f"status: {meaning}" + (f"; {before}" if before else "")
