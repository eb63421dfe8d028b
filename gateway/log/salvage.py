"""Batches out of a damaged file into the log, a slice at a time, between commits.

Every page is looked at, whether or not the tree still leads to it; a row counts if its CRC and its body are right.
Positions stay, so that the cursors found with them still mean the same. The file is read from its end, so that it
can be cut shorter where the log would otherwise outgrow its bound; pages of rows that begin further ahead are kept
in memory meanwhile.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from gateway.batch import Batch
from gateway.log import pages
from gateway.log.database import PAGE_SIZE, save, state_crc
from gateway.log.eviction import Report, stored_bytes
from gateway.log.intervals import Intervals
from gateway.log.opening import GENERATION, ORIGIN
from gateway.log.row import Damaged, checked, columns
from gateway.log.spans import Spans
from gateway.log.wal import FRAME_HEADER, HEADER, beside
from gateway.log.work import CURSOR, GONE

SLICE_S = 0.05
"""Longest work between two looks at what waits to be committed."""

SLICE_BYTES = 1 << 20
KEPT_PAGES = (32 << 20) // PAGE_SIZE
"""Overflow pages kept in memory where the file is cut; what exceeds this costs their rows, which are then reported."""

MOST_FRAMES = 1 << 16
"""Newest frames of a WAL that are looked at: ten times what a log's WAL may hold."""

STATE_PAGES = 1024
STATE = "salvage"
_INSERT = "INSERT OR IGNORE INTO batches (position, stream, seq, created_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Slice:
    """What one step found: positions that are in the log now; `finished` when nothing is left to look at."""

    found: Intervals = field(default_factory=Intervals)
    finished: bool = False


class Salvage:
    """One damaged file. `settled` and `gone` are what it said of its batches, `since_ms` when its first was made."""

    def __init__(self, path: Path, origin: Mapping[str, Any], progress: bytes | None) -> None:
        self.path = path
        self.settled: dict[str, Intervals] = {}
        self.gone = Intervals()
        self.since_ms = 0
        self._spans = Spans(origin)
        self._origin = origin
        self._file = _open(path)
        self._wal = _open(beside(path, "-wal"))
        self._pages = os.fstat(self._file).st_size // PAGE_SIZE if self._file is not None else 0
        self._frames, self._newest = self._index_wal()
        self._undecided_at: int | None = None  # where to go on after a restart while a batch stands alone
        self._kept: dict[int, bytes] = {}
        self._used: set[int] = set()
        self._resume(progress)
        self._states_looked_for = False

    def close(self) -> None:
        """Let the files go."""
        for handle in (self._file, self._wal):
            if handle is not None:
                os.close(handle)
        self._file = self._wal = None

    # A step

    def step(self, connection: sqlite3.Connection, gone: Intervals, over: int) -> Slice:
        """Bring one slice into the log, in one transaction. `gone`: positions that hold no batch; `over`: bytes by
        which the log is too large. Raises sqlite3.Error."""
        if not self._states_looked_for:
            self._look_for_states()
        taken, slice_ = self._look(over > 0), Slice()
        connection.execute("BEGIN IMMEDIATE")
        try:
            left = gone.copy()
            for batch in taken:
                row = columns(replace(batch, position=self._place(batch.position)))
                if connection.execute(_INSERT, row).rowcount:
                    slice_.found.add(row[0])
                    left.remove(row[0])
            slice_.finished = not self._frames and self._pages == 0
            save(connection, {GONE: left.written(), STATE: self._progress()}, 0)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if over > 0 and self._file is not None:
            self._cut()
        return slice_

    def missing(self, connection: sqlite3.Connection, gone: Intervals, uplinks: tuple[str, ...]) -> list[Report]:
        """Reports of batches that were in the file and are not in the log: `gone` has what holds no batch now.
        Raises sqlite3.Error."""
        return self._spans.missing(connection, self._place, gone, self.gone, self.settled, uplinks)

    def _look(self, cutting: bool) -> list[Batch]:
        """Batches on the next pages. While the file is cut, no page can be looked at again, so none may wait."""
        taken = self._spans.settle() if cutting else []
        size, until = 0, time.monotonic() + SLICE_S
        while size < SLICE_BYTES and (self._frames or self._pages):
            at = -1 if self._frames else self._pages
            if self._frames:
                number, offset = self._frames.pop()
                page = _read(self._wal, offset, PAGE_SIZE)
            else:
                number = self._pages
                self._pages -= 1
                page = _read(self._file, (number - 1) * PAGE_SIZE, PAGE_SIZE)
            if page[100 if number == 1 else 0 :][:1] == bytes([pages.LEAF]):
                for found in self._leaf(number, page):
                    for batch in self._spans.believed(found):
                        taken.append(batch)
                        size += stored_bytes(len(batch.body))
            if not self._spans.undecided:
                self._undecided_at = None
            elif self._undecided_at is None:
                self._undecided_at = at
            if time.monotonic() > until:
                break
        if not self._frames and not self._pages:
            taken += self._spans.settle()
            self._undecided_at = None
        return taken

    def _look_for_states(self) -> None:
        """What uplinks have settled lies in the table made second, near the beginning: known before the first batch
        is found, it spares them repeats."""
        self._states_looked_for = True
        for number in range(1, min(self._pages, STATE_PAGES) + 1):
            page = _read(self._file, (number - 1) * PAGE_SIZE, PAGE_SIZE)
            for _, values, _ in pages.rows(page, number == 1, self._older):
                if len(values) == 5:
                    self._state(values)

    def _leaf(self, number: int, page: bytes) -> list[Batch]:
        """The batches on one leaf page; each is tried with the WAL's version of its overflow pages, then without."""
        found: dict[int, Batch] = {}
        for overflow in (self._overflow, self._older):
            for row, values, used in pages.rows(page, number == 1, overflow):
                if len(values) == 6 and row not in found:
                    batch = self._batch(row, values)
                    if batch is not None:
                        found[row] = batch
                        self._used.update(used)
                elif len(values) == 5:
                    self._state(values)
        return list(found.values())

    def _batch(self, row: int, values: list[pages.Value]) -> Batch | None:
        try:
            batch = checked((row, *values[1:]))
        except Damaged:
            return None
        origin = self._origin
        if origin["believed"] and batch.stream == origin["stream"] and batch.seq > origin["seq"]:
            return None  # its commit was never known to have succeeded, and its readings are in the new stream
        return batch if batch.position > 0 else None

    def _place(self, position: int) -> int:
        """The position, below those of the new file also where nothing told how far the old one had come."""
        begins: int = self._origin["begins"]
        return position if position < begins else begins - GENERATION // 2 + position % (GENERATION // 2)

    def _state(self, values: list[pages.Value]) -> None:
        name, crc, value = values[1], values[3], values[4]
        if not isinstance(name, str) or not isinstance(value, bytes) or state_crc(name, value) != crc:
            return
        if name == ORIGIN:
            self.since_ms = int(orjson.loads(value).get("since", 0))
        if name != GONE and not name.startswith(CURSOR):
            return
        try:
            runs = Intervals.read(value)
        except ValueError:
            return
        known = self.gone if name == GONE else self.settled.setdefault(name.removeprefix(CURSOR), Intervals())
        for run in runs:
            known.add(*run)

    # Pages

    def _index_wal(self) -> tuple[list[tuple[int, int]], dict[int, int]]:
        """The frames of the WAL as (page, offset), and the newest of each page."""
        frames: list[tuple[int, int]] = []
        length = os.fstat(self._wal).st_size if self._wal is not None else 0
        size = FRAME_HEADER + PAGE_SIZE
        first = max(0, (length - HEADER) // size - MOST_FRAMES)
        for offset in range(HEADER + first * size, length - FRAME_HEADER, size):
            number = int.from_bytes(_read(self._wal, offset, 4))
            frames.append((number, offset + FRAME_HEADER))
        return frames, dict(frames)

    def _overflow(self, number: int) -> bytes:
        if number in self._newest:
            return _read(self._wal, self._newest[number], PAGE_SIZE)
        return self._older(number)

    def _older(self, number: int) -> bytes:
        return self._kept.get(number) or _read(self._file, (number - 1) * PAGE_SIZE, PAGE_SIZE)

    def _cut(self) -> None:
        """Give back what was looked at. Pages that no row has claimed yet may belong to rows further ahead."""
        assert self._file is not None
        if self._spans.undecided:
            return  # the next slice settles it
        end = os.fstat(self._file).st_size // PAGE_SIZE
        for number in range(end, self._pages, -1):
            if number not in self._used and len(self._kept) < KEPT_PAGES:
                page = _read(self._file, (number - 1) * PAGE_SIZE, PAGE_SIZE)
                if page[:1] != bytes([pages.LEAF]) and any(page):
                    self._kept[number] = page
            self._used.discard(number)
        with contextlib.suppress(OSError):  # it stays long then, and other batches leave for it
            os.ftruncate(self._file, self._pages * PAGE_SIZE)

    # Across restarts

    def _progress(self) -> bytes:
        settled = {name: list(runs) for name, runs in self.settled.items()}
        pages_left = -1 if self._frames else self._pages
        if self._undecided_at is not None:
            pages_left = self._undecided_at
        known = [self._spans.written(), settled, list(self.gone), self.since_ms]
        return orjson.dumps([self.path.name, pages_left, *known])

    def _resume(self, progress: bytes | None) -> None:
        if progress is None:
            return
        name, pages_left, spans, settled, gone, self.since_ms = orjson.loads(progress)
        if name != self.path.name:
            self.since_ms = 0
            return
        self._spans.read(spans)
        self.settled = {uplink: Intervals((a, b) for a, b in runs) for uplink, runs in settled.items()}
        self.gone = Intervals((a, b) for a, b in gone)
        if pages_left >= 0:
            self._frames = []
            self._pages = min(self._pages, pages_left)


def _open(path: Path) -> int | None:
    """For reading and cutting; None if there is no such file. Raises OSError."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _read(handle: int | None, offset: int, length: int) -> bytes:
    """b"" where the file does not reach, or its blocks cannot be read any more."""
    if handle is None or offset < 0:
        return b""
    try:
        return os.pread(handle, length, offset)
    except (OSError, OverflowError):
        return b""
