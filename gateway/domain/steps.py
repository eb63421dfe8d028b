"""What is done with the samples of an instrument, as a profile or a site file says it (`steps`)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.contract import Flag
from drivers.profile import Checked, Duration, Name
from gateway.domain.windows import Period, WindowKeys

Level = Literal["info", "warning", "alarm"]
Source = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""`instrument/point`."""


class Check(Checked):
    """Doubts about a measured value. They flag it and never change it."""

    stuck_s: Annotated[Duration, Field(gt=0)] | None = Field(None, alias="stuck")
    """The value has not changed at all for so long."""
    stuck_flag: Flag = Flag.FAULT
    """Flag of a stuck value; N: only the event."""
    jump: Annotated[float, Field(gt=0)] | None = None
    """Largest plausible change from one sample to the next, in the point's unit."""
    jump_flag: Flag = Flag.FAULT
    """Flag of a value that jumped; N: only the event."""
    jump_within_s: Annotated[Duration, Field(gt=0)] = Field(60.0, alias="jump_within")
    """Samples further apart are not compared."""

    @model_validator(mode="after")
    def _something(self) -> "Check":
        if self.stuck_s is None and self.jump is None:
            raise ValueError("a check without stuck and jump checks nothing; give one of them")
        return self


class Limit(Checked):
    """A limit whose crossing is an event, and whose end is one."""

    id: Name | None = None
    """Name in the events; default the point, and the window if there is one."""
    point: Name
    """The point."""
    above: float | None = None
    """Exceeded by values above this."""
    below: float | None = None
    """Exceeded by values below this."""
    clear: float | None = None
    """Over only when the value is back at this (hysteresis); default the limit itself."""
    delay_s: Annotated[Duration, Field(ge=0)] = Field(0.0, alias="delay")
    """Exceeded for so long before it is told."""
    level: Level = "alarm"
    """Level of the event."""
    of: Period | None = None
    """Judge the mean of this window, when it is valid, instead of every sample."""
    value: Literal["mean", "min", "max", "sum", "total", "leq", "ld", "ln", "ldn"] = "mean"
    """What of the window is judged."""
    why: str | None = None
    """The rule behind it, for the event: "GB 13271-2014 table 3"."""

    @property
    def name(self) -> str:
        """Name in events and in the kept state."""
        if self.id is not None or self.of is None:
            return self.id or self.point
        return f"{self.point}.{self.of}" if self.value == "mean" else f"{self.point}.{self.of}.{self.value}"

    @model_validator(mode="after")
    def _one_side(self) -> "Limit":
        if (self.above is None) == (self.below is None):
            raise ValueError("a limit has either above or below")
        if self.clear is not None:
            wrong = self.clear > self.above if self.above is not None else self.clear < (self.below or 0.0)
            if wrong:
                raise ValueError("clear lies on the wrong side of the limit; it is where the value is good again")
        return self


class Deadband(Checked):
    """Polls that say nothing new are kept out of the feed, and counted as unchanged."""

    points: dict[Name, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Point -> largest difference from the last value told that is nothing new; of points not named any difference
    is new."""
    heartbeat_s: Annotated[Duration, Field(gt=0, le=86400)] = Field(600.0, alias="heartbeat")
    """A poll is told at least so often."""


class MarkRule(Checked):
    """A contact or status that says the instrument is being worked on."""

    when: Source
    """`instrument/point` that says so; of this or another instrument."""
    equals: tuple[bool | int | float | str, ...] = (True,)
    """Its values that say so."""
    flag: Flag = Flag.MAINTENANCE
    """Flag of the values meanwhile."""
    points: tuple[Name, ...] | None = None
    """Points that are flagged; default all."""
    who: str | None = None
    """Who is named in the event; default the contact."""


class Rolling(Checked):
    """A mean over several windows in a row, and the highest of each day."""

    id: Name | None = None
    """Name in the events; default the point, the window and the count."""
    point: Name
    """The point."""
    of: Literal["1m", "5m", "10m", "15m", "30m", "1h"] = "1h"
    """The windows; they must be among `periods`."""
    count: Annotated[int, Field(ge=1, le=96)] = 8
    """How many in a row; 1: only the highest of each day."""
    least: Annotated[int, Field(ge=1, le=96)] = 6
    """How many of them must be valid. Ozone over 8 hours: 6. M, firm."""

    @property
    def name(self) -> str:
        """Name in events and in the kept state."""
        return self.id or f"{self.point}.{self.of}.{self.count}"

    @model_validator(mode="after")
    def _possible(self) -> "Rolling":
        if self.least > self.count:
            raise ValueError(f"least {self.least} of {self.count} windows are never valid")
        return self


class Batch(Checked):
    """A batch analyser, whose result stands until the next one."""

    points: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The results."""
    state: Name | None = None
    """Point that tells what the analyser does; without it a changed value is a new result."""
    measuring: tuple[int | str | bool, ...] = ()
    """Its values while it measures; a result is new when it leaves them, sampled when it entered them."""

    @model_validator(mode="after")
    def _both(self) -> "Batch":
        if (self.state is None) != (not self.measuring):
            raise ValueError("state and measuring go together")
        return self


class WaterClassKeys(Checked):
    """The class of surface water by GB 3838-2002, once a cycle."""

    factors: Annotated[
        dict[
            Literal[
                "permanganate_index", "cod", "bod5", "ammonia_nitrogen", "total_phosphorus", "total_nitrogen",
                "dissolved_oxygen", "ph",
            ],
            Name,
        ],
        Field(min_length=1),
    ]  # fmt: skip
    """Factor -> point of this instrument that has it, in mg/L (pH in pH). Leave total nitrogen out for rivers. M."""
    lake: bool = False
    """Judge phosphorus by the limits of lakes and reservoirs."""
    every_s: Annotated[Duration, Field(ge=60, le=86400)] = Field(4 * 3600.0, alias="every")
    """The cycle, counted from local midnight. HJ 915-2017: 4 h. M."""
    max_age_s: Annotated[Duration, Field(gt=0)] = Field(5 * 3600.0, alias="max_age")
    """An older value is missing from the sample."""
    target: Literal["I", "II", "III", "IV", "V"] | None = None
    """Class that the water should have; a worse one makes the event a warning."""


class StepKeys(Checked):
    """What is done with samples on their way into the log. Nothing here ever changes a measured value."""

    windows: WindowKeys | None = None
    """Means over minutes, hours, days."""
    checks: dict[Name, Check] | None = None
    """Point -> doubts about its values: stuck, jumping."""
    limits: tuple[Limit, ...] | None = None
    """Limits whose crossing is an event."""
    deadband: Deadband | None = None
    """Thinning; without it every poll is in the feed."""
    watch: tuple[Name, ...] | None = None
    """Parameters (range, slope, zero, mode): a change is an event with the old and the new value."""
    marks: tuple[MarkRule, ...] | None = None
    """Contacts and status registers that mean maintenance or calibration."""

    rolling: tuple[Rolling, ...] | None = None
    """Means over several windows (ozone over 8 hours), and the highest of each day (demand)."""
    batch: Batch | None = None
    """A batch analyser: each result is an event, once."""
    water_class: WaterClassKeys | None = None
    """The class of surface water, once a cycle."""

    def over(self, usual: "StepKeys | None") -> "StepKeys":
        """These keys, and those of `usual` that are not given here."""
        if usual is None:
            return self
        return usual.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})

    @model_validator(mode="after")
    def _names(self) -> "StepKeys":
        names = [limit.name for limit in self.limits or ()]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"limits have the same name {min(doubled)!r}; give them an id")
        return self
