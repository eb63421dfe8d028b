"""Reading a log beside its writer, after a clean stop, from a stick, and when it is damaged."""

import os
import sqlite3
from pathlib import Path

import pytest

from gateway.log import archive
from gateway.log.archive import Archive, NoLog, is_log
from tests.fakes.feed import signed_feed
from tests.fakes.log_file import append, write_log


def test_rows_come_in_order_with_their_own_bytes(tmp_path: Path) -> None:
    bodies = signed_feed(600).bodies
    with Archive(write_log(tmp_path / "log.db", bodies)) as archive:
        rows = list(archive.rows())
        assert archive.span() == (1, len(bodies))
    assert [row.body for row in rows] == bodies
    assert [row.seq for row in rows] == list(range(1, len(bodies) + 1))
    assert all(row.sound for row in rows)


def test_reading_a_stopped_log_leaves_nothing_beside_it(tmp_path: Path) -> None:
    with Archive(write_log(tmp_path / "log.db", signed_feed().bodies)) as archive:
        assert list(archive.rows())
    assert os.listdir(tmp_path) == ["log.db"]


def test_running_writer_is_read_up_to_its_last_commit(tmp_path: Path) -> None:
    bodies = signed_feed(300).bodies
    writer = sqlite3.connect(write_log(tmp_path / "log.db", bodies[:100]))
    try:
        append(writer, bodies[100:200])
        with Archive(tmp_path / "log.db") as archive:
            assert len(list(archive.rows())) == 200
            append(writer, bodies[200:])
            assert len(list(archive.rows(after=200))) == len(bodies) - 200
    finally:
        writer.close()


def test_writer_that_starts_while_a_stopped_log_is_read_is_noticed(tmp_path: Path) -> None:
    bodies = signed_feed(1200).bodies
    path = write_log(tmp_path / "log.db", bodies[:-50])
    with Archive(path) as archive:
        rows = archive.rows()
        seen = [next(rows)]
        writer = sqlite3.connect(path)
        try:
            writer.execute("DELETE FROM batches WHERE position > 700")
            writer.commit()
            seen += rows
        finally:
            writer.close()
    assert [row.body for row in seen] == bodies[:700]


def test_log_that_a_writer_holds_alone_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BUSY_S", 0.1)
    path = write_log(tmp_path / "log.db", signed_feed(600).bodies)
    with Archive(path) as reader:
        rows = reader.rows()
        next(rows)
        writer = sqlite3.connect(path, isolation_level=None)
        try:
            writer.execute("PRAGMA locking_mode=EXCLUSIVE")
            writer.execute("UPDATE batches SET crc = crc + 1 WHERE position = 1")
            with pytest.raises(NoLog, match="locked"):
                list(rows)
            assert not reader.damaged
        finally:
            writer.close()


def test_reader_does_not_keep_the_writer_s_wal_from_being_reused(tmp_path: Path) -> None:
    bodies = signed_feed(600).bodies
    writer = sqlite3.connect(write_log(tmp_path / "log.db", bodies[:500]))
    try:
        append(writer, bodies[500:510])
        with Archive(tmp_path / "log.db") as archive:
            rows = archive.rows()
            next(rows)
            busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy
            rows.close()
    finally:
        writer.close()


def test_broken_crc_is_told_for_its_row_alone(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.db", signed_feed().bodies)
    database = sqlite3.connect(path)
    database.execute("UPDATE batches SET body = replace(body, '12.375', '12.376') WHERE position = 5")
    database.commit()
    database.close()
    with Archive(path) as archive:
        assert [row.position for row in archive.rows() if not row.sound] == [5]


def test_damaged_pages_are_skipped_and_named(tmp_path: Path) -> None:
    bodies = signed_feed(200).bodies
    path = write_log(tmp_path / "log.db", bodies)
    data = bytearray(path.read_bytes())
    data[20 * 4096 : 21 * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with Archive(path) as archive:
        rows = list(archive.rows())
        assert archive.damaged
    lost = {position for first, last in archive.damaged for position in range(first, last + 1)}
    assert {row.position for row in rows} | lost == set(range(1, len(bodies) + 1))
    assert 0 < len(lost) < 60
    assert all(row.body == bodies[row.position - 1] for row in rows if row.sound)


@pytest.mark.parametrize("content", [b"", b"not a log", b"SQLite format 3\0" + b"\0" * 84, None])
def test_what_is_no_log_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "log.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NoLog, match=r"log\.db"):
        Archive(path)


def test_database_with_other_tables_is_no_log(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "other.db")
    database.execute("CREATE TABLE batches (id)")
    database.commit()
    database.close()
    assert is_log(tmp_path / "other.db")
    with pytest.raises(NoLog, match="no such column"):
        Archive(tmp_path / "other.db")
