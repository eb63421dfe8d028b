"""What a text profile or site file says: how a message is found in what comes in, and which part of it is which value.

    options:
      ends: "\\r\\n"                    # or `length: 18`, or `silence: 50ms`
      checksum: {kind: xor, first: 1}
      messages:                         # with `request`: asked; without: the instrument speaks unasked
        - {request: "R{address}\\r", pattern: '(?P<state>ST|US|OL),(?P<net>[+-] *[0-9.]+)(?P<unit>kg|t)'}
      flags:
        - {group: state, codes: {US: D, OL: T}, why: in motion or overloaded, points: [net]}
    points:
      - {id: net, unit: kg, printed: unit, units: {kg: kg, t: t}, range: [0, 60000]}

The pattern is a regular expression (Python's `re`) that must match the whole message, without its end and without
its checksum. Each point is a named group of it.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from drivers import units
from drivers.contract import Flag
from drivers.profile import Checked, Duration, Name, Point

Group = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A named group of a pattern."""
Kind = Literal["number", "text", "hex", "bool", "angle"]


class TextPoint(Point):
    """One value in a text."""

    group: Group | None = None
    """Named group of the pattern that holds the value; default: the point's id."""
    type: Kind = "number"
    """number (decimal), hex (hexadecimal whole number), text, bool, or angle (degrees and minutes: 3515.1234)."""
    states: dict[str, str] | None = None
    """Printed text -> word; the point's value is the word. What is not listed is null, flag D."""
    true: tuple[str, ...] = ()
    """Texts that mean true, for type bool."""
    false: tuple[str, ...] = ()
    """Texts that mean false, for type bool; what is in neither list is null, flag D."""
    sign: Group | None = None
    """Group whose text says that the value is negative."""
    negative: tuple[str, ...] = ("-",)
    """Texts of `sign` that do; for geographical positions `[S, W]`."""
    reads: str | None = None
    """Unit the instrument gives where it is not `unit`: the value is converted."""
    printed: Group | None = None
    """Group that holds the unit as the instrument prints it."""
    units: dict[str, str] = Field(default_factory=dict)
    """Printed unit -> unit, for `printed`; the value is converted to `unit`. Another unit makes it null, flag D."""
    molar_mass: Annotated[float, Field(gt=0)] | None = None
    """g/mol, for ppb or ppm to a mass concentration."""
    molar_volume: Annotated[float, Field(gt=0)] = 22.4
    """L/mol at the reference state: 22.4 is 273.15 K and 101.325 kPa, 24.45 is 25 °C."""

    @property
    def held_in(self) -> str:
        """The group that holds the value."""
        return self.group or self.id

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that the point needs."""
        return tuple(group for group in (self.held_in, self.sign, self.printed) if group is not None)

    @model_validator(mode="after")
    def _consistent(self) -> "TextPoint":
        number = self.type in ("number", "hex", "angle")
        if self.type == "bool" and not (self.true and self.false):
            raise ValueError("a bool needs `true` and `false`, the texts that mean them")
        if self.type != "bool" and (self.true or self.false):
            raise ValueError("`true` and `false` are for type bool")
        if self.states is not None and self.type != "text":
            raise ValueError("`states` names texts: say `type: text`")
        if not number and (self.scale != 1 or self.offset != 0 or self.reads or self.printed or self.sign):
            raise ValueError("scale, offset, sign and units are for numbers")
        if self.scale == 0:
            raise ValueError("scale 0 would make every value the same")
        if bool(self.printed) != bool(self.units):
            raise ValueError("`printed` and `units` go together")
        if self.printed and self.reads:
            raise ValueError("`reads` and `printed` exclude each other")
        if self.group is None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", self.id):
            raise ValueError(f"{self.id!r} can be no group of a pattern; say which `group` holds it")
        if self.unit is not None:
            for source in (*self.units.values(), *([self.reads] if self.reads else ())):
                units.conversion(source, self.unit, self.molar_mass, self.molar_volume)
        elif self.units or self.reads:
            raise ValueError("a conversion needs `unit`, what it converts to")
        return self


class Checksum(Checked):
    """How a message proves that it came whole."""

    kind: Literal["xor", "sum", "negative_sum", "crc16", "crc16_ccitt", "nmea"]
    """xor and sum of the bytes (8 bits), the sum's two's complement, CRC-16 as Modbus has it (polynomial A001
    reflected, start FFFF), CRC-16 CCITT (1021, start FFFF), or NMEA 0183: two digits behind `*`, `$` left out."""
    form: Literal["hex", "binary"] = "hex"
    """Hexadecimal digits, or bytes."""
    low_first: bool = False
    """The low byte of a 16-bit checksum comes first."""
    first: Annotated[int, Field(ge=0, le=255)] = 0
    """Bytes at the front of the message that are not covered (and not shown to the pattern)."""
    between: Annotated[int, Field(ge=0, le=255)] = 0
    """Bytes between what is covered and the checksum."""
    behind: Annotated[int, Field(ge=0, le=255)] = 0
    """Bytes behind the checksum, before the end of the message."""


def compiles(pattern: str) -> str:
    """The pattern itself. Raises ValueError for what is no regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


class Message(Checked):
    """One message of the instrument."""

    pattern: Annotated[str, Field(min_length=1, max_length=2000)]
    """Regular expression with named groups; must match the whole message. A group `address` must be the
    instrument's own address. A group `record` joins the messages in which its text is the same."""
    request: str | None = None
    """What is sent for it; `{address}` and `{checksum}` stand for what they say. Without: it comes unasked."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return compiles(pattern)

    @property
    def groups(self) -> frozenset[str]:
        """Names of its groups."""
        return frozenset(re.compile(self.pattern).groupindex)


class TextFlagRule(Checked):
    """One printed status and the data flags it means."""

    group: Group
    """The group that holds the status; "" stands for a group that is not there this time."""
    codes: Annotated[dict[str, Flag], Field(min_length=1)]
    """Printed text -> flag; N lets the value pass."""
    other: Flag | None = None
    """Flag of texts that are not listed; none leaves them as they are."""
    why: str | None = None
    """What the status means, in words, for the feed."""
    points: tuple[Name, ...] | None = None
    """The points it speaks of; default all."""
    drop: bool = False
    """Null instead of the value: for instruments that print nonsense then."""


class OwnTime(Checked):
    """The instrument's own time of its values; it stands in the feed beside the gateway's."""

    groups: Annotated[tuple[Group, ...], Field(min_length=1, max_length=4)]
    """Groups that make up the time; joined by a space where there are several."""
    formats: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    """How it is written, in strftime's letters (`%d%m%y %H%M%S`); the first that fits."""
    utc_offset: Annotated[str, Field(pattern=r"^[+-][0-9]{2}:[0-9]{2}$")] = "+08:00"
    """Zone of the instrument's clock."""


class TextOptions(Checked):
    """How messages are found, asked for and checked."""

    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    """The messages; all with `request` (asked in turn) or all without (the instrument speaks unasked)."""
    ends: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """Text that ends a message; default CR LF where neither `length` nor `silence` is given."""
    length: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Bytes of a message, for messages of one length."""
    silence: Annotated[Duration, Field(ge=0.001, le=60)] | None = None
    """Quiet time that ends a message, for messages that end in nothing."""
    begins: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """Text that begins a message; whatever comes before it is noise."""
    whole_from_start: bool = False
    """The first bytes of a connection begin a message. Otherwise what comes before the first end may be the rest of a
    message, and is dropped; with `begins` or `checksum` nobody needs to know."""
    longest: Annotated[int, Field(ge=8, le=4096)] = 512
    """Bytes a message may have; more without an end is noise."""
    encoding: Literal["ascii", "latin-1", "utf-8", "gb18030"] = "ascii"
    """How characters are written."""
    decimal: Literal[".", ","] = "."
    """The decimal sign."""
    checksum: Checksum | None = None
    """How a message proves that it came whole."""
    ignore: str | None = None
    """Regular expression of messages that are known to be of no use; others that match no pattern are counted."""
    time: OwnTime | None = None
    """The instrument's own time, where it prints one."""
    pause: Annotated[Duration, Field(ge=0, le=60)] = 0.0
    """Quiet time the instrument needs before a request."""
    keep: Literal["all", "last"] = "all"
    """Of an instrument that speaks unasked: every message, or the last one of each period."""
    flags: tuple[TextFlagRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""

    @field_validator("ignore")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else compiles(pattern)

    @property
    def asked(self) -> bool:
        """Whether the instrument waits to be asked."""
        return self.messages[0].request is not None

    @property
    def end(self) -> bytes | None:
        """The bytes that end a message; None where something else does."""
        if self.length is not None or self.silence is not None:
            return None
        return (self.ends or "\r\n").encode(self.encoding)

    @model_validator(mode="after")
    def _consistent(self) -> "TextOptions":
        if sum(one is not None for one in (self.ends, self.length, self.silence)) > 1:
            raise ValueError("ends, length and silence exclude each other: one thing ends a message")
        if len({message.request is None for message in self.messages}) > 1:
            raise ValueError("either every message has a `request`, or none has")
        for text in (self.ends, self.begins, *(message.request for message in self.messages)):
            if text is not None:
                _encoded(text, self.encoding)
        if self.length is not None and not (self.begins or self.checksum) and not self.asked:
            raise ValueError("messages of one length that come unasked need `begins` or `checksum` to be found")
        if self.asked and self.keep == "last":
            raise ValueError("`keep` is for instruments that speak unasked")
        if (self.length or 0) > self.longest:
            raise ValueError(f"length {self.length} is more than longest {self.longest}")
        return self


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} cannot be written in {encoding}") from None
