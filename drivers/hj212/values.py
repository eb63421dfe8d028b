"""Records of a data area as the values of one instrument. Pure.

The sender's own flags are kept: N F M S D C T B as they are, other letters as the settings say. A value with a flag is
kept as it was sent. What is not there, stands for no number, or could mean two things is null.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone

from drivers.contract import Flag, Sample, Value
from drivers.errors import BadReply
from drivers.hj212.factors import OLD
from drivers.hj212.message import Message, Record
from drivers.hj212.source import Hj212Options, Hj212Point
from drivers.profile import InstrumentSpec
from drivers.written import Mark, Number, Unwritten, beyond, shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MISSING_PART = "timeout: a part of the message did not come"
WRITTEN = "%Y%m%d%H%M%S"
_TIMES = (12, 14, 17)
"""Digits of a time: without seconds, with them, with milliseconds."""


class Zone:
    """The sender's clock."""

    __slots__ = ("zone",)

    def __init__(self, utc_offset: str) -> None:
        hours, minutes = utc_offset.split(":")
        self.zone = timezone(timedelta(hours=int(hours), minutes=int(utc_offset[0] + minutes)))

    def at_ms(self, text: str | None) -> int | None:
        """Milliseconds since 1970 UTC of YYYYMMDDhhmmss; None for what is no time."""
        if text is None or not (text.isascii() and text.isdecimal()) or len(text) not in _TIMES:
            return None
        second, milli = int(text[12:14] or 0), int(text[14:] or 0)
        parts = (int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), second, milli * 1000)
        try:
            moment = datetime(*parts, tzinfo=self.zone)
        except ValueError:
            return None
        return (moment - EPOCH) // timedelta(milliseconds=1)

    def written(self, at_s: float, form: str = WRITTEN) -> str:
        """A unix second as the sender writes it."""
        return datetime.fromtimestamp(at_s, UTC).astimezone(self.zone).strftime(form)


class Values:
    """All points of one instrument."""

    def __init__(self, spec: InstrumentSpec) -> None:
        assert isinstance(spec.options, Hj212Options)
        options = spec.options
        points = [point for point in spec.points if isinstance(point, Hj212Point)]
        self.clock = Zone(options.utc_offset)
        self.wanted: frozenset[str] = frozenset()
        """Names of items that are of use, lower case."""
        self._points = points
        self._numbers = [Number(point) for point in points]
        self._names = [_names(point, options) for point in points]
        for names in self._names:
            self.wanted |= {name.lower() for pair in names for name in pair}
        self._flags: dict[str, Flag] = {flag.value: flag for flag in Flag} | dict(options.flags)

    def sample(self, record: Record, oddities: list[str], missing: str | None = None) -> Sample:
        """The record's values. `missing`: why items that are not there may have been in another part."""
        items = _by_lower(record.items, oddities)
        values: list[Value] = []
        flags: dict[int, Flag] = {}
        why: dict[int, str] = {}
        for at, point in enumerate(self._points):
            value, mark = self._value(at, point, record, items, oddities, missing)
            values.append(value)
            if mark is not None:
                flags[at], why[at] = mark
        at_ms = self.clock.at_ms(record.time)
        if at_ms is None and record.time is not None:
            oddities.append("time")
        result = "ok" if missing is None or None not in values else "timeout"
        return Sample(tuple(values), flags, why, result, at_ms)

    def _value(
        self,
        at: int,
        point: Hj212Point,
        record: Record,
        items: Mapping[str, tuple[str, str]],
        oddities: list[str],
        missing: str | None,
    ) -> tuple[Value, Mark | None]:
        for number, (name, flag_name) in enumerate(self._names[at]):
            found = items.get(name.lower())
            if found is None:
                continue
            if number:
                oddities.append("old_code")
            written, text = found
            flag, meaning = self._flag(items.get(flag_name.lower()), record)
            if written in record.doubtful:
                return None, (Flag.FAULT, f"invalid: {record.doubtful[written]}")
            try:
                value = self._read(at, point, text)
            except Unwritten as reason:
                return None, (flag or Flag.FAULT, f"invalid: {reason}" + (f"; {meaning}" if meaning else ""))
            outside = beyond(point, value)
            if flag is not None:
                return value, (flag, f"status: {meaning}" + (f"; {outside[1]}" if outside else ""))
            return value, outside
        name = self._names[at][0][0]
        return None, (Flag.COMMUNICATION, missing or f"invalid: the message has no {name}")

    def _flag(self, found: tuple[str, str] | None, record: Record) -> tuple[Flag | None, str]:
        """(flag, what it means); None for N and for a value that bears none (2005)."""
        if found is None:
            return None, ""
        name, letter = found
        if name in record.doubtful:
            return Flag.FAULT, f"flag: {record.doubtful[name]}"
        flag = self._flags.get(letter, self._flags.get(letter.upper()))
        if flag is Flag.NORMAL:
            return None, ""
        if flag is None:
            return Flag.FAULT, f"the instrument's flag {shown(letter)} is unknown"
        return flag, f"the instrument's flag is {letter}"

    def _read(self, at: int, point: Hj212Point, text: str) -> Value:
        if point.type == "number":
            return self._numbers[at].value(text)
        bare = text.removeprefix("//").removesuffix("//") if text.startswith("//") else text
        if point.states is None:
            if not bare.isprintable():
                raise Unwritten(f"{shown(bare)} is no text")
            return bare
        if bare not in point.states:
            raise Unwritten(f"{shown(bare)} is none of {', '.join(point.states)}")
        return point.states[bare]


def _names(point: Hj212Point, options: Hj212Options) -> list[tuple[str, str]]:
    """(item, its flag) under each code that the value may stand under, the first one first."""
    name = point.name(options.command)
    assert name is not None
    factor, _, suffix = name.partition("-")
    codes = [factor]
    if options.old_codes and factor in OLD:
        codes.append(OLD[factor])
    return [(f"{code}-{suffix}", f"{code}-Flag") for code in codes]


def _by_lower(items: Mapping[str, str], oddities: list[str]) -> dict[str, tuple[str, str]]:
    """Lower-case name -> (name, text); names that differ only in case are one item, or none if they disagree."""
    found: dict[str, tuple[str, str]] = {}
    for name, text in items.items():
        key = name.lower()
        before = found.get(key)
        if before is not None and before[1] != text:
            oddities.append("case")
            found[key] = (name, f"{before[1]} or {text}")  # neither a number nor a flag
        else:
            found[key] = (name, text)
    return found


class Parts:
    """Parts of one message as they come. At most one message is open; what it holds is bounded by the points."""

    __slots__ = ("_doubtful", "_had", "_items", "_key", "_wanted")

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._begin(None)

    def _begin(self, key: tuple[str | None, int] | None) -> None:
        self._key = key
        self._had: set[int] = set()
        self._items: dict[str, str] = {}
        self._doubtful: dict[str, str] = {}

    def add(self, record: Record, part: tuple[int, int]) -> list[tuple[Record, bool]]:
        """(record, whether it is whole) of each message that is over now: the one before, and this one when whole."""
        which, many = part
        key = (record.time, many)
        over: list[tuple[Record, bool]] = []
        if self._key is not None and (key != self._key or which in self._had):
            over.append((self._taken(), False))
        if self._key is None:
            self._begin(key)
        self._had.add(which)
        for name, text in record.items.items():
            # one spelling for each name, so that what is kept is bounded by what is wanted
            spelt = name if name == "DataTime" else name.lower()
            if spelt != "DataTime" and spelt not in self._wanted:
                continue
            if self._items.setdefault(spelt, text) != text:
                self._doubtful[spelt] = f"it stands in two parts, as {self._items[spelt]!r} and {text!r}"
            if name in record.doubtful:
                self._doubtful[spelt] = record.doubtful[name]
        if len(self._had) == many:
            over.append((self._taken(), True))
        return over

    def _taken(self) -> Record:
        record = Record(self._items, self._doubtful)
        self._begin(None)
        return record


def records_of(messages: Sequence[Message]) -> Record:
    """All parts of one message as one record. Raises BadReply where there is none."""
    items: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    times = {record.time for message in messages for record in message.records}
    if len(times) != 1 or any(len(message.records) != 1 for message in messages):
        raise BadReply(f"{len(times)} times in one answer, one is right", "wrong_count")
    for message in messages:
        record = message.records[0]
        doubtful.update(record.doubtful)
        for name, text in record.items.items():
            if items.setdefault(name, text) != text:
                doubtful[name] = f"it stands in two parts, as {items[name]!r} and {text!r}"
    return Record(items, doubtful)
