"""A log file with the table that readers rely on, written by plain SQLite."""

import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path

import orjson

from gateway.batch import pack


def write_log(path: Path, bodies: Iterable[bytes], compression: str = "none") -> Path:
    """A log holding the bodies in their order, stopped cleanly."""
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE batches (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL,"
            " created_ms INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL)"
        )
        append(database, bodies, compression)
    finally:
        database.close()
    return path


def append(database: sqlite3.Connection, bodies: Iterable[bytes], compression: str = "none") -> None:
    """Commit the bodies as further rows."""
    with database:
        for body in bodies:
            fields, stored = orjson.loads(body), pack(body, compression)
            database.execute(
                "INSERT INTO batches (stream, seq, created_ms, crc, body) VALUES (?, ?, ?, ?, ?)",
                (fields["stream"], fields["seq"], fields["created"], zlib.crc32(stored), stored),
            )
