"""Reads a log without writing to it, also while the gateway runs: for `verify`, `export` and salvage by eye.

Rows are read in short transactions, because a reader that stays keeps the WAL from being reused, and it would
grow past the log's bound. SQLite has no checksum on its pages, so each row is checked against its own CRC.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson

CHUNK = 256
"""Rows of one short transaction: at a few KiB a row about a megabyte."""

BUSY_S = 5.0
"""Longest wait for the writer; in WAL mode readers wait only while the log is being recovered."""

SKIP_LIMIT = 10_000
"""Unreadable positions in a row after which the rest of a damaged file is given up."""

_TROUBLE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""Primary result codes that say nothing of the file's contents."""

_SELECT = "SELECT position, stream, seq, created_ms, crc, body FROM batches"


class NoLog(Exception):
    """The file is no log that this release can read; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored batch. `sound`: its bytes have the stored CRC; what is not sound may be anything."""

    position: int
    stream: str
    seq: int
    created_ms: int
    body: bytes
    sound: bool


class Archive:
    """A log opened for reading. Raises NoLog. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[tuple[int, int]] = []  # positions whose rows cannot be read: first, last
        self._wal = path.with_name(path.name + "-wal")
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def span(self) -> tuple[int, int]:
        """First and last position, 0 for what an empty or damaged log does not tell."""
        return self._ask("SELECT min(position) FROM batches"), self._ask("SELECT max(position) FROM batches")

    def _ask(self, question: str) -> int:
        try:
            (answer,) = self._database.execute(question).fetchone()
        except sqlite3.DatabaseError:
            return 0
        return answer or 0

    def gone(self) -> list[tuple[int, int]]:
        """Runs of positions that the log has recorded as removed by itself (size, age, damage); empty if it has not."""
        try:
            value, crc = self._database.execute("SELECT value, crc FROM state WHERE name = 'gone'").fetchone()
            if zlib.crc32(value, zlib.crc32(b"gone")) != crc:
                return []
            return [(int(first), int(last)) for first, last in orjson.loads(value)]
        except (sqlite3.DatabaseError, TypeError, ValueError):  # no such table or row, or a damaged one
            return []

    def rows(self, after: int = 0) -> Iterator[Row]:
        """All rows with a position above `after`, rising; what cannot be read is skipped and noted in `damaged`."""
        chunk, skipped = CHUNK, 0
        last = self.span()[1]
        while skipped < SKIP_LIMIT:
            found = self._chunk(after, chunk)
            if self._still and self._stamp() != self._opened:
                self._database.close()
                self._open()
                continue
            if found is None and chunk > 1:  # find the bad row
                chunk = 1
                continue
            if found is None:
                after += 1
                skipped += 1
                self._damage(after)
                if after == last:
                    return
                continue
            if not found:
                return
            chunk, skipped = CHUNK if skipped == 0 else 1, 0
            for row in found:
                after = row[0]
                yield _row(*row)

    def _chunk(self, after: int, limit: int) -> list[tuple[Any, ...]] | None:
        """The next rows, None where the file is damaged. Raises NoLog where it is the disk or a writer."""
        try:
            rows = self._database.execute(f"{_SELECT} WHERE position > ? ORDER BY position LIMIT ?", (after, limit))
            return rows.fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in _TROUBLE:
                raise NoLog(f"{self.path}: the log cannot be read on after position {after} ({error})") from error
            return None

    def _damage(self, position: int) -> None:
        if self.damaged and self.damaged[-1][1] == position - 1:
            self.damaged[-1] = (self.damaged[-1][0], position)
        else:
            self.damaged.append((position, position))

    def _stamp(self) -> tuple[int, int, int]:
        """What changes whenever anything is written: the file's time and size, the WAL's size."""
        log = self.path.stat()
        return log.st_mtime_ns, log.st_size, self._wal.stat().st_size if self._wal.exists() else 0

    def _open(self) -> None:
        """Open without leaving anything beside the log.

        A log that was stopped cleanly has no WAL. SQLite would make an empty one, which could pass for the WAL of
        an unclean stop, and refuse where it cannot (a USB stick, another user's log). The file itself changes only
        through a WAL, so without one it is read as immutable, and read again if anything was written meanwhile.
        """
        if not self.path.is_file():
            raise NoLog(f"{self.path}: there is no such file")
        self._opened = self._stamp()
        self._still = self._opened[2] == 0
        name = f"file:{quote(str(self.path.absolute()))}?mode=ro" + ("&immutable=1" if self._still else "")
        self._database = sqlite3.connect(name, uri=True, isolation_level=None, timeout=BUSY_S)
        self._database.text_factory = lambda text: text.decode("utf-8", "replace")  # damage must not stop a reader
        try:
            self._database.execute(f"{_SELECT} LIMIT 0").fetchall()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise NoLog(f"{self.path}: no log can be read here ({error})") from error


def _row(position: int, stream: object, seq: object, created_ms: object, crc: object, body: object) -> Row:
    """The row with what its columns hold; columns of another kind than ours are damage."""
    if isinstance(stream, str) and isinstance(seq, int) and isinstance(created_ms, int) and isinstance(body, bytes):
        return Row(position, stream, seq, created_ms, body, zlib.crc32(body) == crc)
    return Row(position, str(stream), seq if isinstance(seq, int) else 0, 0, b"", sound=False)


def is_log(path: Path) -> bool:
    """Whether the file begins as a SQLite database does."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
