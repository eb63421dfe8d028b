"""A batch: what is committed together, named (gateway, stream, seq), and the exact bytes that say so.

`encode` is the only writer of the feed's body (contract.md §2); docs/feed.md gives the canonical bytes.
"""

import hashlib
import zlib
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import orjson

from gateway.reading import Event, Reading, Value, Window

ZLIB_LEVEL = 4
"""With Z_FILTERED, which leaves short matches alone, as digits make them by chance: a tenth to a third less on the
disk than level 1 for 0.1 to 0.3 µs a reading more (tests/benchmarks/flash.py). Level 6 saves hardly more for twice as
much."""

FIRST_PREV = "0" * 64
"""`prev` of seq 1: there is no batch before it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One committed batch. `position` orders all batches of the log, across its streams; `body` is as published."""

    position: int
    stream: str
    seq: int
    created_ms: int
    body: bytes


class Signal(Protocol):
    """What can be waited for: an asyncio.Event."""

    def is_set(self) -> bool: ...
    def clear(self) -> None: ...
    async def wait(self) -> object: ...


class Feed(Protocol):
    """The log as an uplink sees it. Positions rise; a batch shown here is committed, and stays until it is evicted."""

    @property
    def stream(self) -> str:
        """The stream that is being written."""

    def newest(self) -> int:
        """Position of the last committed batch, 0 if there is none."""

    async def committed_after(self, position: int) -> Sequence[Batch]:
        """Wait until something newer than `position` is committed; return what of it is still held in memory, in order.

        What has left memory is not returned here; `undelivered` finds it.
        """

    async def undelivered(self, uplink: str, before: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        """Oldest batches with after < position < before that `uplink` has neither settled nor set aside, in order."""

    def needs(self, uplink: str, position: int) -> bool:
        """Whether `uplink` has neither settled nor set aside this one."""

    def settle(self, uplink: str, position: int) -> None:
        """The broker acknowledged it with success. Durable with the next commit; a crash before means a repeat."""

    def set_aside(self, uplink: str, position: int, reason: str) -> None:
        """The broker refuses this batch for good: do not offer it again, and say so in an event."""

    def backlog(self, uplink: str) -> tuple[int, int | None]:
        """How many batches are undelivered, and `created_ms` of the oldest (None if there is none)."""

    def committing(self) -> Awaitable[Any] | None:
        """The commit under way, if any. Live data wait for it."""

    def recovered(self, uplink: str) -> Signal:
        """Set when old batches have become undelivered again; cleared by the uplink before it looks for them."""

    async def between(self, from_ms: int, to_ms: int, after: int = 0, limit: int = 64) -> Sequence[Batch]:
        """Batches, settled or not, with from_ms <= created_ms < to_ms and position > after, by position."""

    async def evicted(self, from_ms: int, to_ms: int) -> Sequence[tuple[int, int]]:
        """The parts of [from_ms, to_ms) whose batches were removed, as (from, to) in ms, rising and apart."""


def encode(
    gateway: str,
    stream: str,
    seq: int,
    prev: str,
    created_ms: int,
    clock: str,
    samples: Iterable[Reading] = (),
    windows: Iterable[Window] = (),
    events: Iterable[Event] = (),
) -> bytes:
    """The uncompressed body of one batch: UTF-8 JSON, keys in this fixed order, no spaces.

    Raises TypeError for what JSON cannot say.
    """
    head = {
        "v": 1,
        "gateway": gateway,
        "stream": stream,
        "seq": seq,
        "prev": prev,
        "created": created_ms,
        "clock": clock,
    }
    return b'%b,"samples":[%b],"windows":%b,"events":%b}' % (
        orjson.dumps(head)[:-1],
        b",".join([_sample(reading) for reading in samples]),
        orjson.dumps([_window(window) for window in windows]),
        orjson.dumps([_event(event) for event in events]),
    )


def _sample(reading: Reading) -> bytes:
    sample, points = reading.sample, reading.points
    # the instrument's own time stands beside ours, and never in its place
    own = b"" if sample.at_ms is None else b',"at":%d' % sample.at_ms
    return b'{"instrument":%b,"ts":%d,"lag":%d%b,"values":%b,"flags":%b,"why":%b}' % (
        orjson.dumps(reading.instrument),
        reading.ts_ms,
        reading.lag_ms,
        own,
        _values(points, sample.values),
        orjson.dumps({points[index]: flag.value for index, flag in sample.flags.items()}) if sample.flags else b"{}",
        orjson.dumps({points[index]: why for index, why in sample.why.items()}) if sample.why else b"{}",
    )


def _values(points: tuple[str, ...], values: tuple[Value, ...]) -> bytes:
    """The object of a reading's values.

    Its names are the same in every reading of an instrument, so that their text is made once, and the texts of the
    values are put between them. That costs half of a dict for each reading, which was the dearest part of a batch
    (tests/benchmarks/stages.py).
    """
    texts = orjson.dumps(values)[1:-1].split(b",")
    if not len(texts) == len(points) == len(values):  # a text among the values has a comma of its own
        return orjson.dumps(dict(zip(points, values, strict=True)))
    parts = _names(points).copy()
    parts[1::2] = texts
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _names(points: tuple[str, ...]) -> list[bytes]:
    """`{"a":`, a place for the value, `,"b":`, another, and so on to `}`."""
    parts: list[bytes] = []
    for point in points:
        parts += (b"," if parts else b"{") + orjson.dumps(point) + b":", b""
    return [*parts, b"}"]


def _window(window: Window) -> dict[str, Any]:
    return {
        "instrument": window.instrument,
        "period": window.period,
        "start": window.start_ms,
        "rev": window.rev,
        "values": window.values,
    }


def _event(event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {"ts": event.ts_ms, "kind": event.kind}
    for key in ("instrument", "point", "level"):
        if (value := getattr(event, key)) is not None:
            row[key] = value
    row["data"] = event.data
    return row


def digest(body: bytes) -> str:
    """SHA-256 (hex) of the uncompressed body: the next batch's `prev`."""
    return hashlib.sha256(plain(body)).hexdigest()


def pack(body: bytes, compression: str) -> bytes:
    """The body as stored and published; `compression` is none or zlib."""
    if compression != "zlib":
        return body
    squeeze = zlib.compressobj(ZLIB_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    return squeeze.compress(body) + squeeze.flush()


def plain(body: bytes) -> bytes:
    """The uncompressed body; tells the form by its first byte, `{` or 0x78. Raises zlib.error on damage."""
    return zlib.decompress(body) if body[:1] == b"\x78" else body
