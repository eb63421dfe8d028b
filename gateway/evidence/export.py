"""Readings out of a log as a table: one row a value, CSV or JSON lines, by due time."""

import csv
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from typing import IO, Any, Protocol

import orjson

from drivers.contract import Value
from gateway.batch import plain
from gateway.evidence.report import iso


class Stored(Protocol):
    """What of a log's row is exported."""

    @property
    def position(self) -> int: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def sound(self) -> bool: ...


class Damaged(Exception):
    """A row of the log that cannot be trusted; an export names it and leaves its values out."""


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value. `time` is `ts` as ISO 8601 UTC; `due` is when its poll was due; `flag` N is normal."""

    instrument: str
    point: str
    time: str
    ts: int
    due: int
    value: Value
    flag: str
    why: str
    unit: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which values: due in [from_ms, to_ms), of these instruments (none given: all)."""

    from_ms: int
    to_ms: int
    instruments: Collection[str] = ()


def export_rows(
    rows: Iterable[Stored],
    wanted: Wanted,
    units: Mapping[tuple[str, str], str],
    damaged: Callable[[str], None],
) -> Iterator[ValueRow]:
    """The wanted values in the order of the log. `units` by (instrument, point). `damaged` is told of each bad row.

    Every row is looked at: samples that were re-dated or backfilled stand far from their time in the log.
    """
    for row in rows:
        try:
            body = _body(row)
        except Damaged as error:
            damaged(str(error))
            continue
        for sample in body["samples"]:
            if wanted.from_ms <= sample["ts"] - sample["lag"] < wanted.to_ms and (
                not wanted.instruments or sample["instrument"] in wanted.instruments
            ):
                yield from _values(sample, units)


def _body(row: Stored) -> Mapping[str, Any]:
    if not row.sound:
        raise Damaged(f"position {row.position}: its bytes do not have their CRC")
    try:
        body: Mapping[str, Any] = orjson.loads(plain(row.body))
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise Damaged(f"position {row.position}: its body cannot be read ({error})") from error
    return body


def _values(sample: Mapping[str, Any], units: Mapping[tuple[str, str], str]) -> Iterator[ValueRow]:
    instrument, ts = sample["instrument"], sample["ts"]
    time, due, flags, why = iso(ts), ts - sample["lag"], sample["flags"], sample["why"]
    for point, value in sample["values"].items():
        unit = units.get((instrument, point), "")
        yield ValueRow(instrument, point, time, ts, due, value, flags.get(point, "N"), why.get(point, ""), unit)


COLUMNS = tuple(field.name for field in fields(ValueRow))


def write_csv(rows: Iterable[ValueRow], target: IO[str], progress: Callable[[int], None] | None = None) -> int:
    """RFC 4180 with a header line; a null is an empty field, a bool true or false. Returns the number of values."""
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([_cell(value) for value in astuple(row)])
        count += 1
        if progress is not None and count % 10_000 == 0:
            progress(count)
    return count


def _cell(value: Value) -> str:
    """Numbers as in the feed, text untouched."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def write_json_lines(rows: Iterable[ValueRow], target: IO[bytes], progress: Callable[[int], None] | None = None) -> int:
    """One JSON object a line, keys as COLUMNS, numbers as in the feed. Returns the number of values."""
    count = 0
    for row in rows:
        target.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
        if progress is not None and count % 10_000 == 0:
            progress(count)
    return count


def bundle_span(rows: Iterable[Stored], from_ms: int, to_ms: int) -> tuple[int, int]:
    """First and last position of a bundle of what was made in [from_ms, to_ms); (0, 0) if nothing was.

    Everything between belongs to the chain, also where the clock was set back; and the first checkpoint after it
    goes along, because it signs the range.
    """
    first = last = closing = 0
    for row in rows:
        if from_ms <= row.created_ms < to_ms:
            first, last, closing = first or row.position, row.position, 0
        elif first and not closing and row.sound and b'"log.checkpoint"' in plain(row.body):
            closing = row.position
    return first, closing or last
