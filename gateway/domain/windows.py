"""Windows: which there are, and when one is valid. The rules of each monitoring system as a table.

Confidence of the defaults, as in docs/pipeline.md: V is read in the standard's text, M is general knowledge and is a
setting for that reason.
"""

from typing import Annotated, Literal

from pydantic import Field

from drivers.contract import Flag
from drivers.profile import Checked, Duration, Name

Period = Literal["1m", "5m", "10m", "15m", "30m", "1h", "1d"]
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
LENGTHS_MS: dict[str, int] = {
    "1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "10m": 10 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
}  # fmt: skip
"""Length of each window; a day has 23 to 25 hours."""
UNIT_MS = {"s": 1000, "min": MINUTE_MS, "h": HOUR_MS}
"""Length of the time that a rate is per."""

SEVERITY = "BDFTCMSN"
"""Flags, the worst first: where several hold, or are equally frequent, the first counts."""


class WindowRule(Checked):
    """What makes a window valid. Everything that is given must hold."""

    samples: Annotated[int, Field(ge=1)] | None = None
    """Least number of counted samples."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Least share of counted samples among those expected by the polling period (or told, where that is more)."""
    parts: Annotated[int, Field(ge=1, le=60)] | Literal["all"] | None = None
    """Least number of valid minutes (of an hour; shorter windows in proportion) or valid hours (of a day)."""
    mean: Literal["samples", "parts"] = "samples"
    """The mean of all counted samples, or of the means of the valid minutes (hours, for a day)."""
    otherwise: Flag | None = None
    """Flag of a window that is not valid; default the most frequent flag in it, B where samples are only missing."""


class WindowKeys(Checked):
    """Means over minutes, hours and days, by due time."""

    system: Literal["general", "cems", "air", "water", "wastewater", "noise", "radiation"] = "general"
    """Whose rules of validity hold; docs/pipeline.md lists them."""
    periods: tuple[Period, ...] = ("1m", "1h", "1d")
    """Windows that are published; none: no windows."""
    points: tuple[Name, ...] | None = None
    """The points; default all that are numbers or true/false, but of the quantity `state`."""
    totals: dict[Name, Literal["s", "min", "h"]] = Field(default_factory=dict)
    """Points that are a rate per second, minute or hour: their windows have a `total`, the rate times the time."""
    levels: tuple[Name, ...] = ()
    """Points that are sound levels in dB: their windows also have Leq, the percentiles, and by day Ld, Ln and Ldn."""
    daytime: tuple[Annotated[int, Field(ge=0, le=23)], Annotated[int, Field(ge=1, le=24)]] = (6, 22)
    """Hours of the day, for Ld and Ln; the rest is night. M."""
    minute: WindowRule | None = None
    """Rule of the minute, in place of the system's."""
    hour: WindowRule | None = None
    """Rule of the hour and of 5 to 30 minutes, in place of the system's."""
    day: WindowRule | None = None
    """Rule of the day, in place of the system's."""
    grace_s: Annotated[Duration, Field(ge=0, le=600)] = Field(5.0, alias="grace")
    """How long after its end a window waits for polls that are under way; what comes later revises it."""

    def rules(self) -> tuple[WindowRule, WindowRule, WindowRule]:
        """Rules of the minute, the hour and the day."""
        minute, hour, day = SYSTEMS[self.system]
        return self.minute or minute, self.hour or hour, self.day or day


_THREE_QUARTERS = WindowRule(share=0.75)

SYSTEMS: dict[str, tuple[WindowRule, WindowRule, WindowRule]] = {
    # [M] no standard: three quarters of what was expected, throughout
    "general": (_THREE_QUARTERS, _THREE_QUARTERS, _THREE_QUARTERS),
    # [V] HJ 212-2017 D.2, HJ 76-2017 annex B: 12 samples a minute, 45 minutes an hour, 20 hours a day, arithmetic
    # means of valid values; [V] HJ 212-2017 table C.18, note: an abnormal day of flue gas is D
    "cems": (
        WindowRule(samples=12),
        WindowRule(parts=45, mean="parts"),
        WindowRule(parts=20, mean="parts", otherwise=Flag.FAULT),
    ),
    # [M, firm] GB 3095-2012: 45 minutes an hour, 20 hours a day
    "air": (_THREE_QUARTERS, WindowRule(parts=45), WindowRule(parts=20, mean="parts")),
    "water": (_THREE_QUARTERS, _THREE_QUARTERS, _THREE_QUARTERS),  # [M]
    # [V] HJ 356-2019: 75 % of the expected data; HJ 212-2017 table C.18, note: one abnormal hour, an abnormal day
    "wastewater": (_THREE_QUARTERS, _THREE_QUARTERS, WindowRule(share=0.75, parts="all")),
    "noise": (_THREE_QUARTERS, _THREE_QUARTERS, WindowRule(parts=20)),  # [M] HJ 906-2017
    "radiation": (_THREE_QUARTERS, _THREE_QUARTERS, _THREE_QUARTERS),  # [M] HJ 1009-2019
}
"""Rules of the minute, the hour and the day for each system."""
