"""Noise: levels of parts, of day and night, and levels exceeded (HJ 906-2017, GB 3096-2008)."""

import math
from collections.abc import Mapping

from gateway.domain.expression import FormulaError

PERCENTILES = (5, 10, 50, 90, 95)
RESOLUTION = 0.01
"""dB of one step of a distribution; meters give 0.1."""
NIGHT_PENALTY_DB = 10.0
LIMITS: Mapping[str, tuple[float, float]] = {
    "0": (50, 40), "1": (55, 45), "2": (60, 50), "3": (65, 55), "4a": (70, 55), "4b": (70, 60),
}  # fmt: skip
"""Class of the area -> limits of day and night, dB. GB 3096-2008. [M]"""

Levels = Mapping[int, int]
"""Distribution: level in steps of RESOLUTION -> how many samples."""


def step(level: float) -> int:
    """The step that a level falls into."""
    return round(level / RESOLUTION)


def energy(level: float) -> float:
    """dB -> relative energy: 10^(L/10)."""
    return float(10 ** (level / 10))


def level(energy: float) -> float:
    """Relative energy -> dB: 10 · lg E."""
    if energy <= 0:
        raise FormulaError("no energy has no level")
    return 10 * math.log10(energy)


def leq(levels: Levels) -> float | None:
    """Equivalent level: 10 · lg of the mean of 10^(Li/10); None without samples."""
    count = sum(levels.values())
    if not count:
        return None
    return level(math.fsum(number * energy(one * RESOLUTION) for one, number in levels.items()) / count)


def exceeded(levels: Levels, share: float) -> float | None:
    """The level exceeded in `share` per cent of the time: of n samples from loud to quiet the one at n · share."""
    count = sum(levels.values())
    if not count:
        return None
    wanted = max(1, math.ceil(count * share / 100))
    seen = 0
    for one in sorted(levels, reverse=True):
        seen += levels[one]
        if seen >= wanted:
            return round(one * RESOLUTION, 2)
    raise AssertionError("the shares of a distribution add up to one")


def deviation(levels: Levels) -> float | None:
    """Standard deviation of the levels, dB."""
    count = sum(levels.values())
    if not count:
        return None
    mean = math.fsum(number * one for one, number in levels.items()) / count
    square = math.fsum(number * (one - mean) ** 2 for one, number in levels.items()) / count
    return math.sqrt(square) * RESOLUTION


def ldn(day: float, night: float, day_hours: float = 16.0) -> float:
    """Day-night level: the night counts 10 dB more. 10 · lg((16·10^(Ld/10) + 8·10^((Ln+10)/10))/24)."""
    night_hours = 24 - day_hours
    return level((day_hours * energy(day) + night_hours * energy(night + NIGHT_PENALTY_DB)) / 24)
