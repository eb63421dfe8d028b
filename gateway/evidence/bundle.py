"""A signed bundle for a USB stick: a ZIP file with bodies verbatim and a manifest that names every byte.

    README.txt          what this is, for whoever finds the stick
    feed-00001.jsonl    a recorded feed as sources.py reads it, exact bytes in base64, at most FILE_BATCHES lines
    …
    manifest.json       gateway, streams with first and last seq, each file with its size and SHA-256
    manifest.sig        {"key": …, "signature": …}: Ed25519 over `fieldgate-bundle-1\\n` and the bytes of manifest.json

The unpacked directory is accepted like the ZIP file.
"""

import base64
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import orjson

from gateway.evidence.item import Finding, Item, Seal
from gateway.evidence.lines import read_lines
from gateway.signing import Signer, verify

FILE_BATCHES = 2000
"""Batches in one file: some megabytes, which any editor opens."""

FILE_LIMIT = 2**30
"""Bytes of one unpacked file that are read: far above what `write_bundle` makes; a small ZIP may claim terabytes."""

SIGNED_TEXT = b"fieldgate-bundle-1\n"

README = """\
This is a record of measurements, exported from a fieldgate gateway.
Check it on any computer:   fieldgate verify --key KEY this-file.zip
KEY is the gateway's public key, obtained on another way than with this record.
The batches are in feed-*.jsonl, one a line: topic, and the exact bytes as sent, in base64.

这是从 fieldgate 网关导出的监测数据记录。
核验方法：fieldgate verify --key 公钥 本文件.zip
公钥须通过其他途径从网关取得。feed-*.jsonl 每行一批：主题，以及 base64 编码的原始字节。
"""


class StoredBatch(Protocol):
    """What of a log's row goes into a bundle."""

    @property
    def stream(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def body(self) -> bytes: ...


@dataclass(slots=True)
class _Stream:
    first: int
    last: int
    batches: int


def write_bundle(
    target: Path,
    rows: Iterable[StoredBatch],
    gateway: str,
    signer: Signer,
    made_ms: int,
    progress: Callable[[int], None] | None = None,
    removed: Sequence[Finding] = (),
) -> int:
    """Write the rows, in their order, to a new ZIP file; returns how many. Raises FileExistsError, OSError.

    `removed` is looked at after the last row: what the log says it has removed between them (sources.rows_between).
    A file that could not be finished is removed.
    """
    try:
        with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            return _write(archive, rows, gateway, signer, made_ms, progress, removed)
    except FileExistsError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _write(
    archive: zipfile.ZipFile,
    rows: Iterable[StoredBatch],
    gateway: str,
    signer: Signer,
    made_ms: int,
    progress: Callable[[int], None] | None,
    removed: Sequence[Finding],
) -> int:
    files: list[dict[str, Any]] = []
    streams: dict[str, _Stream] = {}
    total = 0
    archive.writestr("README.txt", README)
    files.append(_described("README.txt", README.encode(), 0))
    for lines in _chunks(rows, gateway, streams):
        total += len(lines)
        name, content = f"feed-{len(files):05d}.jsonl", b"".join(lines)
        archive.writestr(name, content)
        files.append(_described(name, content, len(lines)))
        if progress is not None:
            progress(total)
    manifest = orjson.dumps(
        {
            "v": 1,
            "kind": "fieldgate-bundle",
            "gateway": gateway,
            "made": made_ms,
            "key": signer.key,
            "streams": [
                {"stream": name, "first": span.first, "last": span.last, "batches": span.batches}
                for name, span in streams.items()
            ],
            "removed": [{"stream": run.stream, "first": run.first, "last": run.last} for run in removed],
            "files": files,
        },
        option=orjson.OPT_INDENT_2,
    )
    archive.writestr("manifest.json", manifest)
    signature = {"key": signer.key, "signature": signer.sign(SIGNED_TEXT + manifest)}
    archive.writestr("manifest.sig", orjson.dumps(signature))
    return total


def _chunks(rows: Iterable[StoredBatch], gateway: str, streams: dict[str, _Stream]) -> Iterator[list[bytes]]:
    topic = f"fieldgate/v1/{gateway}/backfill"
    lines: list[bytes] = []
    for row in rows:
        span = streams.setdefault(row.stream, _Stream(row.seq, row.seq, 0))
        span.first, span.last, span.batches = min(span.first, row.seq), max(span.last, row.seq), span.batches + 1
        lines.append(orjson.dumps({"topic": topic, "body": base64.b64encode(row.body).decode()}) + b"\n")
        if len(lines) == FILE_BATCHES:
            yield lines
            lines = []
    if lines:
        yield lines


def _described(name: str, content: bytes, batches: int) -> dict[str, Any]:
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "batches": batches}


def is_bundle(path: Path) -> bool:
    """Whether `path` is a ZIP file or a directory with a manifest."""
    return (path / "manifest.json").is_file() if path.is_dir() else zipfile.is_zipfile(path)


def read_bundle(path: Path) -> Iterator[Item | Finding | Seal]:
    """Every batch of a bundle; whatever differs from the signed manifest is a finding, named by file."""
    try:
        container = _Folder(path) if path.is_dir() else _Zip(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        yield _changed(f"the ZIP file is damaged ({error})")
        return
    with container:
        manifest = container.read("manifest.json")
        key, listed, trouble = _listed(manifest, container.read("manifest.sig"))
        yield _changed(trouble) if trouble else Seal(key)
        yield from () if trouble else _removed(orjson.loads(manifest or b""))
        names = container.names()
        for name in sorted(set(names) - set(listed) - {"manifest.json", "manifest.sig"}):
            yield _changed(f"{name} was added")
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield _changed(f"{name} is there twice")
        for name, (size, sha256) in listed.items():
            content = container.read(name) if name in names else None
            if content is None:
                yield _changed(f"{name} is missing or damaged")
                continue
            if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
                yield _changed(f"{name} is not the file that was signed")
            if name.endswith(".jsonl"):
                for item in read_lines(io.BytesIO(content)):
                    yield _placed(item, name)


def _removed(manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """What the log had removed itself. Whoever holds a key can sign any manifest, so its shape is checked too."""
    runs = manifest.get("removed", [])
    for run in runs if isinstance(runs, list) else [runs]:
        match run:
            case {"stream": str(stream), "first": int(first), "last": int(last)}:
                yield Finding("removed", stream=stream, first=first, last=last)
            case _:
                yield _changed("what manifest.json calls removed is not as the format says")


class _Zip:
    """The files of a ZIP file. Raises zipfile.BadZipFile."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)

    def __enter__(self) -> "_Zip":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def names(self) -> list[str]:
        return self._archive.namelist()

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None if it is absent, damaged, encrypted or beyond FILE_LIMIT."""
        try:
            with self._archive.open(name) as file:
                content = file.read(FILE_LIMIT)
                return content if not file.read(1) else None
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            return None


class _Folder:
    """The files of an unpacked bundle."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "_Folder":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def names(self) -> list[str]:
        return [str(file.relative_to(self._path)) for file in self._path.rglob("*") if not file.is_dir()]

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None if it is absent, no plain file, or beyond FILE_LIMIT."""
        file = self._path / name
        if file.is_symlink() or not file.is_file() or file.stat().st_size > FILE_LIMIT:
            return None
        return file.read_bytes()


def _placed(item: Item | Finding, name: str) -> Item | Finding:
    if isinstance(item, Item):
        return replace(item, place=f"{name} {item.place}")
    return replace(item, details={**item.details, "place": f"{name} {item.details['place']}"})


def _changed(reason: str) -> Finding:
    return Finding("bundle", details={"reason": reason})


def _listed(manifest: bytes | None, signature: bytes | None) -> tuple[str, dict[str, tuple[int, str]], str]:
    """The key, name -> (size, SHA-256) as signed, and what is wrong with the manifest ("": nothing)."""
    try:
        signed = orjson.loads(signature or b"")
        listed = orjson.loads(manifest or b"")
        key, text = signed["key"], signed["signature"]
        files = {str(file["name"]): (int(file["bytes"]), str(file["sha256"])) for file in listed["files"]}
        same_key = listed["key"] == key
    except (ValueError, KeyError, TypeError):
        return "", {}, "manifest.json or manifest.sig is missing or damaged"
    if not same_key:
        return key, files, "manifest.json names another key than manifest.sig"
    if not verify(key, SIGNED_TEXT + (manifest or b""), text):
        return key, files, f"manifest.json is not signed by {key}"
    return key, files, ""
