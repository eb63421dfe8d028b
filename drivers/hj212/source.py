"""What an HJ 212 profile or site file says: which item of which command is which value, and how the link is spoken.

    options: {command: 2011, version: "2017", crc: hj212}
    points:
      - {id: cod, item: w01018-Rtd, quantity: cod}
      - {id: ph, quantity: ph}                    # item from the quantity's factor code: w01001-Rtd

The instrument's address is its MN. An instrument is one command of one sender: real-time data (2011) and hour data
(2061) of one logger are two instruments, each with its own period, so that what is missing is missed where it is due.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from drivers.contract import Flag
from drivers.hj212.frame import LONGEST_DATA, Crc
from drivers.profile import Checked, Point

Command = Literal["2011", "2021", "2031", "2041", "2051", "2061", "2111"]
SUFFIXES = {"2011": "Rtd", "2021": "RS", "2041": "RT"}
"""Of the items of each command; the others carry means."""
VERSIONS = {"2005": 0, "2017": 1, "2025": 2}
"""Bits 2 and up of Flag (table 2)."""


class Hj212Point(Point):
    """One item of a data area."""

    item: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+-[A-Za-z0-9_]+$")] | None = None
    """Name in the data area, such as w01018-Rtd; default: the factor code with -Rtd (2011) or -Avg (means)."""
    type: Literal["number", "text"] = "number"
    """number, or text (-Info, -SN)."""
    states: dict[str, str] | None = None
    """Written text -> word (SB1-RS: 0 off, 1 run); the point's value is the word. Another is null, flag D."""

    @model_validator(mode="after")
    def _consistent(self) -> "Hj212Point":
        if self.states is not None and self.type != "text":
            raise ValueError("`states` names texts: say `type: text`")
        if self.type == "text" and (self.scale != 1 or self.offset != 0):
            raise ValueError("scale and offset are for numbers")
        if self.scale == 0:
            raise ValueError("scale 0 would make every value the same")
        return self

    def name(self, command: str) -> str | None:
        """The item's name; None where nothing gives one."""
        if self.item is not None:
            return self.item
        return f"{self.factor}-{SUFFIXES.get(command, 'Avg')}" if self.factor else None


class Hj212Options(Checked):
    """How the sender speaks."""

    command: Command = "2011"
    """2011 real-time data, 2051 minutes, 2061 hours, 2031 days, 2021 states and 2041 hours of treatment equipment."""
    version: Literal["2005", "2017", "2025"] = "2017"
    """Edition that requests and acknowledgements are written in, where the sender's Flag does not tell."""
    crc: Crc = "hj212"
    """CRC of the standard, of Modbus (some senders use it wrongly), or either."""
    longest: Annotated[int, Field(ge=64, le=LONGEST_DATA)] = 4096
    """Bytes of DATA that are accepted; the standard allows 1024, and encrypted data takes five times as much."""
    listen: bool = False
    """On a serial or TCP line: the sender pushes, and is not asked. On a line that listens that is so anyhow."""
    system: Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")] = "32"
    """ST of requests: 21 surface water, 22 air, 31 flue gas, 32 wastewater."""
    password_file: str | None = None
    """File with the access password (PW): sent with requests, and wanted in what is heard."""
    key_file: str | None = None
    """File with the SM4 key of HJ 212-2025: 16 characters, or 32 hexadecimal digits."""
    utc_offset: Annotated[str, Field(pattern=r"^[+-][0-9]{2}:[0-9]{2}$")] = "+08:00"
    """Zone of the sender's clock."""
    period_minutes: Annotated[int, Field(ge=1, le=60)] = 10
    """MinInterval of the sender, for asking for minute data (2051)."""
    history_joint: Literal[",", ";"] = ","
    """Between BeginTime and EndTime of a request for history: senders differ."""
    catch_up: Annotated[int, Field(ge=0, le=1000)] = 48
    """Periods of history missed in an outage that are asked for afterwards, the oldest ones given up; 0: none."""
    at_start: Annotated[int, Field(ge=0, le=1000)] = 0
    """Periods before the last one that are asked for at a start too; what was had before comes once more."""
    flags: dict[str, Flag] = Field(default_factory=dict)
    """Letters beyond N F M S D C T B -> flag (2005: P power failure). An unknown letter keeps the value with flag D."""
    old_codes: bool = True
    """Take a value under the factor code of 2005 (011) where that of 2017 (w01018) is not there."""

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, data: Any) -> Any:
        """2061 and "2061" are the same command."""
        if isinstance(data, dict):
            return {
                key: str(value) if key in ("command", "version", "system") else value for key, value in data.items()
            }
        return data
