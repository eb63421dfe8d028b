"""Values out of a log: nothing added, nothing changed, nothing doubtful."""

import csv
import io
import sqlite3
from pathlib import Path

import orjson
import pytest

from drivers.contract import Flag, Sample
from gateway.evidence.bundle import write_bundle
from gateway.evidence.check import check_feed
from gateway.evidence.export import (
    COLUMNS,
    ValueRow,
    Wanted,
    bundle_span,
    export_rows,
    write_csv,
    write_json_lines,
)
from gateway.evidence.sources import open_record
from gateway.log.archive import Archive
from gateway.reading import Reading
from tests.fakes.feed import GATEWAY, START_MS, FakeFeed, reading, signed_feed, signer
from tests.fakes.log_file import write_log

EVER = Wanted(0, 2**53)


def exported(path: Path, wanted: Wanted = EVER, damaged: list[str] | None = None) -> list[ValueRow]:
    bad: list[str] = []
    with Archive(path) as archive:
        rows = list(export_rows(archive.rows(), wanted, {("cems-1", "so2"): "mg/m3"}, bad.append))
    if damaged is None:
        assert not bad
    else:
        damaged += bad
    return rows


def log(folder: Path, *readings: Reading, compression: str = "zlib") -> Path:
    feed = FakeFeed()
    for row in readings:
        feed.add([row])
    return write_log(folder / "log.db", feed.bodies, compression)


def test_row_holds_the_value_its_times_flag_reason_and_unit(tmp_path: Path) -> None:
    rows = exported(log(tmp_path, reading(1_764_000_000_120, (12.31, None))))
    assert rows == [
        ValueRow(
            "cems-1", "so2", "2025-11-24T16:00:00.120Z", 1_764_000_000_120, 1_764_000_000_000, 12.31, "N", "", "mg/m3"
        ),
        ValueRow(
            "cems-1",
            "nox",
            "2025-11-24T16:00:00.120Z",
            1_764_000_000_120,
            1_764_000_000_000,
            None,
            "B",
            "timeout: no answer in 1.0 s",
            "",
        ),
    ]


def test_range_goes_by_due_time_and_instrument(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        reading(1000, lag_ms=1),
        reading(1000, lag_ms=0),
        reading(1999, lag_ms=0, instrument="cems-2"),
        reading(2005, lag_ms=5),
    )
    assert [(row.instrument, row.due) for row in exported(path, Wanted(1000, 2000))][::2] == [
        ("cems-1", 1000),
        ("cems-2", 1999),
    ]
    assert {row.instrument for row in exported(path, Wanted(1000, 2000, {"cems-2"}))} == {"cems-2"}


VALUES = (0.1, 1e22, -0.0, 2**64 - 1, 23.1, 5.0, 5, True, False, "=1+1", 'a "b", c\r\n', "", None)


def values_log(folder: Path) -> Path:
    points = tuple(f"p{n}" for n in range(len(VALUES)))
    last = len(VALUES) - 1
    sample = Sample(VALUES, {last: Flag.FAULT}, {last: "invalid: NaN"})
    return log(folder, Reading("cems-1", points, 1000, 0, sample))


def test_csv_gives_back_every_value_as_it_is(tmp_path: Path) -> None:
    text = io.StringIO(newline="")
    assert write_csv(exported(values_log(tmp_path)), text) == len(VALUES)
    header, *rows = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert tuple(header) == COLUMNS
    for value, row in zip(VALUES, rows, strict=True):
        cell = row[COLUMNS.index("value")]
        if isinstance(value, str | None):
            assert cell == (value or "")
        else:
            assert (repr(orjson.loads(cell)), type(orjson.loads(cell))) == (repr(value), type(value))


def test_json_lines_give_back_every_value_as_it_is(tmp_path: Path) -> None:
    target = io.BytesIO()
    assert write_json_lines(exported(values_log(tmp_path)), target) == len(VALUES)
    rows = [orjson.loads(line) for line in target.getvalue().splitlines()]
    assert repr([row["value"] for row in rows]) == repr(list(VALUES))
    assert tuple(rows[0]) == COLUMNS


def test_damaged_row_is_named_and_left_out(tmp_path: Path) -> None:
    path = log(tmp_path, reading(1000), reading(2000), reading(3000))
    database = sqlite3.connect(path)
    database.execute("UPDATE batches SET crc = crc + 1 WHERE position = 2")
    database.execute("UPDATE batches SET body = x'7b', crc = 0 WHERE position = 3")
    database.commit()
    database.close()
    damaged: list[str] = []
    assert {row.ts for row in exported(path, EVER, damaged)} == {1000}
    assert [text.partition(":")[0] for text in damaged] == ["position 2", "position 3"]


def test_progress_is_told(tmp_path: Path) -> None:
    rows = [ValueRow("i", "p", "", 0, 0, 1.0, "N", "", "")] * 25_000
    told: list[int] = []
    write_csv(rows, io.StringIO(), told.append)
    write_json_lines(rows, io.BytesIO(), told.append)
    assert told == [10_000, 20_000] * 2


@pytest.mark.parametrize(
    ("seconds", "span"),
    [
        ((0, 99), (1, 14)),
        ((3, 5), (3, 6)),  # batch 6 is the checkpoint that signs 3 to 5
        ((6, 7), (6, 11)),
        ((50, 60), (0, 0)),
    ],
)
def test_bundle_of_a_time_range_ends_with_the_checkpoint_that_signs_it(
    tmp_path: Path, seconds: tuple[int, int], span: tuple[int, int]
) -> None:
    path = write_log(tmp_path / "log.db", signed_feed().bodies, "zlib")
    with Archive(path) as archive:
        assert bundle_span(archive.rows(), *(START_MS + 1000 * s for s in seconds)) == span


def test_bundle_of_a_part_is_proven(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.db", signed_feed().bodies, "zlib")
    with Archive(path) as archive:
        part = [row for row in archive.rows() if 3 <= row.position <= 6]
        write_bundle(tmp_path / "part.zip", part, GATEWAY, signer(), 0)
    assert check_feed(open_record(tmp_path / "part.zip"), signer().key).proven
