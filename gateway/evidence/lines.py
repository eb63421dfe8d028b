"""A recorded feed: a text file, gzip or not, with one message a line, in any of these forms, also mixed.

    {"topic": "…", "body": {…}}       the body as JSON; its bytes are made again with orjson, key order as received
    {"topic": "…", "body": "{…}"}     the body's exact text
    {"topic": "…", "body": "eNq…"}    the exact payload in base64 or hex (zlib or plain)
    {"v": 1, "gateway": …}            the body itself, exact, without its topic
    1764000001.12 fieldgate/v1/… 7b…  what `mosquitto_sub -F '%U %t %x'` prints: time, topic, payload in hex

`payload` is taken for `body`, so that `mosquitto_sub -F %j` is read too. (`-F %J` is read as an object, but mosquitto
writes some numbers anew: 5.0 becomes 5, and the digest another.)
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import orjson

from gateway.evidence.item import Finding, Item

LINE_LIMIT = 256 * 2**20
"""Bytes of one line: a body of the longest readable size in hex, with room."""

Progress = Callable[[int, int], None]
"""Called now and then with how much has been read and how much there is (bytes or rows)."""


def read_recorded(path: Path, progress: Progress | None = None) -> Iterator[Item | Finding]:
    """Every message of a recorded feed in a file."""
    size = path.stat().st_size
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        lines: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
        for number, item in enumerate(read_lines(_lines(lines))):
            if progress is not None and number % 1000 == 0:
                progress(raw.tell(), size)
            yield item


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LINE_LIMIT):
        yield line


def read_lines(lines: Iterable[bytes]) -> Iterator[Item | Finding]:
    """Every message of a recorded feed, from lines with or without their end."""
    try:
        for number, line in enumerate(lines, 1):
            if text := line.strip():
                yield _item(text, f"line {number}")
    except (EOFError, OSError, zlib.error) as error:
        yield Finding("unreadable", details={"place": "the end of the file", "reason": f"it is damaged ({error})"})


def _item(line: bytes, place: str) -> Item | Finding:
    try:
        return _json(line, place) if line[:1] == b"{" else _printed(line, place)
    except ValueError as error:
        return Finding("unreadable", details={"place": place, "reason": str(error)})


def _printed(line: bytes, place: str) -> Item:
    """`time topic hex`; a topic may contain spaces, the others do not. An empty payload leaves nothing after it."""
    parts = line.decode().split(" ")
    if len(parts) < 2:
        raise ValueError("it is neither a JSON object nor `time topic hex`")
    topic, payload = (" ".join(parts[1:-1]), parts[-1]) if len(parts) > 2 else (parts[1], "")
    try:
        return Item(topic, bytes.fromhex(payload), place)
    except ValueError as error:
        raise ValueError(f"its payload is no hex ({error})") from error


def _json(line: bytes, place: str) -> Item:
    record: dict[str, Any] = orjson.loads(line)
    topic = record.get("topic")
    body = record.get("body", record.get("payload"))
    if topic is None and body is None:
        return Item(None, line, place)
    if topic is not None and not isinstance(topic, str):
        raise ValueError(f"its topic is {topic!r}")
    if isinstance(body, dict):
        return Item(topic, orjson.dumps(body), place, exact=False)
    if isinstance(body, str):
        return Item(topic, _bytes(body), place)
    if body is None:
        return Item(topic, b"", place)
    raise ValueError(f"its body is a {type(body).__name__}, not an object or a string")


def _bytes(text: str) -> bytes:
    """The payload that a string stands for: its text, or hex or base64 of `{…` or of zlib data.

    No body's text begins with a hex digit or as the base64 of `{` or of 0x78 does, so the forms cannot be confused.
    """
    if not text.startswith(("7", "e")):
        return text.encode()
    for decode in (bytes.fromhex, lambda value: base64.b64decode(value, validate=True)):
        try:
            payload = decode(text)
        except (ValueError, binascii.Error):
            continue
        if payload[:1] in (b"{", b"\x78"):
            return payload
    return text.encode()
