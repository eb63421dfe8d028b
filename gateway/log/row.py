"""One row of the log: the batch, its CRC, and the check that each read passes before anything is handed out."""

import zlib

import orjson

from gateway.batch import Batch, plain

SELECT = "SELECT position, stream, seq, created_ms, crc, body FROM batches"
INSERT = "INSERT INTO batches (position, stream, seq, created_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"

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
        said = orjson.loads(plain(body))
        same = (said["stream"], said["seq"], said["created"]) == (stream, seq, created_ms)
    except (zlib.error, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Damaged(f"batch at position {position}: its body is no batch ({error})") from error
    if not same:
        raise Damaged(f"batch at position {position}: stored as {stream!r} {seq!r}, which its body is not")
    assert isinstance(stream, str)
    assert isinstance(seq, int)
    assert isinstance(created_ms, int)
    return Batch(position, stream, seq, created_ms, body)
