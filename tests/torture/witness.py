"""Looks at one gateway from outside for as long as it is tortured: what came over MQTT, and what its log holds.

Nothing of the project's own code is used: bodies, chain and rows are read anew from the contract.
"""

import hashlib
import json
import shutil
import sqlite3
import urllib.error
import urllib.request
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.libmodbus import libmodbus_tcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, until, write_site
from tests.system.sites import local

POINTS = 20
UNITS = 3
FIRST_VALUE = 100


def plain(payload: bytes) -> bytes:
    """Uncompressed bytes of a body."""
    return zlib.decompress(payload) if payload[:1] == b"\x78" else payload


@dataclass
class Witness:
    """`look` takes what has come since; `wrong` has everything that breaks a promise."""

    feed: Path
    log: Path
    bodies: dict[tuple[str, int], bytes] = field(default_factory=dict)
    told: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By stream, seqs that the feed says are gone."""
    lost: list[dict[str, Any]] = field(default_factory=list)
    """What `log.lost` said."""
    started: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    repeats: int = 0
    nulls: int = 0
    met: set[tuple[str, str]] = field(default_factory=set)
    """Faults of the disk that the log ran into."""
    healing_s: list[float] = field(default_factory=list)
    _read: int = 0
    _live: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _polls: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def look(self) -> None:
        """Take what has come since the last look."""
        with self.feed.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._read += end
        for line in data[:end].splitlines():
            _, topic, payload = line.split(b" ")
            lane = topic.decode().rsplit("/", 1)[1]
            if lane in ("data", "backfill"):
                self._take(lane, plain(bytes.fromhex(payload.decode())))

    def _take(self, lane: str, text: bytes) -> None:
        said = json.loads(text)
        name = (said["stream"], said["seq"])
        if name in self.bodies:
            self.repeats += 1
            if self.bodies[name] != text:
                self.wrong.append(f"{name} came with two bodies")
            return
        self.bodies[name] = text
        if lane == "data":
            if said["seq"] <= self._live[said["stream"]]:
                self.wrong.append(f"{name} live after seq {self._live[said['stream']]}")
            self._live[said["stream"]] = said["seq"]
        for event in said["events"]:
            if event["kind"] == "log.evicted" and "city" in event["data"]["uplinks"]:
                self.told[event["data"]["stream"]] |= set(range(event["data"]["first"], event["data"]["last"] + 1))
            elif event["kind"] == "log.lost":
                self.lost.append(event["data"])
            elif event["kind"] == "log.started":
                self.started.append(event["data"])
        for sample in said["samples"]:
            due = (sample["instrument"], sample["ts"] - sample["lag"])
            if self._polls.setdefault(due, name) != name:
                self.wrong.append(f"the poll {due} is in {self._polls[due]} and in {name}")
            for point, value in sample["values"].items():
                if value is None and sample["why"].get(point):
                    self.nulls += 1
                elif value != FIRST_VALUE + int(point[1:]):
                    self.wrong.append(f"{name} {due} {point}: {value}")

    @property
    def streams(self) -> set[str]:
        """Those that came."""
        return {stream for stream, _ in self.bodies}

    @property
    def told_lost(self) -> int:
        """Readings that `log.lost` counts."""
        return sum(said.get("readings", 0) for said in self.lost)

    @property
    def newest(self) -> int:
        """How many batches have come."""
        self.look()
        return len(self.bodies)

    def missing(self) -> list[str]:
        """Batches that neither came nor were told as evicted, below the newest of each stream."""
        self.look()
        gone = []
        for stream in self.streams:
            have = {seq for other, seq in self.bodies if other == stream} | self.told[stream]
            gone += [f"{stream} {seq}" for seq in range(1, max(have) + 1) if seq not in have]
        return gone

    def judge(self) -> list[str]:
        """Everything that is wrong, the chain included."""
        self.look()
        for (stream, seq), text in self.bodies.items():
            before = self.bodies.get((stream, seq - 1))
            wanted = hashlib.sha256(before).hexdigest() if before is not None else "0" * 64
            if (before is not None or seq == 1) and json.loads(text)["prev"] != wanted:
                self.wrong.append(f"{stream} {seq} does not follow {seq - 1}")
        self.wrong += [f"{name} is missing" for name in self.missing()]
        return self.wrong

    def compare_log(self, newest: int = 200) -> None:
        """What was published must be in the log on disk as it is now; call it while the gateway is dead."""
        self.look()
        self.wrong += self._compare(list(self.bodies.items())[-newest:])

    def compare_full(self, newest: int = 20) -> None:
        """The same while the gateway runs on a disk without space; a copy made during a write is made again."""
        self.look()
        wanted = list(self.bodies.items())[-newest:]
        wrong = self._compare(wanted)
        for _ in range(5):
            if not wrong:
                return
            wrong = self._compare(wanted)
        self.wrong += wrong

    def _compare(self, wanted: list[tuple[tuple[str, int], bytes]]) -> list[str]:
        """What of these batches is not in a copy of the log."""
        folder = self.feed.parent / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for ending in ("", "-wal"):
            if self.log.with_name(self.log.name + ending).exists():
                shutil.copyfile(self.log.with_name(self.log.name + ending), folder / ("log.db" + ending))
        if not wanted:
            return []
        wrong = []
        database = sqlite3.connect(folder / "log.db")
        try:
            lowest = dict(database.execute("SELECT stream, min(seq) FROM batches GROUP BY stream").fetchall())
            for (stream, seq), text in wanted:
                if seq < lowest.get(stream, 0):
                    continue  # it has left the log after its delivery, the oldest first
                rows = database.execute("SELECT body FROM batches WHERE stream = ? AND seq = ?", (stream, seq))
                found = [plain(row[0]) for row in rows.fetchall()]
                if found != [text] and seq not in self.told[stream]:
                    wrong.append(f"{stream} {seq} was published and is not in the log ({len(found)} rows)")
        except sqlite3.Error as error:
            wrong.append(f"the log cannot be read: {error}")
        finally:
            database.close()
        return wrong


@dataclass
class Stage:
    """One gateway and everything around it."""

    gateway: Fieldgate
    witness: Witness
    site: Path
    document: dict[str, Any]
    city: Subscriber
    broker: Mosquitto

    def settle(self) -> None:
        """Wait until nothing is missing, once the gateway has been stopped or has caught up."""
        until(lambda: not self.witness.missing(), "what is missing", patience_s=20.0)

    def end(self) -> Witness:
        """Stop it while it runs, wait for what is missing, and judge. Raises AssertionError unless it stops well."""
        assert self.gateway.stop() == 0
        self.settle()
        self.witness.compare_log(newest=1000)
        self.witness.judge()
        return self.witness

    def live_on(self) -> Witness:
        """Start it a last time: it goes on to deliver, and ends."""
        before = self.witness.newest
        with self.gateway.running():
            until(lambda: self.witness.newest > before + 5, "batches of the last start")
            return self.end()


@contextmanager
def stage(folder: Path, log_folder: Path | None = None, **log: Any) -> Iterator[Stage]:
    """A broker, a subscriber, a libmodbus slave with 3 units of 20 registers polled every 50 ms, and the gateway, not
    started. `log_folder`: where the log lies (another file system)."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    city = Subscriber(broker, folder / "feed.txt")
    points = [{"id": f"r{at}", "table": "holding", "address": at, "type": "uint16"} for at in range(POINTS)]
    path = (log_folder or folder) / "log.db"
    try:
        with libmodbus_tcp({3: {at: FIRST_VALUE + at for at in range(POINTS)}}) as slave:
            document: dict[str, Any] = {
                "gateway": {"id": "lyu-gas-017", "timezone": "Asia/Shanghai"},
                "lines": {"plc": {"tcp": f"127.0.0.1:{slave.port}"}},
                "instruments": [
                    {"id": f"unit-{unit}", "line": "plc", "protocol": "modbus", "address": unit, "every": "50ms",
                     "points": points}
                    for unit in range(1, UNITS + 1)
                ],
            }  # fmt: skip
            settings = {"commit_every": "10ms", "key_file": str(folder / "key.pem")} | log
            document = local(document, folder, broker.port, **settings)
            document["log"]["path"] = str(path)
            document["uplinks"]["city"] |= {"backlog_rate": 5000, "unheard_retry": "1s"}
            site = write_site(folder / "site.yaml", document)
            gateway = Fieldgate(site, folder / "gateway.log")
            yield Stage(gateway, Witness(folder / "feed.txt", path), site, document, city, broker)
    except AssertionError as error:
        last = (folder / "gateway.log").read_text(errors="replace").splitlines()[-30:]
        error.add_note("the gateway's last words:\n" + "\n".join(last))
        raise
    finally:
        city.stop()
        broker.stop()


def gaps(witness: Witness, period_ms: int = 50) -> list[str]:
    """Polls that are in no batch though the gateway ran all the time, and that `log.lost` does not count."""
    witness.look()
    due: dict[str, list[int]] = defaultdict(list)
    for text in witness.bodies.values():
        for sample in json.loads(text)["samples"]:
            due[sample["instrument"]].append(sample["ts"] - sample["lag"])
    found = []
    for instrument, times in due.items():
        expected = (max(times) - min(times)) // period_ms + 1
        told = sum(said.get("instruments", {}).get(instrument, 0) for said in witness.lost)
        if len(set(times)) + told < expected:
            found.append(f"{instrument}: {expected} polls due, {len(set(times))} in the feed, {told} told as lost")
    return found


def counter(scene: Stage, name: str) -> float:
    """The sum of a metric over its labels, as Prometheus would read it."""
    with urllib.request.urlopen(f"http://{scene.document['health']['listen']}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def health(scene: Stage) -> tuple[int, str]:
    """Status and words of /healthz."""
    try:
        with urllib.request.urlopen(f"http://{scene.document['health']['listen']}/healthz", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
