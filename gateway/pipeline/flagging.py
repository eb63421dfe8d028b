"""Flags put on the values of a sample; a worse one stays."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.windows import SEVERITY
from gateway.reading import Flag, Reading

Doubt = tuple[int, Flag, str]
"""(index of the value, flag, why)"""


def worse(one: Flag, other: Flag) -> Flag:
    """The one that counts where both hold."""
    return one if SEVERITY.index(one.value) <= SEVERITY.index(other.value) else other


def flagged(reading: Reading, doubts: Iterable[Doubt]) -> Reading:
    """The reading with the flags that are worse than those it has; its values stay as they are."""
    flags, why = dict(reading.sample.flags), dict(reading.sample.why)
    changed = False
    for index, flag, words in doubts:
        if flag is not flags.get(index) and worse(flag, flags.get(index, Flag.NORMAL)) is flag:
            flags[index], why[index] = flag, words
            changed = True
    if not changed:
        return reading
    return replace(reading, sample=replace(reading.sample, flags=flags, why=why))
