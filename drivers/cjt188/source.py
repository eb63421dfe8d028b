"""What a site file or profile says of a CJ/T 188 meter.

- {id: heat,   field: heat, quantity: heat_energy}             # the unit byte of the answer is converted
- {id: flow,   field: flow, decimals_on_wire: 3, quantity: flow}   # this maker has three decimals
- {id: status, field: status}                                  # two bytes as a number, low byte first
- {id: extra,  at: 43, length: 4, decimals_on_wire: 1, unit: kPa}  # a maker's own field behind the usual ones
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.cjt188 import layout
from drivers.profile import Checked, Duration, Point
from drivers.status import StatusRule

FieldName = Literal[
    "settlement_heat", "heat", "power", "flow", "volume", "settlement_volume", "supply_temperature",
    "return_temperature", "hours", "time", "status",
]  # fmt: skip


class Cjt188Point(Point):
    """One value of a heat, water or gas meter."""

    field: FieldName | None = None
    """A value that the standard names; which there are depends on the kind of meter."""
    at: Annotated[int, Field(ge=0, le=96)] | None = None
    """Instead of `field`: first byte of a maker's own value, counted behind the serial number."""
    length: Annotated[int, Field(ge=1, le=8)] | None = None
    """Bytes of a value that says `at`."""
    type: Literal["bcd", "bits"] = "bcd"
    """Decimal digits or a whole number, both low byte first; for a value that says `at`."""
    unit_byte: bool = False
    """A unit byte follows the value that says `at`."""
    decimals_on_wire: Annotated[int, Field(ge=0, le=8)] | None = None
    """Decimals in the digits; default 2, of flow 4."""

    @model_validator(mode="after")
    def _placed(self) -> "Cjt188Point":
        if (self.field is None) == (self.at is None):
            raise ValueError("say where the value is: `field`, or `at` with `length`")
        if (self.at is None) != (self.length is None):
            raise ValueError("`at` and `length` go together")
        if self.field is not None and (self.unit_byte or self.type != "bcd"):
            raise ValueError("`type` and `unit_byte` are for values that say `at`")
        return self

    def placed(self, kind: int) -> layout.Field:
        """Where it stands in the answer of that kind of meter. Raises ValueError."""
        if self.at is not None:
            assert self.length is not None
            unit = "" if self.unit_byte else None
            return layout.Field(self.at, self.length, self.decimals_on_wire or 0, unit, self.type)
        fields, _ = layout.layout(kind)
        found = fields.get(self.field or "")
        if found is None:
            raise ValueError(f"{self.id}: a meter of kind {kind:02X} has no {self.field}; it has {', '.join(fields)}")
        if self.decimals_on_wire is None:
            return found
        return layout.Field(found.at, found.size, self.decimals_on_wire, found.unit, found.kind)


class Cjt188Options(Checked):
    """How a meter wants to be asked."""

    kind: Annotated[int, Field(ge=0x10, le=0x4F)] = 0x20
    """Kind of meter: 0x10 cold water, 0x11 hot water, 0x20 heat, 0x21 cooling, 0x30 gas, 0x40 others."""
    identifier: Annotated[int, Field(ge=0, le=0xFFFF)] = 0x901F
    """What is read: 0x901F is the current values."""
    order: Literal["high_first", "low_first"] = "high_first"
    """How the identifier is sent: 90 1F (most meters) or 1F 90 (the standard). Answers may have it either way."""
    wake: Annotated[int, Field(ge=0, le=32)] = 3
    """FE bytes before each request."""
    response: Duration = 0.2
    """How long the meter thinks before it answers; for the plan."""
    flags: tuple[StatusRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""
