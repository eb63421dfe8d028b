"""Readings taken at start under an implausible clock: held back without a seq, and re-dated when the time is known.

Held readings are committed aside (table `held`) with the boot in which they were taken. When the clock is set in
that boot, each gets `ts = now - (boot clock now - boot clock then)`, exact whatever the wall clock said before;
`lag` stays, so the due time moves along. When the hold ends without a time, or when they are found after a reboot,
they go out as they are. Every batch of released readings carries an event `log.released` with `redated`, `by_ms`
(what was added to the stamps; null if nothing), `readings`, `from` and `to`, and its `clock` is `unset` unless
they were re-dated.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from gateway.clock import Clock, ClockState
from gateway.reading import Flag, Reading, Sample

RELEASED = "log.released"


def boot_id() -> str:
    """This boot's id, "" if it is not told. A hardened unit hides the kernel's file and passes the id instead."""
    given = os.environ.get("FIELDGATE_BOOT_ID", "")
    if given:
        return given.replace("-", "")
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")
    except OSError:
        return ""


class Holding:
    """Whether readings are held back now, and what the clock of a batch is called."""

    def __init__(self, clock: Clock, hold_s: float, hold_until: str, release_ms: int, newest_ms: int | None) -> None:
        self._clock = clock
        self._release_ms = release_ms
        self._behind_ms = newest_ms  # until the clock is beyond it or confirmed it cannot be right
        self._wants = (ClockState.SYNCED,) if hold_until == "synced" else (ClockState.SYNCED, ClockState.HOLDOVER)
        self.active = hold_s > 0 and self.state() not in self._wants
        self._until_s = clock.monotonic() + hold_s

    def state(self) -> ClockState:
        """The clock by contract.md §2: never believed before this release or, unconfirmed, before the log's end."""
        now, state = self._clock.now_ms(), self._clock.state()
        if now < self._release_ms:
            return ClockState.UNSET
        if state is ClockState.SYNCED:
            self._behind_ms = None
        if self._behind_ms is not None:
            if now < self._behind_ms:
                return ClockState.UNSET
            self._behind_ms = None
        return state

    def resume(self, first_s: float, hold_s: float) -> None:
        """Readings of this boot are held already, since boot second `first_s`: the hold counts from there."""
        self._until_s = min(self._until_s, first_s + hold_s)

    def ends(self) -> bool:
        """Whether the hold is over; from then on nothing is held again until the next start."""
        if self.active and (self.state() in self._wants or self._clock.monotonic() >= self._until_s):
            self.active = False
        return not self.active

    def known(self) -> bool:
        """Whether the time is known well enough to re-date."""
        return self.state() in self._wants


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One row of the table `held`."""

    id: int
    boot: str
    readings: tuple[Reading, ...]


def written(boot: str, readings: Sequence[Reading]) -> tuple[str, int, bytes]:
    """The row (boot, crc, body) for readings held back."""
    body = orjson.dumps([_fields(reading) for reading in readings])
    return boot, zlib.crc32(body, zlib.crc32(boot.encode())), body


def read(row: tuple[int, str, int, bytes]) -> HeldRow:
    """What `written` made. Raises ValueError for a row that is damaged."""
    number, boot, crc, body = row
    if not isinstance(body, bytes) or not isinstance(boot, str) or zlib.crc32(body, zlib.crc32(boot.encode())) != crc:
        raise ValueError(f"held row {number}: its bytes do not have their CRC")
    return HeldRow(number, boot, tuple(_reading(fields) for fields in orjson.loads(body)))


def redated(reading: Reading, now_ms: int, monotonic_s: float) -> Reading:
    """The reading with the stamp that a right clock would have given."""
    return replace(reading, ts_ms=now_ms - round((monotonic_s - reading.monotonic_s) * 1000))


def _fields(reading: Reading) -> list[Any]:
    sample = reading.sample
    return [
        reading.instrument, reading.points, reading.ts_ms, reading.lag_ms, reading.monotonic_s, sample.values,
        [[index, flag.value] for index, flag in sample.flags.items()],
        [[index, why] for index, why in sample.why.items()],
        sample.result, sample.at_ms,
    ]  # fmt: skip


def _reading(fields: list[Any]) -> Reading:
    instrument, points, ts_ms, lag_ms, monotonic_s, values, flags, why, result, *own = fields
    flagged = {index: Flag(flag) for index, flag in flags}
    sample = Sample(tuple(values), flagged, dict(why), result, *own)  # rows of 0.1.0 have no time of their own
    return Reading(instrument, tuple(points), ts_ms, lag_ms, sample, monotonic_s)
