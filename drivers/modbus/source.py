"""What a Modbus profile or site file says: where each point is read, and how the instrument wants to be asked.

A point, besides the keys every point has (drivers/profile.py):

    - {id: so2,    table: input, address: 34, type: float32, unit: ppb, range: [0, 500]}
    - {id: flow,   modicon: 40001, type: float32, order: CDAB}           # table and wire address from the tag
    - {id: pump,   table: coil, address: 4, writable: true}              # coils and discrete inputs are bools
    - {id: door,   table: holding, address: 9, bit: 3}                   # one bit of a register
    - {id: fuel,   table: holding, address: 2, type: uint16, mask: 0x00FF}         # the low byte, shifted down
    - {id: mode,   table: holding, address: 7, type: uint16, states: {0: manual, 1: automatic}}
    - {id: model,  table: holding, address: 20, type: string, length: 8}
    - {id: zero,   table: holding, address: 30, type: int16, scale: 0.1, writable: [-5, 5]}
    - {id: no,     table: input, address: 40, type: float32, reads: ppb, unit: mg/m3, molar_mass: 46}

How the instrument is asked (`options`), all with defaults:

    options:
      order: CDAB                  # for points that name none; default ABCD
      registers_per_request: 64
      even_start: true             # first register and count must be even
      functions: {input: 3}        # serves its input registers by function 3
      forbidden: [{table: holding, address: 100, count: 8}]      # reading these does something: never touched
      flags:                       # status -> data flag; the first rule that applies to a point wins
        - {table: discrete, address: 15, flag: D, why: invalid concentration, points: [so2]}
        - {table: discrete, address: 16, flag: C, why: zero calibration}           # no `points`: all of them
        - {table: input, address: 3, mask: 0x00F0, codes: {1: N, 4: D}, other: D, points: [turbidity], together: s1}
        - {point: state, codes: {3: D, 7: B}, points: [do]}                        # a point that is in the feed itself
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from drivers import units
from drivers.contract import Flag
from drivers.profile import Checked, Duration, Name, Point

Table = Literal["coil", "discrete", "input", "holding"]
Kind = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "bcd16", "bcd32", "string", "bits",
]  # fmt: skip
Order = Literal[
    "AB", "BA", "ABCD", "CDAB", "BADC", "DCBA", "ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA",
]  # fmt: skip
Address = Annotated[int, Field(ge=0, le=65535)]

BIT_TABLES = ("coil", "discrete")
MODICON_TABLES: dict[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
WIDTHS = {
    "bool": 1, "int16": 1, "uint16": 1, "float16": 1, "bcd16": 1,
    "int32": 2, "uint32": 2, "float32": 2, "bcd32": 2, "int64": 4, "uint64": 4, "float64": 4,
}  # fmt: skip
"""Registers of each type that has a fixed width; string and bits say `length`."""
MASKED = ("uint16", "uint32", "uint64", "bits")
PLAIN = ("bool", "string", "bits")
"""Types that are no quantities: no scale, offset or unit."""


def from_modicon(tag: int | str) -> tuple[Table, int]:
    """Table and wire address of a tag: 40035 -> (holding, 34), "000017" -> (coil, 16). Raises ValueError.

    Five digits reach 9999, six reach 65536 (Modicon's tag numbering). As a number, 1 to 9999 is a coil and
    10001 to 19999 a discrete input; a coil beyond 9999 is written as text of six digits.
    """
    digits = str(tag).strip()
    if isinstance(tag, int):
        digits = digits.zfill(5)
    table = MODICON_TABLES.get(digits[:1]) if digits.isascii() and digits.isdigit() else None
    number = int(digits[1:]) if table is not None else 0
    if table is None or len(digits) not in (5, 6) or not 1 <= number <= 65536:
        raise ValueError(f"{tag!r} is no Modicon tag: 5 or 6 digits beginning with 0, 1, 3 or 4, such as 40035")
    return table, number - 1


class Place(Checked):
    """Where a value is: a table and an address, or the Modicon tag that means both."""

    table: Table | None = None
    """coil, discrete (inputs), input or holding (registers)."""
    address: Address | None = None
    """Zero-based, as on the wire."""
    modicon: int | str | None = None
    """The other spelling: 40035 is holding register 34."""

    @field_validator("modicon")
    @classmethod
    def _tag(cls, tag: int | str | None) -> int | str | None:
        if tag is not None:
            from_modicon(tag)
        return tag


def _placed(data: Any) -> Any:
    """Raw keys with table and address filled in from `modicon`; what is malformed is left for the field checks."""
    if not isinstance(data, dict) or data.get("modicon") is None:
        return data
    try:
        table, address = from_modicon(data["modicon"])
    except (ValueError, TypeError):
        return data
    for key, meant in (("table", table), ("address", address)):
        if data.get(key, meant) not in (meant, None):
            raise ValueError(f"modicon {data['modicon']} is {table} {address}, but {key} says {data[key]}")
    return {**data, "table": table, "address": address}


def _is_mark(text: str) -> bool:
    """Whether a text in `invalid` stands for a number: a whole one in any base, nan, inf (lane.py `markers`)."""
    try:
        int(text, 0)
    except ValueError:
        return text.lower().lstrip("+-") in ("nan", "inf")
    return True


class ModbusPoint(Point):
    """One value in a Modbus instrument."""

    table: Table
    """coil, discrete (inputs), input or holding (registers)."""
    address: Address
    """Zero-based, as on the wire."""
    modicon: int | str | None = None
    """The other spelling of table and address: 40035 is holding register 34."""
    type: Kind
    """Left out for coils, discrete inputs and a single `bit`, which are bools."""
    order: Order | None = None
    """Byte order; the 32-bit spellings ABCD CDAB BADC DCBA serve every width. Default: `order` of the options."""
    length: Annotated[int, Field(ge=1, le=125)] | None = None
    """Registers of a string, or of bits (1 to 4)."""
    bit: Annotated[int, Field(ge=0, le=63)] | None = None
    """Number of the bit, 0 is the lowest; makes a bool."""
    mask: Annotated[int, Field(ge=1, le=2**64 - 1)] | None = None
    """Bits of an unsigned value that count, shifted down to bit 0: 0xFF00 is the high byte."""
    states: dict[int, str] | None = None
    """Code -> word; the point's value is the word. A code that is not listed is null, flag D."""
    together: Name | None = None
    """Points and flag rules with the same name here come in one read (a value and its status)."""
    writable: bool | tuple[float, float] = False
    """Lowest and highest value that may be written, in `unit`; true for bools, or where `range` gives the limits."""
    reads: str | None = None
    """Unit the instrument gives (after scale and offset) where it is not `unit`: the value is converted."""
    molar_mass: Annotated[float, Field(gt=0)] | None = None
    """g/mol, for ppb or ppm to a mass concentration."""
    molar_volume: Annotated[float, Field(gt=0)] = 22.4
    """L/mol at the reference state: 22.4 is 273.15 K and 101.325 kPa (HJ 75-2017), 24.45 is 25 °C."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        data = _placed(data)
        if isinstance(data, dict) and data.get("type") is None:
            if data.get("table") in BIT_TABLES:
                return {**data, "type": "bool"}
            if data.get("bit") is not None:
                return {**data, "type": "bits"}
        return data

    @field_validator("modicon")
    @classmethod
    def _tag(cls, tag: int | str | None) -> int | str | None:
        if tag is not None:
            from_modicon(tag)
        return tag

    @property
    def count(self) -> int:
        """Registers the value takes; 1 for a coil or discrete input."""
        return WIDTHS.get(self.type) or self.length or 1

    @property
    def is_bool(self) -> bool:
        """Whether the value is true or false."""
        return self.type == "bool" or self.bit is not None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest value that may be written; None when nothing may be."""
        if isinstance(self.writable, tuple):
            return self.writable
        if not self.writable:
            return None
        return (0, 1) if self.is_bool else self.range

    @model_validator(mode="after")
    def _consistent(self) -> "ModbusPoint":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        wrong: list[str] = []
        say = wrong.append
        bits = self.count * 16
        if self.table in BIT_TABLES and self.type != "bool":
            say(f"table {self.table} holds single bits: leave `type` out, or name input or holding as the table")
        if self.address + self.count > 65536:
            say(f"address {self.address} with {self.count} registers ends beyond 65535")
        if self.type == "string" and self.length is None:
            say("a string needs `length`, its number of registers")
        if self.length is not None and self.type not in ("string", "bits"):
            say(f"`length` is for string and bits; {self.type} always takes {self.count}")
        if self.type == "bits" and self.count > 4:
            say("bits are 1 to 4 registers long")
        if self.bit is not None and (self.type not in MASKED or self.bit >= bits):
            say(f"`bit: {self.bit}` needs an unsigned type that is wide enough; {self.type} here has {bits} bits")
        if self.mask is not None and (self.type not in MASKED or self.mask >> bits):
            say(f"`mask` needs an unsigned type that is wide enough; {self.type} here has {bits} bits")
        if self.bit is not None and self.mask is not None:
            say("`bit` and `mask` exclude each other")
        if self.order is not None and not fits(self.order, self.type, self.count):
            say(f"order {self.order} does not fit {self.type}: use {' '.join(spellings(self.type, self.count))}")
        if self.states is not None and (self.is_bool or self.type in ("string", "float16", "float32", "float64")):
            say("`states` names the codes of a whole number")
        quantity = not (self.is_bool or self.type in PLAIN or self.states)
        if not quantity and (self.scale != 1 or self.offset != 0 or self.reads is not None):
            say("scale, offset and reads are for numbers, not for bools, strings, bits and states")
        if self.scale == 0:
            say("scale 0 would make every value the same")
        for mark in self.invalid if self.type != "string" else ():
            if isinstance(mark, str) and not _is_mark(mark):
                say(f"no {self.type} is ever {mark!r}, as `invalid` says; write numbers plainly (-999.5), or nan, inf")
        return wrong + self._conversion_problems() + self._writing_problems()

    def _conversion_problems(self) -> list[str]:
        if self.reads is None:
            return ["`molar_mass` serves only a conversion: say `reads`"] if self.molar_mass is not None else []
        if self.unit is None:
            return []  # the quantity may still give it
        try:
            units.conversion(self.reads, self.unit, self.molar_mass, self.molar_volume)
        except ValueError as problem:
            return [str(problem)]
        return []

    def _writing_problems(self) -> list[str]:
        if self.writable is False:
            return []
        if self.table not in ("coil", "holding"):
            return [f"table {self.table} cannot be written: only coil and holding can"]
        if self.limits is None:
            return ["`writable` needs its limits: [lowest, highest]"]
        if self.limits[0] > self.limits[1]:
            return [f"the lowest of {list(self.limits)} comes first"]
        if self.table == "holding" and (self.type == "string" or self.bit is not None or self.mask is not None):
            return ["strings and parts of a register cannot be written"]
        return []


def spellings(kind: str, count: int) -> tuple[str, ...]:
    """The byte orders that a type may name."""
    if kind == "string" or count == 1:
        return ("AB", "BA", "ABCD", "CDAB", "BADC", "DCBA")
    if count == 2:
        return ("ABCD", "CDAB", "BADC", "DCBA")
    wide = tuple(order for order in get_args(Order) if len(order) == 8) if count == 4 else ()
    return ("ABCD", "CDAB", "BADC", "DCBA", *wide)


def fits(order: str, kind: str, count: int) -> bool:
    """Whether that order may be named for that type."""
    return order in spellings(kind, count)


class Range(Checked):
    """Registers or bits in a row."""

    table: Table
    """coil, discrete, input or holding."""
    address: Address
    """The first one, zero-based."""
    count: Annotated[int, Field(ge=1, le=65536)] = 1
    """How many."""


class FlagRule(Place):
    """One status of the instrument and the data flags it means."""

    point: Name | None = None
    """A point of this instrument that holds the status, instead of table and address."""
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    """Number of the bit in the status register."""
    mask: Annotated[int, Field(ge=1, le=0xFFFF)] | None = None
    """Bits of the status register that count, shifted down to bit 0."""
    when: bool = True
    """State of the bit at which `flag` applies."""
    flag: Flag | None = None
    """Flag of a status that is one bit."""
    codes: dict[int, Flag] | None = None
    """Code -> flag of a status that is a number; N lets the value pass."""
    other: Flag | None = None
    """Flag of codes that are not listed; none leaves them as they are."""
    why: str | None = None
    """What the status means, in words, for the feed."""
    points: tuple[Name, ...] | None = None
    """The points it speaks of; default all."""
    drop: bool = False
    """Null instead of the value: for instruments that leave nonsense in the register."""
    together: Name | None = None
    """Read in one go with the points of this name."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        return _placed(data)

    @property
    def is_bit(self) -> bool:
        """Whether the status is one bit."""
        return self.table in BIT_TABLES or self.bit is not None or (self.point is not None and self.codes is None)

    @model_validator(mode="after")
    def _consistent(self) -> "FlagRule":
        placed = self.table is not None and self.address is not None
        if placed == (self.point is not None) or (self.table is None) != (self.address is None):
            raise ValueError("say where the status is: table and address, or modicon, or point")
        if self.bit is not None and self.mask is not None:
            raise ValueError("`bit` and `mask` exclude each other")
        if (self.bit is not None or self.mask is not None) and (self.table in BIT_TABLES or self.point is not None):
            raise ValueError("`bit` and `mask` are for status registers")
        if self.is_bit and (self.flag is None or self.codes is not None or self.other is not None):
            raise ValueError("a status of one bit needs `flag`, and has no `codes`")
        if not self.is_bit and (self.codes is None or self.flag is not None):
            raise ValueError("a status number needs `codes`, such as {0: N, 3: D}; for one bit of it say `bit`")
        return self


class ModbusOptions(Checked):
    """How an instrument wants to be asked."""

    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = "ABCD"
    """Byte order of points that name none."""
    registers_per_request: Annotated[int, Field(ge=1, le=125)] = 125
    """Most registers in one read (the protocol allows 125)."""
    coils_per_request: Annotated[int, Field(ge=1, le=2000)] = 2000
    """Most coils or discrete inputs in one read (the protocol allows 2000)."""
    gap: Annotated[int, Field(ge=0, le=124)] = 16
    """Registers in a row that nobody asked for and that may be read to save a request (bits: 16 times as many).

    On a serial line a gap is also left out when it takes longer than another request."""
    one_request_per_point: bool = False
    """For instruments that answer only to their own registers one by one; `together` still holds."""
    even_start: bool = False
    """First register and count must be even."""
    forbidden: tuple[Range, ...] = ()
    """Never read, not even across: write-only, or reading does something."""
    functions: dict[Table, Literal[1, 2, 3, 4]] = Field(default_factory=dict)
    """Read function of a table where it is not the usual one (coil 1, discrete 2, holding 3, input 4)."""
    writes: Literal["auto", "multiple"] = "auto"
    """`multiple` writes single coils and registers by functions 15 and 16 too (default 5 and 6)."""
    in_flight: Annotated[int, Field(ge=1, le=16)] | None = None
    """Requests under way at once at most; default as the line has it. Only where the framing numbers them (TCP)."""
    pause: Duration = 0.0
    """Quiet time the instrument needs before a request."""
    first_byte: Duration | None = None
    """Give up earlier than the timeout when not even one byte has come."""
    response: Duration | None = None
    """How long the instrument thinks before it answers; for the plan. Default 5 ms on a network; on a serial line
    20 ms until it has been measured."""
    slice: Duration | None = None
    """Longest time one request may hold a serial line; default what fits the timeout."""
    flags: tuple[FlagRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""

    @field_validator("functions")
    @classmethod
    def _kind(cls, functions: dict[Table, int], info: ValidationInfo) -> dict[Table, int]:
        for table, function in functions.items():
            if (table in BIT_TABLES) != (function in (1, 2)):
                raise ValueError(f"{table} is read by {'1 or 2' if table in BIT_TABLES else '3 or 4'}, not {function}")
        return functions


def range_words(table: str, first: int, count: int) -> str:
    """`holding 4`, `holding 4 to 9`: how messages name registers."""
    return f"{table} {first}" if count == 1 else f"{table} {first} to {first + count - 1}"
