"""One row of the log: the batch, its CRC, and the check that each read passes before anything is handed out."""

import re
import zlib

import orjson

from gateway.batch import Batch, plain

SELECT = "SELECT position, stream, seq, created_ms, crc, body FROM batches"
INSERT = "INSERT INTO batches (position, stream, seq, created_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"

_HEAD = re.compile(
    rb'\{"v":1,"gateway":"(?:[^"\\]|\\.)*","stream":"([^"\\]*)",'
    rb'"seq":(\d{1,19}),"prev":"[0-9a-f]{64}","created":(\d{1,19}),'
)
"""How a body begins that gateway/batch.py has encoded: the name is there without reading the rest. A backlog of 2,000
points a batch is so read in a third of the time, compressed in an eighth (tests/benchmarks/drain.py)."""
_HEAD_BYTES = 1024
"""Uncompressed bytes in which a head is looked for."""

Columns = tuple[int, str, int, int, int, bytes]


class Damaged(Exception):
    """The log's file is not what was written to it; the text says what was seen."""


def columns(batch: Batch) -> Columns:
    """The row of a batch. The CRC is over the stored body; the other columns are repeated in the body."""
    return (batch.position, batch.stream, batch.seq, batch.created_ms, zlib.crc32(batch.body), batch.body)


def checked(row: tuple[object, ...]) -> Batch:
    """The batch of a row that is what was written. Raises Damaged."""
    position, stream, seq, created_ms, crc, body = row
    if not isinstance(position, int) or not isinstance(body, bytes) or zlib.crc32(body) != crc:
        raise Damaged(f"batch at position {position!r}: its bytes do not have their CRC")
    try:
        same = _named(body) == (stream, seq, created_ms)
    except (zlib.error, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Damaged(f"batch at position {position}: its body is no batch ({error})") from error
    if not same:
        raise Damaged(f"batch at position {position}: stored as {stream!r} {seq!r}, which its body is not")
    assert isinstance(stream, str)
    assert isinstance(seq, int)
    assert isinstance(created_ms, int)
    return Batch(position, stream, seq, created_ms, body)


def _named(body: bytes) -> tuple[object, object, object]:
    """Stream, seq and creation as the body says them; that all of it is as it was written is the CRC's matter.

    Raises zlib.error, orjson.JSONDecodeError, KeyError, TypeError.
    """
    start = zlib.decompressobj().decompress(body, _HEAD_BYTES) if body[:1] == b"\x78" else body
    if head := _HEAD.match(start):
        return head[1].decode("utf-8", "replace"), int(head[2]), int(head[3])
    said = orjson.loads(plain(body))  # written otherwise, or a name that fills the head
    return said["stream"], said["seq"], said["created"]
