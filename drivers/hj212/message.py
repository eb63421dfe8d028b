"""What an HJ 212 frame says: the fields of its DATA and the records of its data area. Pure.

    QN=…;ST=…;CN=…;PW=…;MN=…;Flag=…;[PNUM=…;PNO=…;][RF=1;]CP=&&DataTime=…;w01018-Rtd=40.1,w01018-Flag=N;…&&

Real senders change the order, drop fields, add spaces, use `;` everywhere, write names in another case, or leave a
comma out. Each of this is an **oddity**, counted by name. What could mean two things is no value: an item that stands
twice with two texts, a value with a piece behind it that has no name (`7,04` is not 7).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.errors import BadReply

ORDER = ("QN", "ST", "CN", "PW", "MN", "FLAG", "PNUM", "PNO", "RF")
"""The fields of 2017 and 2025 (RF) in their order."""
ALWAYS = ("QN", "ST", "CN", "PW", "MN", "FLAG")
ANSWER = 1
"""Bit of Flag: an answer is wanted."""
SPLIT = 2
"""Bit of Flag: PNUM and PNO say which part of how many this is."""
MOST_PARTS = 64
"""Parts of one message; real ones have a few, and each is waited for."""
_TEXT = r"([^;=\s]*)"
_HEAD = re.compile(
    f"QN={_TEXT};ST={_TEXT};CN={_TEXT};PW={_TEXT};MN={_TEXT};Flag={_TEXT}(?:;PNUM={_TEXT};PNO={_TEXT})?(?:;RF={_TEXT})?"
)
_ITEM = re.compile(r"([A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)?)=([^=\s/]*)")
"""Fields and an item as the standard has them, read at once; every other spelling is looked at more closely."""
_CP = re.compile(r"(.*?);?\s*CP\s*=\s*&&(.*)&&\s*;?\s*", re.IGNORECASE)
_PIECE = re.compile(r"(?://.*?//|[^;,])+")
"""Pieces of the data area; between // stands free text (i11001-Info) that may hold separators."""
_NAME = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)?")


@dataclass(frozen=True, slots=True)
class Record:
    """The items of one time. `doubtful`: name -> why its value is none."""

    items: Mapping[str, str]
    doubtful: Mapping[str, str] = field(default_factory=dict)

    @property
    def time(self) -> str | None:
        """DataTime as it is written."""
        return self.items.get("DataTime")


@dataclass(frozen=True, slots=True)
class Message:
    """One frame's DATA. `fields` has the keys of ORDER that were there."""

    fields: Mapping[str, str]
    records: tuple[Record, ...]
    oddities: tuple[str, ...]

    @property
    def qn(self) -> str:
        """Number of the request; "" where the sender leaves it out."""
        return self.fields.get("QN", "")

    @property
    def cn(self) -> str:
        """Command."""
        return self.fields["CN"]

    @property
    def mn(self) -> str:
        """Who sends or is meant."""
        return self.fields["MN"]

    @property
    def flag(self) -> int:
        """The Flag field; 0 where there is none (2005)."""
        written = self.fields.get("FLAG", "")
        return int(written) if written.isdecimal() and written.isascii() else 0

    @property
    def wants_answer(self) -> bool:
        """Whether it is to be acknowledged."""
        return bool(self.flag & ANSWER)

    @property
    def part(self) -> tuple[int, int] | None:
        """(which part, of how many); None for a message that is whole. Raises BadReply for what is no part."""
        if not self.flag & SPLIT and "PNUM" not in self.fields:
            return None
        many, which = (self.fields.get(key, "") for key in ("PNUM", "PNO"))
        if not (many.isdecimal() and which.isdecimal() and 1 <= int(which) <= int(many) <= MOST_PARTS):
            raise BadReply(f"part {which!r} of {many!r} is no part", "grammar")
        return (int(which), int(many)) if int(many) > 1 else None

    def item(self, name: str) -> str | None:
        """The text of an item of the first record."""
        return self.records[0].items.get(name) if self.records else None


def parsed(data: bytes) -> Message:
    """The message in DATA. Raises BadReply for what is none."""
    text, oddities = _text(data)
    found = _CP.fullmatch(text)
    if found is None:
        raise BadReply(f"no CP=&&…&&: {text[:80]!r}", "grammar")
    fields = _fields(found[1], oddities)
    for key in ("CN", "MN"):
        if not fields.get(key):
            raise BadReply(f"no {key}: {text[:80]!r}", "grammar")
    return Message(fields, tuple(_records(found[2], oddities)), tuple(dict.fromkeys(oddities)))


def _text(data: bytes) -> tuple[str, list[str]]:
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030"), ["encoding"]
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["encoding"]


def _fields(head: str, oddities: list[str]) -> dict[str, str]:
    if (usual := _HEAD.fullmatch(head)) is not None:
        return {key: text for key, text in zip(ORDER, usual.groups(), strict=True) if text is not None}
    fields: dict[str, str] = {}
    for piece in filter(None, (one.strip() for one in head.split(";"))):
        name, equals, value = piece.partition("=")
        key = name.strip().upper()
        if key not in ORDER or not equals:
            oddities.append("unknown_field")
            continue
        if name.strip() != ("Flag" if key == "FLAG" else key):
            oddities.append("case")
        if name != name.strip() or value != value.strip():
            oddities.append("spaces")
        value = value.strip()
        if fields.setdefault(key, value) != value:
            raise BadReply(f"{key} is {fields[key]} and {value}", "grammar")
    if [key for key in ORDER if key in fields] != list(fields):
        oddities.append("order")
    if any(key not in fields for key in ALWAYS):
        oddities.append("missing_field")
    return fields


def _records(area: str, oddities: list[str]) -> Iterator[Record]:
    items: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    last: str | None = None
    if area != area.strip() or "; " in area or ", " in area:
        oddities.append("spaces")
    for name, value in _pieces(area, oddities):
        if name is None:
            if last is not None:
                doubtful[last] = f"{value!r} stands behind it without a name"
            continue
        if name == "DataTime" and "DataTime" in items:
            yield Record(items, doubtful)
            items, doubtful = {}, {}
        if items.setdefault(name, value) != value:
            doubtful[name] = f"it stands twice, as {items[name]!r} and {value!r}"
        last = name
    if items:
        yield Record(items, doubtful)


def _pieces(area: str, oddities: list[str]) -> Iterator[tuple[str | None, str]]:
    """(name, value) of each item; (None, text) for a piece without a name."""
    for piece in (one.strip() for one in _PIECE.findall(area)):
        if not piece:
            continue
        usual = _ITEM.fullmatch(piece)
        if usual is not None and (usual[1] == "DataTime" or usual[1].lower() != "datatime"):
            yield usual[1], usual[2]
            continue
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not _NAME.fullmatch(name):
            oddities.append("grammar")
            yield None, piece
            continue
        if name.lower() == "datatime" and name != "DataTime":
            oddities.append("case")
            name = "DataTime"
        yield from _unjoined(name, value, oddities)


def _unjoined(name: str, value: str, oddities: list[str]) -> Iterator[tuple[str | None, str]]:
    """`w01018-Rtd=40.1w01018-Flag=N`: a comma is missing. Sure only where the factor begins with a letter."""
    factor = name.partition("-")[0]
    if "=" not in value or value.startswith("//"):
        yield name, value
        return
    at = value.find(factor + "-") if factor[:1].isalpha() else -1
    rest = value[at:].partition("=") if at > 0 else ("", "", "")
    if at <= 0 or not _NAME.fullmatch(rest[0].strip()):
        oddities.append("grammar")
        yield name, value  # it holds a `=`, so it is no number and no flag
        return
    oddities.append("comma")
    yield name, value[:at].strip()
    yield from _unjoined(rest[0].strip(), rest[2].strip(), oddities)


def written(fields: Mapping[str, str], area: str) -> bytes:
    """DATA of a message: the fields in the order given, then the data area."""
    head = "".join(f"{key}={value};" for key, value in fields.items())
    return f"{head}CP=&&{area}&&".encode()


def area_of(items: Sequence[Sequence[tuple[str, str]]]) -> str:
    """A data area: items of one factor joined by `,`, factors by `;`."""
    return ";".join(",".join(f"{name}={value}" for name, value in group) for group in items)


def split(groups: Sequence[Sequence[tuple[str, str]]], time: str, most: int) -> list[str]:
    """Data areas of at most `most` bytes; the items of a factor stay together, each part repeats DataTime (C.50).

    Raises ValueError for a factor that does not fit.
    """
    head = f"DataTime={time}"
    parts: list[list[Sequence[tuple[str, str]]]] = [[]]
    for group in groups:
        if len(head) + 1 + len(area_of([group]).encode()) > most:
            raise ValueError(f"{group[0][0]} does not fit into {most} bytes")
        if parts[-1] and len(head) + 1 + len(area_of([*parts[-1], group]).encode()) > most:
            parts.append([])
        parts[-1].append(group)
    return [";".join([head, area_of(part)]) if part else head for part in parts]
