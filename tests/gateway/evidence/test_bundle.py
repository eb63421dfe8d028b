"""A signed bundle is accepted as it was written, and any change to it is named."""

import shutil
import zipfile
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.evidence.bundle import write_bundle
from gateway.evidence.check import check_feed
from gateway.evidence.report import Report
from gateway.evidence.sources import open_record
from gateway.log.archive import Archive
from gateway.signing import Signer
from tests.fakes.feed import GATEWAY, FakeFeed, signed_feed, signer
from tests.fakes.log_file import write_log

PINNED = signer().key
MADE_MS = 1_764_000_600_000


def bundle(folder: Path, feed: FakeFeed | None = None, key: Signer | None = None, compression: str = "zlib") -> Path:
    log = write_log(folder / "log.db", (feed or signed_feed()).bodies, compression)
    with Archive(log) as archive:
        write_bundle(folder / "bundle.zip", archive.rows(), GATEWAY, key or signer(), MADE_MS)
    return folder / "bundle.zip"


def check(path: Path, pinned: str | None = PINNED) -> Report:
    return check_feed(open_record(path), pinned)


def reasons(report: Report) -> list[str]:
    return [finding.details["reason"] for finding in report.findings if finding.kind == "bundle"]


def rewritten(path: Path, changes: dict[str, bytes | None]) -> Path:
    """The bundle with files replaced, added, or (None) left out."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = changes.pop(name, source.read(name))
            if content is not None:
                archive.writestr(name, content)
        for name, content in changes.items():
            assert content is not None
            archive.writestr(name, content)
    return target


@pytest.mark.parametrize("compression", ["none", "zlib"])
def test_bundle_is_proven_with_the_gateway_s_key(tmp_path: Path, compression: str) -> None:
    report = check(bundle(tmp_path, compression=compression))
    assert report.proven
    assert report.streams[0].batches == 14


def test_unpacked_bundle_is_accepted_too(tmp_path: Path) -> None:
    shutil.unpack_archive(bundle(tmp_path), tmp_path / "stick")
    assert check(tmp_path / "stick").proven


def test_bundle_proves_even_batches_without_a_checkpoint(tmp_path: Path) -> None:
    feed = FakeFeed()
    feed.start()
    feed.poll()
    report = check(bundle(tmp_path, feed))
    assert report.proven
    assert not report.notes


def test_bundle_signed_with_another_key_is_named(tmp_path: Path) -> None:
    report = check(bundle(tmp_path, key=signer(2)))
    assert [finding.kind for finding in report.findings] == ["bundle.key"]
    assert signer(2).key in report.text("", 0)


def test_many_batches_go_into_several_files(tmp_path: Path) -> None:
    path = bundle(tmp_path, signed_feed(4500, 100))
    assert [name for name in zipfile.ZipFile(path).namelist() if name.startswith("feed")] == [
        "feed-00001.jsonl",
        "feed-00002.jsonl",
        "feed-00003.jsonl",
    ]
    assert check(path).proven


def test_changed_file_is_named(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    lines = zipfile.ZipFile(path).read("feed-00001.jsonl").splitlines(keepends=True)
    report = check(rewritten(path, {"feed-00001.jsonl": b"".join(lines[:-1])}))
    assert reasons(report) == ["feed-00001.jsonl is not the file that was signed"]
    assert "The bundle was changed after it was signed: feed-00001.jsonl" in report.text("", 0)


def test_removed_and_added_files_are_named(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    report = check(rewritten(path, {"README.txt": None, "note.txt": b"harmless"}))
    assert reasons(report) == ["note.txt was added", "README.txt is missing or damaged"]


def test_file_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("README.txt", "another")
    assert "README.txt is there twice" in reasons(check(path))


def test_changed_manifest_is_named(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    manifest = orjson.loads(zipfile.ZipFile(path).read("manifest.json")) | {"made": 1}
    report = check(rewritten(path, {"manifest.json": orjson.dumps(manifest)}))
    assert reasons(report) == [f"manifest.json is not signed by {PINNED}"]


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_missing_manifest_is_named(tmp_path: Path, name: str) -> None:
    path = rewritten(bundle(tmp_path), {name: b"?"})
    assert "manifest.json or manifest.sig is missing or damaged" in reasons(check(path))


@pytest.mark.parametrize("removed", [5, [5], [{"stream": "s"}], [{"stream": 1, "first": 1, "last": 2}]])
def test_signed_manifest_of_a_wrong_shape_is_named(tmp_path: Path, removed: object) -> None:
    manifest = orjson.dumps({"v": 1, "key": PINNED, "files": [], "removed": removed})
    (tmp_path / "manifest.json").write_bytes(manifest)
    signature = {"key": PINNED, "signature": signer().sign(b"fieldgate-bundle-1\n" + manifest)}
    (tmp_path / "manifest.sig").write_bytes(orjson.dumps(signature))
    assert reasons(check(tmp_path)) == ["what manifest.json calls removed is not as the format says"]


def test_manifest_cannot_name_files_outside_the_bundle(tmp_path: Path) -> None:
    shutil.unpack_archive(bundle(tmp_path), tmp_path / "stick")
    (tmp_path / "secret").write_text("x")
    manifest = {"v": 1, "key": PINNED, "files": [{"name": "../secret", "bytes": 1, "sha256": ""}]}
    (tmp_path / "stick" / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert "../secret is missing or damaged" in reasons(check(tmp_path / "stick"))


@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_of_an_unpacked_bundle_is_found(place: int, value: int, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    if not stick.exists():
        shutil.unpack_archive(bundle(tmp_path), stick)
    files = sorted(stick.iterdir())
    file = files[place % len(files)]
    whole = file.read_bytes()
    at = place // len(files) % len(whole)
    file.write_bytes(whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :])
    try:
        hexadecimal_case = file.name == "manifest.sig" and chr(whole[at] ^ value).lower() == chr(whole[at])
        assert not check(stick).consistent or hexadecimal_case
    finally:
        file.write_bytes(whole)


def test_target_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_text("mine")
    with pytest.raises(FileExistsError):
        bundle(tmp_path)
    assert (tmp_path / "bundle.zip").read_text() == "mine"


def test_unfinished_bundle_is_removed(tmp_path: Path) -> None:
    def rows() -> object:
        raise OSError(28, "No space left on device")
        yield

    with pytest.raises(OSError, match="No space"):
        write_bundle(tmp_path / "bundle.zip", rows(), GATEWAY, signer(), MADE_MS)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_cut_zip_file_is_a_finding(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    data = bytearray(path.read_bytes())
    data[60:300] = bytes(240)
    path.write_bytes(data)
    assert not check(path).consistent
