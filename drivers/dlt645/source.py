"""What a site file or profile says of a DL/T 645 meter.

- {id: energy,    identifier: "00010000", quantity: active_energy}     # known identifiers need no format
- {id: voltage_1, identifier: "0201FF00", part: 0, quantity: voltage}  # the first value of a block
- {id: state,     identifier: "04000501", type: bits, length: 2}       # a status word, low byte first
- {id: maker,     identifier: "04000404", type: string, length: 32}
- {id: co2,       identifier: "02FFEE00", format: XXXX.XX, signed: true, unit: mg/m3}
"""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from drivers.dlt645 import identifiers
from drivers.profile import Checked, Duration, Point
from drivers.status import StatusRule


class Dlt645Point(Point):
    """One value of an electricity meter."""

    identifier: str
    """Data identifier as the standard prints it, high byte first: 8 hex digits (2007) or 4 (1997), in quotes."""
    part: Annotated[int, Field(ge=0, le=63)] | None = None
    """Place within a block (an identifier with FF): 0 is its first value; points of one block share one request."""
    type: Literal["bcd", "bits", "string"] = "bcd"
    """Decimal digits, a status word as a whole number, or text."""
    format: str | None = None
    """Digits as the standard writes them, `XXXXXX.XX`; default: as the standard has it for this identifier."""
    signed: bool | None = None
    """The highest bit is the sign; default: as the standard has it for this identifier."""
    length: Annotated[int, Field(ge=1, le=64)] | None = None
    """Bytes of bits or of a string."""

    @field_validator("identifier")
    @classmethod
    def _identifier(cls, text: str) -> str:
        if not re.fullmatch(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{4}", text):
            raise ValueError(f"{text!r} is no data identifier: 8 hex digits (2007) or 4 (1997), such as '00010000'")
        return text.upper()

    @field_validator("format")
    @classmethod
    def _format(cls, text: str | None) -> str | None:
        if text is not None:
            identifiers.written(text)
        return text

    @model_validator(mode="after")
    def _complete(self) -> "Dlt645Point":
        if self.type == "bcd" and self.length is not None:
            raise ValueError("`length` is for bits and string; digits say `format`")
        if self.type != "bcd" and self.length is None:
            raise ValueError(f"{self.type} needs `length`, its number of bytes")
        if self.type == "bits" and self.length is not None and self.length > 8:
            raise ValueError("bits are 1 to 8 bytes long")
        if self.type != "bcd" and (self.scale != 1 or self.offset != 0 or self.format or self.signed):
            raise ValueError("scale, offset, format and signed are for digits")
        if self.type == "bcd" and self.format is None and identifiers.known(self.identifier) is None:
            raise ValueError(f"identifier {self.identifier} is not known here: say `format`, such as XXXXXX.XX")
        return self

    @property
    def layout(self) -> identifiers.Format:
        """Digits, sign and unit, the point's own word before the standard's; of bits and strings only the size."""
        if self.type != "bcd":
            return identifiers.Format(2 * (self.length or 1), 0)
        usual = identifiers.known(self.identifier)
        if self.format is None:
            assert usual is not None
            digits, decimals, unit = usual.digits, usual.decimals, usual.unit
        else:
            digits, decimals = identifiers.written(self.format)
            unit = usual.unit if usual is not None and digits == usual.digits else None
        signed = self.signed if self.signed is not None else usual is not None and usual.signed
        return identifiers.Format(digits, decimals, signed, unit)


class Dlt645Options(Checked):
    """How a meter wants to be asked."""

    edition: Literal[2007, 1997] = 2007
    """Edition of the standard that the meter speaks."""
    wake: Annotated[int, Field(ge=0, le=16)] = 4
    """FE bytes before each request."""
    response: Duration = 0.1
    """How long the meter thinks before it answers; for the plan (the standard allows 20 ms to 500 ms)."""
    most_parts: Annotated[int, Field(ge=1, le=64)] = 8
    """Continuations of one block that are read at most."""
    flags: tuple[StatusRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""
