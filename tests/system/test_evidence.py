"""`fieldgate verify` as a process on what a real gateway sent: each forgery is named, in words and by exit code 1."""

import base64
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import Batch
from gateway.log.row import columns as row_of
from gateway.signing import Signer, checkpoint_text
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, until, write_site
from tests.system.sites import counters, local

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).parents[2]


@dataclass
class Record:
    """A gateway's feed as mosquitto_sub wrote it down, its log, and its public key."""

    feed: Path
    log: Path
    key: str
    folder: Path

    def bodies(self) -> list[bytes]:
        """Every batch once, in order."""
        found: dict[tuple[str, int], bytes] = {}
        for line in self.feed.read_bytes().splitlines():
            _, topic, payload = line.split(b" ")
            if topic.endswith((b"/data", b"/backfill")):
                body = bytes.fromhex(payload.decode())
                said = json.loads(body)
                found[said["stream"], said["seq"]] = body
        return [found[name] for name in sorted(found)]

    def write(self, name: str, bodies: list[bytes]) -> Path:
        """A recorded feed of these batches."""
        file = self.folder / name
        lines = [
            json.dumps({"topic": "fieldgate/v1/test-1/data", "body": base64.b64encode(body).decode()})
            for body in bodies
        ]
        file.write_text("\n".join(lines) + "\n")
        return file


def verify(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and report."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "verify", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Ten batches or more, with a clean stop and a start, and `verify` listening at the broker meanwhile."""
    folder = tmp_path_factory.mktemp("record")
    broker = Mosquitto(folder / "broker")
    broker.start()
    feed = Subscriber(broker, folder / "feed.txt")
    try:
        with pymodbustcp({3: dict.fromkeys(range(20), 7)}) as slave:
            document = local(counters({"a": slave.port}), folder, broker.port)
            gateway = Fieldgate(write_site(folder / "site.yaml", document), folder / "gateway.log")
            with gateway.running():
                until(lambda: len(feed.batches()) >= 6, "batches")
                assert gateway.stop() == 0
                seen = len(feed.batches())
                gateway.start()
                until(lambda: len(feed.batches()) >= seen + 6, "batches after the second start")
                assert gateway.stop() == 0
            until(lambda: feed.messages()[-1].body["state"] == "offline", "goodbye")
    finally:
        feed.stop()
        broker.stop()
    return Record(folder / "feed.txt", folder / "log.db", Signer.load(folder / "key.pem").key, folder)


def test_a_true_record_is_proven_with_the_key_and_only_consistent_without(record: Record) -> None:
    code, report = verify(record.feed, "--key", record.key)
    assert (code, f"Consistent, origin proven by key {record.key}" in report) == (0, True), report
    code, report = verify(record.feed)
    assert (code, "Consistent, origin unproven" in report) == (0, True), report
    assert "来源未获证明" in report
    code, report = verify(record.log, "--key", record.key)
    assert (code, "origin proven" in report) == (0, True), report


def removed(bodies: list[bytes]) -> list[bytes]:
    return bodies[:4] + bodies[5:]


def doubled(bodies: list[bytes]) -> list[bytes]:
    """A second batch under the name of another."""
    return [*bodies, bodies[3].replace(b'"r0":7', b'"r0":8', 1)]


def edited(bodies: list[bytes]) -> list[bytes]:
    return [*bodies[:3], bodies[3].replace(b'"r0":7', b'"r0":8', 1), *bodies[4:]]


def signed_anew(bodies: list[bytes]) -> list[bytes]:
    """Everything with one value changed, the whole chain made anew, and signed with the forger's own key."""
    forger = Signer.load_or_create(Path(os.environ["PYTEST_FORGER"]))
    made: list[bytes] = []
    for number, body in enumerate(bodies):
        said = json.loads(body)
        if number == 3:
            said["samples"][0]["values"]["r0"] = 8
        if made and said["seq"] > 1:
            said["prev"] = hashlib.sha256(made[-1]).hexdigest()
        for event in said["events"]:
            if event["kind"] == "log.checkpoint":
                head = said["prev"]
                text = checkpoint_text(said["gateway"], said["stream"], event["data"]["seq"], head)
                event["data"] |= {"head": head, "key": forger.key, "signature": forger.sign(text)}
        made.append(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode())
    return made


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (removed, "Batches 5 (1) are missing, and no eviction report explains it"),
        (doubled, "Batch 4 occurs with different contents"),
        (edited, "Batch 4 was changed"),
        (signed_anew, "not by the pinned key"),
    ],
)
def test_a_forged_feed_is_found_out_and_named(
    record: Record,
    forge: Callable[[list[bytes]], list[bytes]],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_FORGER", str(tmp_path / "forger.pem"))
    bodies = record.bodies()
    assert b'"r0":7' in bodies[3]
    forged = record.write(f"{forge.__name__}.jsonl", forge(bodies))
    code, report = verify(forged, "--key", record.key)
    assert code == 1
    assert words in report, report
    assert "NOT CONSISTENT" in report


def test_a_feed_signed_anew_is_consistent_to_itself_and_says_that_this_proves_nothing(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_FORGER", str(tmp_path / "forger.pem"))
    code, report = verify(record.write("unpinned.jsonl", signed_anew(record.bodies())))
    assert (code, "origin unproven" in report) == (0, True), report


def test_a_forged_log_file_is_found_out_and_named(record: Record, tmp_path: Path) -> None:
    changes: dict[str, tuple[Any, str]] = {
        "removed": (lambda db: db.execute("DELETE FROM batches WHERE seq = 5"), "are missing"),
        "edited": (edit_row, "was changed"),
    }
    for name, (change, words) in changes.items():
        log = tmp_path / f"{name}.db"
        shutil.copy(record.log, log)
        database = sqlite3.connect(log)
        change(database)
        database.commit()
        database.close()
        code, report = verify(log, "--key", record.key)
        assert (code, words in report) == (1, True), report


def edit_row(database: sqlite3.Connection) -> None:
    """One value, with a CRC that fits again: only the chain can tell."""
    position, body = database.execute("SELECT position, body FROM batches WHERE seq = 4").fetchone()
    body = bytes(body).replace(b'"r0":7', b'"r0":8', 1)
    said = json.loads(body)
    crc = row_of(Batch(position, said["stream"], said["seq"], said["created"], body))[4]
    database.execute("UPDATE batches SET body = ?, crc = ? WHERE position = ?", (body, crc, position))


def test_a_broker_is_listened_to_and_a_forged_batch_on_it_is_named(record: Record, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    bodies = record.bodies()
    try:
        for forge, code, words in ((list, 0, "origin proven"), (edited, 1, "Batch 4 was changed")):
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "verify", f"mqtt://127.0.0.1:{broker.port}", "--key", record.key,
                 "--seconds", "100"],
                cwd=ROOT, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            until(lambda: heard(broker), "verify to listen")
            for body in forge(bodies):
                publish(broker, body)
            time.sleep(1.0)  # what was acknowledged is on its way to the listener
            process.send_signal(signal.SIGINT)
            report, _ = process.communicate(timeout=60)
            assert (process.returncode, words in report) == (code, True), report
    finally:
        broker.stop()


def publish(broker: Mosquitto, body: bytes) -> bytes:
    """One batch; what mosquitto_pub said."""
    return subprocess.run(
        ["mosquitto_pub", "-V", "5", "-q", "1", "-d", "-h", "127.0.0.1", "-p", str(broker.port),
         "-t", "fieldgate/v1/test-1/data", "-s"],
        input=body, capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip


def heard(broker: Mosquitto) -> bool:
    """Whether somebody listens (PUBACK 0x00, and not 0x10)."""
    said = subprocess.run(
        ["mosquitto_pub", "-V", "5", "-q", "1", "-d", "-h", "127.0.0.1", "-p", str(broker.port),
         "-t", "fieldgate/v1/test-1/reply", "-m", "{}"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    return b"RC:0)" in said.stdout
