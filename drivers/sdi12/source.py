"""What a site file or profile says of an SDI-12 sensor.

- {id: level,       place: 0, quantity: water_level}                  # first value of the usual command
- {id: temperature, place: 1, quantity: water_temperature}
- {id: battery,     command: M1, place: 0, unit: V}                   # of another command
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers.profile import Checked, Duration, Point
from drivers.sdi12 import message
from drivers.status import StatusRule


class Sdi12Point(Point):
    """One value of a sensor."""

    place: Annotated[int, Field(ge=0, le=998)]
    """Place among the values of its command, from 0."""
    command: str | None = None
    """M, M1 to M9, C, C1 to C9, R0 to R9, V or HA (high volume, v1.4); default: that of the options."""

    @field_validator("command")
    @classmethod
    def _command(cls, written: str | None) -> str | None:
        if written is not None:
            message.command(written, False)
        return written


class Sdi12Options(Checked):
    """How a sensor wants to be asked."""

    command: str = "M"
    """Command of points that name none."""
    crc: bool = True
    """Ask with CRC (MC, CC, RC). Without it nothing protects a digit: only for sensors that know no CRC."""
    tries: Annotated[int, Field(ge=1, le=5)] = 3
    """A command is sent up to so often within the timeout while nothing comes (SDI-12 §7.2 wants three)."""
    collect: Literal["same_poll", "next_poll"] = "same_poll"
    """next_poll, only for C: a poll fetches what the one before has started, so that none waits for a measurement."""
    longest: Duration = 60.0
    """A measurement that is announced to take longer is not waited for."""
    measuring: Duration = 0.0
    """How long a measurement usually takes; for the plan."""
    flags: tuple[StatusRule, ...] = ()
    """Status -> data flag; for each point the first rule that applies wins."""

    @field_validator("command")
    @classmethod
    def _command(cls, written: str) -> str:
        message.command(written, False)
        return written
