"""What a profile file and a site file say of instruments and lines, as checked values.

These are pydantic models so that the checks, the JSON Schema and docs/site-file.md come from one place;
`gateway/settings` is the only code that builds them from files.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from drivers import durations
from drivers.contract import Flag

Duration = Annotated[
    float,
    BeforeValidator(durations.seconds, json_schema_input_type=str),
]
"""Seconds in the program, `5s` in the file."""

Size = Annotated[int, BeforeValidator(durations.size, json_schema_input_type=str)]
"""Bytes in the program, `2GiB` in the file."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""An id that is safe in topics, labels and file names: letters, digits, `_`, `.`, `-`; at most 64."""


class Checked(BaseModel):
    """Base of every settings model: unknown keys are errors, values never change after the check."""

    # A scale or limit that is no finite number would turn every value into none. A validator is built where the model
    # is first checked: many are only a part of another. The texts under the fields are for docs/site-file.md and the
    # schema, which read them from the source (gateway/settings/facts.py): at every start that would cost a tenth of it.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Point(Checked):
    """One value of an instrument; protocols add the keys that say where it is read (drivers/<protocol>/source.py)."""

    id: Name
    """Name of the value in the feed, unique within its instrument."""
    quantity: str | None = None
    """Name in config/quantities.yaml; gives factor code, unit, decimals and range where they are not given here."""
    unit: str | None = None
    """Unit of the value after scale and offset, spelled as in config/quantities.yaml."""
    factor: str | None = None
    """HJ 212 factor code."""
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    """Decimals for display and HJ 212; never rounds a value in the feed."""
    range: tuple[float, float] | None = None
    """Measuring range of the instrument; outside it the value is kept and flagged T."""
    below: Flag = Flag.OUT_OF_RANGE
    """Flag of a value below `range`."""
    invalid: tuple[float | str, ...] = ()
    """Values by which the instrument says "no value": numbers as decoded before scaling, or nan, inf."""
    scale: float = 1.0
    """Factor from the raw to the published value."""
    offset: float = 0.0
    """Added after scaling, in `unit`."""
    page: str | None = None
    """Where the manual says so."""
    confidence: Literal["manual", "code", "general", "inferred"] | None = None
    """What stands behind it: the maker's manual, running code of others, general knowledge, a conclusion."""
    note: str | None = None
    """What to know before trusting it."""

    @field_validator("range")
    @classmethod
    def _rising(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and limits[0] >= limits[1]:
            raise ValueError(f"{list(limits)} is no range; write [lowest, highest]")
        return limits


class LineSpec(Checked):
    """One serial port or network endpoint, resolved."""

    name: Name
    kind: Literal["serial", "tcp", "udp", "tls", "listen", "local"]
    """`listen`: instruments connect to us; `local`: this machine itself."""
    path: str | None = None
    """Serial device, best as /dev/serial/by-id/…; of a local line the root of the file system."""
    baudrate: int = 9600
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    host: str | None = None
    port: int | None = None
    framing: Literal["tcp", "rtu", "ascii"] | None = None
    """Modbus framing; default tcp on a network line, rtu on a serial one."""
    timeout_s: float = 1.0
    settle_s: float | None = None
    """Quiet time of a unit after a timeout on a serial line; default 3 x timeout (contract.md §3)."""
    in_flight: int = 1
    """Requests under way at once on a Modbus TCP connection."""
    connect_pause_s: float = 0.0
    request_pause_s: float = 0.0
    rs485: Literal["auto", "kernel", "rts"] = "auto"
    """Direction control: auto leaves it to the adapter."""
    allow: tuple[str, ...] = ()
    """Networks whose hosts may connect to us; none: all."""
    connections: int = 256
    """Connections to us at once."""
    idle_s: float = 3600.0
    """A connection to us that says nothing for so long is closed."""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class SerialSettings(Checked):
    """How characters are put on a serial line."""

    baudrate: int
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1


class InstrumentSpec(Checked):
    """One instrument, resolved: its profile's points and limits joined with what the site file says."""

    id: Name
    title: str = ""
    """What people call it."""
    line: Name
    protocol: str
    profile: str | None
    """Name of the profile, None when the points stand in the site file."""
    address: int | str
    """Unit address on the line, as the protocol has it."""
    every_s: float
    """Period; 0.0 means `every: fastest`."""
    timeout_s: float
    serial: SerialSettings | None = None
    """Its own serial settings, where they are not those of its line."""
    settle_s: float | None = None
    """Quiet time of this unit after a timeout; None: as its line says."""
    phase_s: float | None = None
    """Offset of its polls from the full period; None: spread over its line."""
    points: tuple[Point, ...]
    options: Checked | None = None
    """The protocol's own settings (for Modbus: requests, gaps, pauses; drivers/modbus/source.py)."""


def line_for(instrument: InstrumentSpec, line: LineSpec) -> LineSpec:
    """The line as this instrument uses it: with its own serial settings, if it has any."""
    if instrument.serial is None:
        return line
    own = instrument.serial
    return line.model_copy(update={key: getattr(own, key) for key in SerialSettings.model_fields})
