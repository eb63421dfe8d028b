"""The real process between foreign slaves and two real brokers: one behind a tap that misbehaves, one steady."""

import json
import sqlite3
import subprocess
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.mqtt_tap import MqttTap
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Message, Mosquitto, Subscriber, look_at, plain, until, write_site
from tests.system.sites import counters, local

PERIOD_MS = 100
QUICK = {
    "acknowledge_timeout": "1s", "keepalive": "5s", "reconnect_min": "500ms", "reconnect_max": "1s",
    "stable_after": "1s", "takeover_wait": "2s", "unheard_retry": "1s",
}  # fmt: skip
"""Shorter waits than the defaults, so that two hundred outages take minutes."""


@dataclass
class Setting:
    """Everything of one run."""

    gateway: Fieldgate
    broker: Mosquitto
    tap: MqttTap
    steady: Subscriber
    log: Path
    health: str
    document: dict[str, Any]

    def status(self, uplink: str = "city") -> dict[str, Any]:
        """What the status page says of an uplink."""
        with urllib.request.urlopen(f"http://{self.health}/status.json", timeout=10) as answer:
            rows = json.load(answer)["uplinks"]
        return next(row for row in rows if row["id"] == uplink)

    def metrics(self) -> str:
        """The whole exposition."""
        with urllib.request.urlopen(f"http://{self.health}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def live_again(self, patience_s: float = 30.0) -> float:
        """Wait until a batch made from now on is acknowledged on the live topic; seconds that took."""
        began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
        seen = len(self.tap.acknowledged)

        def live() -> bool:
            return any(
                one.code == 0 and one.sent.topic.endswith("/data") and created(one.sent.payload) >= began_ms
                for one in self.tap.acknowledged[seen:]
            )

        until(live, "live data", patience_s)
        return time.monotonic() - began_s

    def drained(self, patience_s: float = 60.0) -> None:
        """Wait until nothing at all is undelivered."""
        until(lambda: self.status()["backlog"] == 0, "the backlog to be drained", patience_s)

    def resident_kib(self) -> int:
        """Memory of the gateway."""
        assert self.gateway.process is not None
        text = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])

    def files(self) -> int:
        """File descriptors of the gateway."""
        assert self.gateway.process is not None
        return len(list(Path(f"/proc/{self.gateway.process.pid}/fd").iterdir()))


@contextmanager
def setting(folder: Path, settings: str = "", **uplink: Any) -> Iterator[Setting]:
    """Started and delivering live on both uplinks; `settings` are further lines of the city broker's file."""
    with ExitStack() as stack:
        broker, other = Mosquitto(folder / "broker"), Mosquitto(folder / "other")
        if settings:
            with broker.config.open("a") as out:
                out.write(settings)
        for one in (broker, other):
            one.start()
            stack.callback(one.stop)
        steady = Subscriber(other, folder / "steady.txt")
        stack.callback(steady.stop)
        city = Subscriber(broker, folder / "city.txt")
        stack.callback(city.stop)
        until(lambda: subscribed(broker), "the city to listen")
        broker.stop()  # saves its session: from now on it is there after every kill, and no batch is unheard
        broker.start()
        tap = stack.enter_context(MqttTap(broker.port))
        slaves = {name: stack.enter_context(pymodbustcp({3: dict.fromkeys(range(20), 7)})) for name in ("a", "b")}
        document = local(counters({name: slave.port for name, slave in slaves.items()}), folder, tap.port)
        document["log"]["commit_every"] = "50ms"
        document["uplinks"] = {
            "city": {"mqtt": f"mqtt://127.0.0.1:{tap.port}", **QUICK, **uplink},
            "steady": {"mqtt": f"mqtt://127.0.0.1:{other.port}"},
        }
        gateway = Fieldgate(write_site(folder / "site.yaml", document), folder / "gateway.log")
        stack.enter_context(gateway.running())
        made = Setting(gateway, broker, tap, steady, folder / "log.db", document["health"]["listen"], document)
        made.live_again()
        yield made


def created(payload: bytes) -> int:
    """`created` of a batch."""
    return int(json.loads(plain(payload))["created"])


@dataclass
class Account:
    """What the checker found; `findings` is empty when every promise was kept."""

    findings: list[str] = field(default_factory=list)
    batches: int = 0
    sent: int = 0
    repeats: int = 0
    readings: int = 0
    aside: int = 0

    def __str__(self) -> str:
        return (
            f"{self.batches} batches committed and acknowledged ({self.sent} sent, {self.repeats} repeats, "
            f"{self.aside} set aside), {self.readings} readings, {len(self.findings)} findings"
        )


def check(on: Setting) -> Account:
    """P1, P2 and P4 after a clean stop, from what the tap saw, the log file, and the steady broker's feed."""
    account = Account()
    database = sqlite3.connect(f"file:{on.log}?mode=ro", uri=True)
    rows = database.execute("SELECT stream, seq, body FROM batches ORDER BY position").fetchall()
    database.close()
    committed = {(stream, seq): plain(bytes(body)) for stream, seq, body in rows}
    account.batches = len(committed)
    batches = [one for one in on.tap.sent if one.topic.endswith(("/data", "/backfill"))]
    account.sent = len(batches)
    said = account.findings.append
    for one in batches:
        text = plain(one.payload)
        name = (body := json.loads(text))["stream"], body["seq"]
        if committed.get(name) != text:
            said(f"{name} was sent and is not so in the log")
    acknowledged = {name_of(one.sent.payload) for one in on.tap.acknowledged if one.code == 0 and one.sent in batches}
    aside = {
        (event["data"]["stream"], event["data"]["first"])
        for text in committed.values()
        for event in json.loads(text)["events"]
        if event["kind"] == "log.evicted" and event["data"]["reason"] == "refused"
    }
    account.aside = len(aside)
    undelivered = committed.keys() - acknowledged - aside
    # the last batch holds the checkpoint of the stop itself, made after the goodbye: it is delivered at the next start
    last = max(committed, default=None)
    account.findings += [f"{name} was never acknowledged" for name in sorted(undelivered) if name != last]
    looked = look_at([Message(one.at_s, one.topic, one.payload) for one in batches])
    account.repeats = looked.repeats
    account.findings += looked.altered + looked.unordered + looked.broken
    for feed, texts in (("log", list(committed.values())), ("steady", [plain(m.payload) for m in on.steady.batches()])):
        account.findings += polls(feed, texts)
    account.readings = sum(len(json.loads(text)["samples"]) for text in committed.values())
    steady = look_at(on.steady.batches())
    account.findings += [f"steady: {text}" for text in steady.missing + steady.altered + steady.broken]
    return account


def name_of(payload: bytes) -> tuple[str, int]:
    """(stream, seq)."""
    body = json.loads(plain(payload))
    return body["stream"], body["seq"]


def polls(feed: str, texts: list[bytes]) -> list[str]:
    """Each due time of each instrument once, a period after the one before (P4)."""
    due: dict[str, set[int]] = defaultdict(set)
    for text in set(texts):
        for sample in json.loads(text)["samples"]:
            at = sample["ts"] - sample["lag"]
            if at in due[sample["instrument"]]:
                return [f"{feed}: {sample['instrument']} has two readings due at {at}"]
            due[sample["instrument"]].add(at)
    return [
        f"{feed}: {instrument} has no reading between {one} and {other}"
        for instrument, times in due.items()
        for one, other in zip(sorted(times), sorted(times)[1:], strict=False)
        if other - one != PERIOD_MS
    ]


def subscribed(broker: Mosquitto) -> bool:
    """Whether a message on the gateways' topics reaches somebody (PUBACK 0x00, and not 0x10)."""
    said = subprocess.run(
        ["mosquitto_pub", "-V", "5", "-q", "1", "-d", "-h", "127.0.0.1", "-p", str(broker.port),
         "-t", "fieldgate/v1/probe", "-m", "probe"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    return b"RC:0)" in said.stdout
