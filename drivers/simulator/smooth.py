"""Numbers that look measured: smooth, bounded, and the same for the same seed and second. Pure."""

from functools import lru_cache
from zlib import crc32

_MASK = (1 << 64) - 1


@lru_cache(maxsize=1 << 14)  # a curve asks for the same supports again and again
def chance(*key: int | str) -> float:
    """A number in [0, 1) that depends on nothing but the key."""
    mixed = 0x9E3779B97F4A7C15
    for part in key:
        number = part if isinstance(part, int) else crc32(part.encode())
        mixed = ((mixed ^ (number & _MASK)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed ^= mixed >> 31
        mixed = (mixed * 0x94D049BB133111EB) & _MASK  # the finaliser of SplitMix64
        mixed ^= mixed >> 29
    return mixed / (1 << 64)


def drift(t_s: float, period_s: float, *key: int | str) -> float:
    """A curve in [-1, 1] that wanders with no jump; `period_s` is the time between two of its supports."""
    step, within = divmod(t_s / period_s, 1.0)
    before, after = 2 * chance(*key, int(step)) - 1, 2 * chance(*key, int(step) + 1) - 1
    eased = within * within * (3 - 2 * within)
    return before + (after - before) * eased


def wander(t_s: float, *key: int | str) -> float:
    """Drift of hours, minutes and seconds together, in [-1, 1]: what a steady process looks like."""
    return (
        0.6 * drift(t_s, 7200, *key, "hours")
        + 0.3 * drift(t_s, 300, *key, "minutes")
        + 0.1 * drift(t_s, 4, *key, "seconds")
    )


def ramp(t_s: float, start_s: float, length_s: float) -> float:
    """0 before `start_s`, 1 from `length_s` later on, eased between."""
    share = min(1.0, max(0.0, (t_s - start_s) / length_s))
    return share * share * (3 - 2 * share)
