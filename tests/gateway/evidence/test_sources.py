"""Every form in which a record may come, and what is told of a damaged one."""

import base64
import gzip
import sqlite3
import zlib
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batch import encode
from gateway.evidence.bundle import write_bundle
from gateway.evidence.check import check_feed
from gateway.evidence.item import Finding, Item
from gateway.evidence.lines import read_lines
from gateway.evidence.sources import open_record, rows_between
from gateway.log.archive import Archive
from gateway.reading import Event, Reading
from tests.fakes.feed import GATEWAY, FakeFeed, packed, reading, signed_feed, signer
from tests.fakes.log_file import write_log

TOPIC = f"fieldgate/v1/{GATEWAY}/data"
PINNED = signer().key

FORMS = {
    "object": lambda body: b'{"topic":"%b","body":%b}' % (TOPIC.encode(), body),
    "text": lambda body: orjson.dumps({"topic": TOPIC, "body": body.decode()}),
    "base64": lambda body: orjson.dumps({"topic": TOPIC, "body": base64.b64encode(body).decode()}),
    "hex": lambda body: orjson.dumps({"topic": TOPIC, "body": body.hex()}),
    "zlib in base64": lambda body: orjson.dumps({"topic": TOPIC, "body": base64.b64encode(packed([body])[0]).decode()}),
    "zlib in hex": lambda body: orjson.dumps({"topic": TOPIC, "body": packed([body])[0].hex()}),
    "the body alone": lambda body: body,
    "mosquitto_sub %U %t %x": lambda body: f"1764000001.120000000 {TOPIC} {body.hex()}".encode(),
    "mosquitto_sub, zlib": lambda body: f"1764000001.120000000 {TOPIC} {packed([body])[0].hex().upper()}".encode(),
    "mosquitto_sub %j": lambda body: orjson.dumps({"tst": "2025", "topic": TOPIC, "qos": 1, "payload": body.decode()}),
    "mosquitto_sub %J": lambda body: b'{"tst":"2025","topic":"%b","qos":1,"payload":%b}' % (TOPIC.encode(), body),
}


@pytest.mark.parametrize("form", FORMS)
def test_recorded_feed_is_read_in_every_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_bytes(b"\r\n\n".join(FORMS[form](body) for body in signed_feed().bodies))
    report = check_feed(open_record(path), PINNED)
    assert report.proven, report.text("", 0)
    assert report.streams[0].batches == 14


def test_forms_may_be_mixed_and_the_file_packed(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl.gz"
    forms = list(FORMS.values())
    lines = [forms[n % len(forms)](body) for n, body in enumerate(signed_feed().bodies)]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    assert check_feed(open_record(path), PINNED).proven


def test_packed_file_that_is_cut_short_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(signed_feed(300).bodies))[:-200])
    kinds = [finding.kind for finding in check_feed(open_record(path)).findings]
    assert "unreadable" in kinds


floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(floats, st.integers(-(2**63), 2**64 - 1), st.booleans(), st.none(), st.text(max_size=5))


@given(st.lists(values, min_size=2, max_size=2), st.dictionaries(st.text(max_size=4), values, max_size=3))
def test_bytes_made_again_from_an_object_are_the_gateway_s_bytes(row: list[object], data: dict[str, object]) -> None:
    """What makes a record of JSON objects worth checking: parse and write again changes no byte of what we write."""
    sample: Reading = reading(1_764_000_000_000, row)  # type: ignore[arg-type]
    body = encode(GATEWAY, "s", 1, "0" * 64, 1, "synced", [sample], (), [Event(1, "x", data)])
    assert orjson.dumps(orjson.loads(body)) == body


def test_number_written_differently_by_a_tool_is_explained() -> None:
    bodies = signed_feed().bodies
    lines = [FORMS["object"](body) for body in bodies]
    lines[4] = lines[4].replace(b"12.375", b"12.3750000000000000001").replace(b'"lag":120', b'"lag":120.0')
    report = check_feed(read_lines(lines))
    assert [finding.kind for finding in report.findings] == ["edit"]
    assert "may have written a number differently" in report.text("", 0)


@pytest.mark.parametrize(
    "line",
    [b"{", b"word", b"1 topic zz", b"\xff\xfe 1 2", b'{"topic":1,"body":{}}', b'{"topic":"a","body":[1]}', b"{}x"],
)
def test_line_that_is_no_message_is_named(line: bytes) -> None:
    (found,) = read_lines([line])
    assert isinstance(found, Finding)
    assert found.details["place"] == "line 1"


@given(st.binary(max_size=60))
def test_garbage_is_named_or_skipped(line: bytes) -> None:
    for found in read_lines([line]):
        assert isinstance(found, Finding | Item)


def test_topic_with_spaces_and_an_empty_payload_are_read() -> None:
    spaced, empty = read_lines([b"1764000001.1 a b/c d 7b7d", b"1764000001.1 a/status "])
    assert (spaced.topic, spaced.body) == ("a b/c d", b"{}")  # type: ignore[union-attr]
    assert (empty.topic, empty.body) == ("a/status", b"")  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", ["none", "zlib"])
def test_log_file_is_checked(tmp_path: Path, compression: str) -> None:
    report = check_feed(open_record(write_log(tmp_path / "log.db", signed_feed().bodies, compression)), PINNED)
    assert report.proven


def test_broken_crc_in_a_log_is_named(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.db", signed_feed().bodies)
    database = sqlite3.connect(path)
    database.execute("UPDATE batches SET body = replace(body, '12.375', '12.376') WHERE position = 5")
    database.commit()
    database.close()
    report = check_feed(open_record(path), PINNED)
    assert ("crc", 5) in [(finding.kind, finding.first) for finding in report.findings]
    assert "position 5: the stored bytes of batch 5" in report.text("log.db", 0)


def test_row_filed_under_another_seq_is_named(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.db", signed_feed().bodies)
    database = sqlite3.connect(path)
    database.execute("UPDATE batches SET seq = 99 WHERE position = 5")
    database.commit()
    database.close()
    assert [finding.kind for finding in check_feed(open_record(path), PINNED).findings] == ["row"]


def _without(path: Path, first: int, last: int, gone: list[tuple[int, int]] | None) -> Path:
    """The log with rows deleted, and what it says of that itself."""
    value = orjson.dumps(gone)
    database = sqlite3.connect(path)
    database.execute("DELETE FROM batches WHERE position BETWEEN ? AND ?", (first, last))
    if gone is not None:
        database.execute("CREATE TABLE state (name TEXT, crc INTEGER, value BLOB)")
        database.execute("INSERT INTO state VALUES ('gone', ?, ?)", (zlib.crc32(value, zlib.crc32(b"gone")), value))
    database.commit()
    database.close()
    return path


def test_row_deleted_from_a_log_is_a_gap(tmp_path: Path) -> None:
    path = _without(write_log(tmp_path / "log.db", signed_feed().bodies), 5, 6, None)
    assert [(row.kind, row.first, row.last) for row in check_feed(open_record(path)).findings] == [("gap", 5, 6)]


def test_rows_the_log_removed_itself_are_stated_and_no_more_than_these(tmp_path: Path) -> None:
    path = _without(write_log(tmp_path / "log.db", signed_feed().bodies), 5, 8, [(1, 2), (6, 7)])
    report = check_feed(open_record(path), PINNED)
    assert [(row.kind, row.first, row.last) for row in report.findings] == [("gap", 5, 5), ("gap", 8, 8)]
    assert ("removed", 6, 7) in [(note.kind, note.first, note.last) for note in report.notes]


def test_bundle_of_a_log_states_what_the_log_removed_itself(tmp_path: Path) -> None:
    path = _without(write_log(tmp_path / "log.db", signed_feed().bodies), 6, 7, [(6, 7)])
    removed: list[Finding] = []
    with Archive(path) as archive:
        rows = rows_between(archive, 2, 10, removed)
        assert write_bundle(tmp_path / "b.zip", rows, GATEWAY, signer(), 0, removed=removed) == 7
    report = check_feed(open_record(tmp_path / "b.zip"), PINNED)
    assert report.proven
    assert [(note.kind, note.first, note.last) for note in report.notes] == [("begins", 2, None), ("removed", 6, 7)]


def test_rows_removed_at_the_border_of_two_streams_are_stated(tmp_path: Path) -> None:
    one = signed_feed()
    two = FakeFeed(stream="01JD9QBBBB")
    two.at_ms = one.at_ms + 1000
    two.start({"stream": one.stream, "last": len(one.bodies)})
    two.checkpoint()
    two.poll()
    two.checkpoint()
    path = write_log(tmp_path / "log.db", [*one.bodies, *two.bodies])
    report = check_feed(open_record(_without(path, 13, 16, [(13, 16)])), PINNED)
    assert report.proven
    assert [(note.kind, note.stream, note.first, note.last) for note in report.notes if note.kind == "removed"] == [
        ("removed", two.stream, 1, 2)
    ]


def test_progress_is_told_in_bytes_or_rows(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    feed = signed_feed(2000)
    list(open_record(write_log(tmp_path / "log.db", feed.bodies), lambda *at: told.append(at)))
    assert told[-1] == (2000, len(feed.bodies))
    (tmp_path / "feed").write_bytes(b"\n".join(feed.bodies))
    list(open_record(tmp_path / "feed", lambda *at: told.append(at)))
    assert told[-1][1] == (tmp_path / "feed").stat().st_size


def test_empty_file_is_nothing_to_check(tmp_path: Path) -> None:
    (tmp_path / "feed").touch()
    report = check_feed(open_record(tmp_path / "feed"))
    assert "Nothing to check" in report.text("feed", 0)
    assert FakeFeed().bodies == []
