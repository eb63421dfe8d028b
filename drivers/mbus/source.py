"""What a site file or profile says of an M-Bus meter.

- {id: energy,  value: energy, quantity: heat_energy}                  # the unit of the record is converted
- {id: maximum, value: power, function: maximum, quantity: heat_power}
- {id: month,   value: energy, storage: 1, unit: kWh}                  # the value stored at the end of the month
- {id: l2,      value: voltage, nth: 1, quantity: voltage}             # the second of records that are alike
- {id: rh,      value: text_unit, text: "%RH", quantity: room_humidity}
- {id: errors,  vif: "FD 17"}                                          # by code, for what has no name here
- {id: status,  value: status}                                         # status byte of the header
"""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from drivers.mbus.vif import QUANTITIES
from drivers.profile import Checked, Duration, Point
from drivers.status import StatusRule

HEADER_VALUES = ("status", "access", "identification")


class MbusPoint(Point):
    """One value of an M-Bus meter: which of its records."""

    value: str | None = None
    """What the record measures: energy, volume, power, flow, flow_temperature, return_temperature and so on; of the
    header status, access, identification."""
    vif: str | None = None
    """Instead of `value`: the record's VIF in hex without its extension bit; FB and FD with the byte behind them."""
    function: Literal["instantaneous", "maximum", "minimum", "error"] = "instantaneous"
    """Function of the record."""
    storage: Annotated[int, Field(ge=0, le=2**41)] = 0
    """Storage number: 0 is now, higher ones are earlier readings."""
    tariff: Annotated[int, Field(ge=0, le=2**20)] = 0
    """Tariff."""
    subunit: Annotated[int, Field(ge=0, le=2**10)] = 0
    """Subunit of the meter."""
    modifiers: str = ""
    """VIFE that change what is meant, in hex without extension bits (3B: only positive contributions)."""
    text: str | None = None
    """Unit in words, of records that bring their own (`value: text_unit`)."""
    nth: Annotated[int, Field(ge=0, le=255)] = 0
    """Which of several records that are alike, from 0."""

    @field_validator("vif", "modifiers")
    @classmethod
    def _hex(cls, written: str | None) -> str | None:
        if written and not re.fullmatch(r"([0-9A-Fa-f]{2} ?)+", written):
            raise ValueError(f"{written!r} is no hex, such as 'FD 17'")
        return written

    @model_validator(mode="after")
    def _one_of_two(self) -> "MbusPoint":
        if (self.value is None) == (self.vif is None):
            raise ValueError("say which record: `value`, or `vif`")
        if self.value is not None and self.value not in (*QUANTITIES, *HEADER_VALUES):
            names = ", ".join((*HEADER_VALUES, *QUANTITIES))
            raise ValueError(f"there is no value {self.value!r}; there are {names}")
        if (self.text is not None) != (self.value == "text_unit"):
            raise ValueError("`text` and `value: text_unit` go together")
        return self


class MbusOptions(Checked):
    """How a meter wants to be asked."""

    initialise: bool = True
    """SND_NKE before each poll of a primary address, so that the meter cannot repeat its last telegram."""
    most_telegrams: Annotated[int, Field(ge=1, le=64)] = 16
    """Telegrams of one poll that are read at most."""
    reply: Annotated[int, Field(ge=11, le=261)] = 100
    """Bytes of a usual answer; for the plan."""
    response: Duration = 0.1
    """How long the meter thinks before it answers; for the plan (EN 13757-2 allows 330 bit times and 50 ms)."""
    key_file: str | None = None
    """File with the AES key of a meter that encrypts (mode 5): 32 hexadecimal digits."""
    flags: tuple[StatusRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""
