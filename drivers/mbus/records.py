"""The application layer of M-Bus answers: header and data records (EN 13757-3). Pure.

Why this and no library: docs/decisions/ says what the one that was tried does to numbers.
"""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from drivers.errors import BadReply
from drivers.mbus import secrecy
from drivers.mbus import vif as tables
from drivers.values import Measured, Odd, Raw, float32

CI_LONG, CI_SHORT, CI_NONE = 0x72, 0x7A, 0x78
"""12 bytes of header, 4, none; the fixed structure (73) and the high-byte-first ones (76, 77) are history."""
CI_FIXED = 0x73
HEADERS = {CI_LONG: 12, CI_SHORT: 4, CI_NONE: 0}
FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
"""Bytes of data by the low half of DIF; 13 says its length itself."""
FILLER = 0x2F
MAKERS_OWN, MORE_FOLLOWS = 0x0F, 0x1F
MOST_EXTENSIONS = 10
"""EN 13757-3: at most ten DIFE and ten VIFE."""


@dataclass(frozen=True, slots=True)
class Header:
    """Who answers: eight bytes of identification, manufacturer, version, medium (none with a short header)."""

    identity: bytes
    access: int | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """One value. `code` is its VIF (with the byte behind FB or FD), `modifiers` are VIFE that change what is meant."""

    function: str
    storage: int
    tariff: int
    subunit: int
    code: bytes
    quantity: str | None
    modifiers: bytes
    text: str
    raw: Raw


@dataclass(frozen=True, slots=True)
class Telegram:
    """One answer; `more` says that another follows."""

    header: Header
    records: tuple[Record, ...]
    more: bool


def telegram(payload: bytes, key: bytes | None = None) -> Telegram:
    """An answer from its CI on. Raises BadReply for what cannot be read to its end, or opened with the key."""
    ci = payload[0]
    size = HEADERS.get(ci)
    if ci == CI_FIXED:
        raise BadReply("the fixed data structure (CI 73) is not read", "wrong_function")
    if size is None:
        raise BadReply(f"CI {ci:02X} is no variable data structure", "wrong_function")
    if len(payload) < 1 + size:
        raise BadReply(f"{len(payload) - 1} bytes are too short for a header of {size}", "wrong_count")
    fixed = payload[1 : 1 + size]
    header = Header(fixed[:8] if size == 12 else b"", fixed[-4] if size else None, fixed[-3] if size else None)
    data = payload[1 + size :]
    if header.access is not None:
        data = secrecy.opened(header.identity, header.access, fixed[-2:], data, key)
    records, more = _Reading(data).records()
    return Telegram(header, tuple(records), more)


class _Reading:
    """One pass over the records."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def records(self) -> tuple[list[Record], bool]:
        """All records, and whether more follow in another telegram."""
        found: list[Record] = []
        while self._at < len(self._data):
            dif = self._data[self._at]
            if dif == FILLER:
                self._at += 1
            elif dif in (MAKERS_OWN, MORE_FOLLOWS):
                return found, dif == MORE_FOLLOWS
            elif dif & 0x0F == 0x0F:
                raise BadReply(f"DIF {dif:02X} is reserved", "wrong_count")
            else:
                found.append(self._record())
        return found, False

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise BadReply("a record is cut short", "wrong_count")
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise BadReply("a record is cut short", "wrong_count")
        self._at += count
        return self._data[self._at - count : self._at]

    def _chain(self, first: int) -> bytes:
        """The extension bytes behind `first`, as long as the highest bit says so."""
        chain = bytearray()
        last = first
        while last & 0x80:
            if len(chain) == MOST_EXTENSIONS:
                raise BadReply(f"more than {MOST_EXTENSIONS} extensions", "wrong_count")
            last = self._byte()
            chain.append(last)
        return bytes(chain)

    def _record(self) -> Record:
        dif = self._byte()
        storage, tariff, subunit = dif >> 6 & 1, 0, 0
        for place, dife in enumerate(self._chain(dif)):
            storage |= (dife & 0x0F) << 4 * place + 1
            tariff |= (dife >> 4 & 3) << 2 * place
            subunit |= (dife >> 6 & 1) << place
        first = self._byte()
        text = ""
        if first & 0x7F == tables.PLAIN_TEXT:  # the text stands between the VIF and its extensions, last letter first
            text = self._bytes(self._byte())[::-1].decode("latin-1")
        chain = self._chain(first)
        code, modifiers = bytes([first & 0x7F]), chain
        if first in (0xFB, 0xFD):
            code, modifiers = bytes([first, chain[0] & 0x7F]), chain[1:]
        if first & 0x7F == tables.MANUFACTURER:
            meaning, modifiers, exponent, error = None, bytes(one & 0x7F for one in chain), 0, None
        else:
            meaning = tables.meaning(code)
            modifiers, exponent, error = tables.modified(modifiers)
        raw: Raw | None = Odd(error) if error is not None else None
        data = self._value(dif & 0x0F, meaning, exponent)
        return Record(
            FUNCTIONS[dif >> 4 & 3],
            storage,
            tariff,
            subunit,
            code,
            meaning.quantity if meaning is not None else None,
            modifiers,
            text,
            data if raw is None else raw,
        )

    def _value(self, kind: int, meaning: tables.Meaning | None, exponent: int) -> Raw:
        if kind == 13:
            return self._variable(meaning, exponent)
        data = self._bytes(SIZES[kind])
        if meaning is not None and meaning.kind != "number":
            return _moment(data, meaning.kind)
        if kind in (0, 8):
            return Odd("the record carries no data")
        if kind == 5:
            return _scaled(float32(data), meaning, exponent)
        if kind >= 9:
            return _decimal(data, meaning, exponent)
        return _scaled(int.from_bytes(data, "little", signed=True), meaning, exponent)

    def _variable(self, meaning: tables.Meaning | None, exponent: int) -> Raw:
        """LVAR: text, digits of either sign, or a whole number."""
        length = self._byte()
        if length < 0xC0:
            return self._bytes(length)[::-1].decode("latin-1")
        if length < 0xCA or 0xD0 <= length < 0xDA:
            digits = _decimal(self._bytes(length & 0x0F), meaning, exponent)
            if isinstance(digits, Measured) and length >= 0xD0:
                return Measured(-digits.number, digits.unit)
            return digits
        if 0xE0 <= length < 0xF0:
            return _scaled(int.from_bytes(self._bytes(length & 0x0F), "little", signed=True), meaning, exponent)
        raise BadReply(f"length {length:02X} of variable data is reserved", "wrong_count")


def _scaled(number: int | float, meaning: tables.Meaning | None, exponent: int) -> Raw:
    if meaning is None:
        return Measured(number)
    power = meaning.exponent + exponent
    if isinstance(number, float):
        if power == 0 or number != number or abs(number) == float("inf"):
            return Measured(number, meaning.unit)
        return Measured(Fraction(repr(number)) * Fraction(10) ** power, meaning.unit)
    return Measured(number * 10**power if power >= 0 else Fraction(number, 10**-power), meaning.unit)


def _decimal(data: bytes, meaning: tables.Meaning | None, exponent: int) -> Raw:
    """Packed digits, low byte first; F as the highest digit is a minus (EN 13757-3, type A)."""
    text = data[::-1].hex()
    negative = text.startswith("f")
    digits = text[1:] if negative else text
    if not digits.isdecimal():
        return Odd(f"{text or 'nothing'} holds a digit that is none")
    return _scaled(-int(digits) if negative else int(digits), meaning, exponent)


def _moment(data: bytes, kind: str) -> Raw:
    """Type G (a date, 2 bytes) and type F (a time, 4 bytes); the meter's own clock, without a zone."""
    shown = data.hex(" ")
    if kind == "time" and len(data) == 4:
        minute, hour = data[0] & 0x3F, data[1] & 0x1F
        if data[0] & 0x80:
            return Odd(f"{shown} is marked as an invalid time")
        century = data[1] >> 5 & 3
        data = data[2:]
    elif len(data) == 2:
        minute = hour = -1
        century = 0
    else:
        return Odd(f"{shown or 'nothing'} is no date or time of a known type")
    year = data[0] >> 5 | data[1] >> 4 << 3
    year += 1900 + 100 * century if century else 2000 if year <= 80 else 1900
    try:
        if hour < 0:
            return date(year, data[1] & 0x0F, data[0] & 0x1F).isoformat()
        return datetime(year, data[1] & 0x0F, data[0] & 0x1F, hour, minute).isoformat(timespec="minutes")
    except ValueError:
        return Odd(f"{shown} is no date")
