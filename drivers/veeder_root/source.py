"""What a site file or profile says of a Veeder-Root console.

- {id: t1_volume,   tank: 1, value: volume, quantity: volume}     # from i20100, one request for all tanks
- {id: t1_status,   tank: 1, value: status}
- {id: leak,        alarm: {category: 2, type: 4, device: 2}}     # from i10100: true while it is active
- {id: alarms,      value: alarms}                                # how many are active
- {id: isd_status,  function: V0A, at: 0, length: 2, type: hex}   # a field of any other report
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.profile import Checked, Duration, Point
from drivers.status import StatusRule


class AlarmKey(Checked):
    """Which alarm."""

    category: Annotated[int, Field(ge=0, le=255)]
    """Category, from the console's serial manual (the report prints it in hex)."""
    type: Annotated[int, Field(ge=0, le=99)]
    """Type within its category."""
    device: Annotated[int, Field(ge=0, le=99)] | None = None
    """Tank or sensor; none means any."""


class VeederRootPoint(Point):
    """One value of a console."""

    tank: Annotated[int, Field(ge=1, le=99)] | None = None
    """Number of the tank."""
    value: Literal[
        "volume", "tc_volume", "ullage", "height", "water", "temperature", "water_volume", "status", "alarms", "time"
    ] | None = None  # fmt: skip
    """Of a tank: what the inventory has of it; without one: `alarms`, their number, or `time`, the console's clock."""
    alarm: AlarmKey | None = None
    """True while this alarm is active."""
    function: Annotated[str, Field(pattern=r"^[0-9A-Z]{3}$")] | None = None
    """Another report, such as those of vapour monitoring (V0A); needs the console's software key."""
    device: Annotated[str, Field(pattern=r"^[0-9]{2}$")] = "00"
    """Device of `function`."""
    at: Annotated[int, Field(ge=0, le=65535)] | None = None
    """First character of the field in that report's data, behind its time."""
    length: Annotated[int, Field(ge=1, le=64)] | None = None
    """Characters of the field."""
    type: Literal["float", "digits", "hex", "text"] = "float"
    """Eight hex digits of a float, a decimal number, a whole number in hex, or text."""

    @model_validator(mode="after")
    def _one_of(self) -> "VeederRootPoint":
        kinds = [self.value is not None, self.alarm is not None, self.function is not None]
        if sum(kinds) != 1:
            raise ValueError("say what it is: `value`, `alarm`, or `function` with `at` and `length`")
        if self.value is not None and (self.tank is None) != (self.value in ("alarms", "time")):
            raise ValueError("a value of a tank says `tank`; alarms and time are the console's own")
        if self.function is not None and (self.at is None or self.length is None):
            raise ValueError("`function` needs `at` and `length`")
        if self.function is not None and self.type == "float" and self.length != 8:
            raise ValueError("a float has 8 characters")
        return self


class VeederRootOptions(Checked):
    """How a console is set up."""

    terminator: Literal["etx", "cr", "none"] = "etx"
    """What ends a command; consoles accept any of them."""
    security_code_file: str | None = None
    """File with the six letters or digits that a console set up for a security code wants before each command."""
    volume: Literal["L", "gal"] = "L"
    """Unit of volumes, as the console is set up."""
    length: Literal["mm", "in"] = "mm"
    """Unit of heights, as the console is set up."""
    temperature: Literal["°C", "°F"] = "°C"
    """Unit of temperatures, as the console is set up."""
    reply: Annotated[int, Field(ge=20, le=65535)] = 300
    """Characters of a usual report; for the plan."""
    response: Duration = 0.5
    """How long the console thinks before it answers; for the plan."""
    flags: tuple[StatusRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""
