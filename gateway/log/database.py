"""The database file: its form, its schema, and what it says when opened. All of this runs in the database's thread.

Form, with the reason for each choice:
- `page_size` 512: a commit rewrites whole pages, and most commits are a few hundred bytes to a few KiB. Measured at
  2,000 points a second with zlib: 512 writes 9.1 bytes a point to the disk, 1024 10.4, 4096 16.4.
- `synchronous=FULL` in WAL mode: a commit that returned survives a power cut (measured with NORMAL: 315 of 400 cuts
  lost commits).
- `auto_vacuum=INCREMENTAL`: freed space can be given back to the file system, a little at a time.
- `position` is given by the log and not by AUTOINCREMENT, which would rewrite one more page with each commit. It is
  never given twice: the newest batch is never evicted.
- No memory map: an I/O error there is a signal that kills the process, not an error that can be handled.
"""

import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.batch import Batch
from gateway.errors import LogTooNew
from gateway.log import wal
from gateway.log.row import SELECT, Damaged, checked

PAGE_SIZE = 512
APPLICATION_ID = 0x46474C47  # "FGLG", in the file's header: tells our log from any other SQLite database
SCHEMA = 1
BUSY_S = 5.0
"""Longest wait for a reader (`verify`, `export`) that recovers the WAL; the log itself has one connection."""

MOST_ROW = 64 << 20
"""A batch is far smaller; a longer row is damage, for which no memory is to be had."""

TABLES: Mapping[str, str] = {
    "batches": "CREATE TABLE batches (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL)",
    # cursors (runs of settled positions by uplink), what `keep` was given, salvage under way
    "state": "CREATE TABLE state (id INTEGER PRIMARY KEY, name TEXT NOT NULL, position INTEGER NOT NULL, "
    "crc INTEGER NOT NULL, value BLOB NOT NULL)",
    # readings taken under an implausible clock, committed without a seq until the time is known
    "held": "CREATE TABLE held (id INTEGER PRIMARY KEY, boot TEXT NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL)",
}
MIGRATIONS: Mapping[int, tuple[str, ...]] = {}
"""Statements that make schema n + 1 of schema n, by n."""

_TROUBLE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_ABORT, sqlite3.SQLITE_AUTH,
}  # fmt: skip
_UNREADABLE = {
    sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_DATA,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}  # fmt: skip


FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What working with the database raises; the last where SQLite's own message quotes a damaged schema."""


def is_damage(error: Exception) -> bool:
    """Whether the file is wrong (it will not get better), not the disk or the machine (it may)."""
    if isinstance(error, UnicodeDecodeError | Damaged):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) not in _TROUBLE


def is_unreadable(error: Exception) -> bool:
    """Whether a place on the disk could not be read: if that lasts, it is damage like any other."""
    return getattr(error, "sqlite_errorcode", None) in _UNREADABLE


@dataclass(slots=True)
class Standing:
    """What an opened log holds: its newest batch, and its state by name as (position it was saved with, value)."""

    newest: Batch | None = None
    states: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    held: int = 0  # id of the newest row of held readings
    torn: bool = False  # the WAL ends in something that is no whole commit


def connect(path: Path, wal_bytes: int) -> sqlite3.Connection:
    """A connection in the log's form; an absent or empty file gets it. Raises sqlite3.Error."""
    new = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    connection.text_factory = _text
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW)
    try:
        for pragma in (
            f"page_size = {PAGE_SIZE}",
            *(["auto_vacuum = INCREMENTAL"] if new else []),  # said again, it writes to the file
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {max(16, wal_bytes // PAGE_SIZE)}",
            f"journal_size_limit = {wal_bytes}",
            "temp_store = MEMORY",
            "cache_size = -2048",
            "mmap_size = 0",
            "cell_size_check = ON",
            "trusted_schema = OFF",
            "secure_delete = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _text(stored: bytes) -> str:
    """Damage in a text must not stop a reader: the row is refused because of what it says then."""
    return stored.decode("utf-8", "replace")


def inspect(connection: sqlite3.Connection, path: Path) -> Standing:
    """Check what was opened, make it durable, and say what it holds.

    Afterwards all of it is in the file itself and the WAL is empty: a batch found in a WAL after a kill may never
    have been synced, and must not be published before it is. Raises Damaged, LogTooNew, sqlite3.Error.
    """
    standing = Standing(torn=wal.ends_torn(path))
    version = _version(connection, path)
    truncate(connection)
    if version == 0:
        _create(connection)
        truncate(connection)
        return standing
    # Whether it can be written at all is found out now, and by a write: SQLite quietly begins a transaction that only
    # reads where the file's header forbids writing. What is rolled back never reaches the file.
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("UPDATE state SET position = position WHERE name = 'schema'")
    finally:
        connection.execute("ROLLBACK")
    _migrate(connection, version)
    for name, position, crc, value in connection.execute("SELECT name, position, crc, value FROM state"):
        if not isinstance(value, bytes) or not isinstance(name, str) or state_crc(name, value) != crc:
            raise Damaged(f"state {name!r}: its bytes do not have their CRC")
        standing.states[name] = (position, value)
    newest = connection.execute(f"{SELECT} ORDER BY position DESC LIMIT 1").fetchone()
    standing.newest = checked(newest) if newest else None
    standing.held = connection.execute("SELECT max(id) FROM held").fetchone()[0] or 0
    return standing


def truncate(connection: sqlite3.Connection) -> None:
    """Bring all of the WAL into the file, sync it, and empty the WAL. Raises sqlite3.Error if that is not complete."""
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        error = sqlite3.OperationalError("a reader keeps the WAL from being emptied")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's number, 0 for a file in which nothing was made yet. Raises Damaged, LogTooNew, sqlite3.Error."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables: dict[str, str] = {
        str(name): str(sql) for name, sql in connection.execute("SELECT name, sql FROM sqlite_master")
    }
    if (application, version, tables) == (0, 0, {}):
        return 0
    if application != APPLICATION_ID:
        raise Damaged(f"{path}: not a log of fieldgate (application id {application:#x}, tables {sorted(tables)})")
    if version > SCHEMA and _says(connection, version):
        raise LogTooNew(
            f"{path}: schema {version}, and this release knows up to {SCHEMA}; a newer release wrote it. "
            f"Install that release, or name another path under log"
        )
    if not 1 <= version <= SCHEMA or (version == SCHEMA and tables != dict(TABLES)):
        raise Damaged(f"{path}: schema {version} with tables {sorted(tables)} is none that a release ever made")
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    if size != PAGE_SIZE:
        raise Damaged(f"{path}: pages of {size} bytes, a log has {PAGE_SIZE}")
    return int(version)


def _says(connection: sqlite3.Connection, version: int) -> bool:
    """Whether the state table names the version too: a number in the header alone may be a flipped bit."""
    row = connection.execute("SELECT value, crc FROM state WHERE name = 'schema'").fetchone()
    return row is not None and row[0] == b"%d" % version and row[1] == state_crc("schema", row[0])


def _create(connection: sqlite3.Connection) -> None:
    """The schema, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES.values():
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        save(connection, {"schema": b"%d" % SCHEMA}, 0)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older schema up to this release's, all or nothing."""
    if version == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for older in range(version, SCHEMA):
            for statement in MIGRATIONS[older]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        save(connection, {"schema": b"%d" % SCHEMA}, 0)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def state_crc(name: str, value: bytes) -> int:
    """The CRC of one row of `state`."""
    return zlib.crc32(value, zlib.crc32(name.encode()))


def save(connection: sqlite3.Connection, states: Mapping[str, bytes | None], position: int) -> None:
    """Save values by name, within the transaction under way; None removes the name."""
    for name, value in states.items():
        if value is None:
            connection.execute("DELETE FROM state WHERE name = ?", (name,))
            continue
        row = (position, state_crc(name, value), value, name)
        changed = connection.execute("UPDATE state SET position = ?, crc = ?, value = ? WHERE name = ?", row)
        if changed.rowcount == 0:
            connection.execute("INSERT INTO state (position, crc, value, name) VALUES (?, ?, ?, ?)", row)
