"""The mutants of `mutants.py` under the real process: `python -m tests.torture.mutants --process [--count 300]`

`fieldgate run` is started on each damaged log, with a broker and a slave, until two starts in a row stay with one
stream. Each start must become READY, poll, deliver, and end with 0 at SIGTERM; all that the log still has is asked for
with `backfill`, so that every row is read and published.
"""

import random
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.batch import Batch, plain
from gateway.signing import Signer
from tests.peers.libmodbus import libmodbus_tcp
from tests.peers.process import Slave
from tests.system.city import City, now_ms
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, until, write_site
from tests.system.sites import local
from tests.torture.mutants import MOST_STARTS, Verdict, judge
from tests.torture.mutations import AT_REST, WHILE_RUNNING, Mutation, Template, evictions

GATEWAY, UPLINK = "lyu-gas-017", "city"
PATIENCE_S = 120.0
"""Longest for anything, on a machine that does other things too."""


@dataclass
class Scene:
    """One damaged log and the process on it."""

    folder: Path
    broker: Mosquitto
    slave: Slave
    made: Template
    base: str
    gateway: Fieldgate = field(init=False)
    feed: Subscriber = field(init=False)
    city: City = field(init=False)
    manager: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Subscriber(self.broker, self.folder.parent / f"{self.base.replace('/', '-')}.txt", f"{self.base}/#")
        self.city = City(self.broker, self.feed, Signer.load_or_create(self.folder.parent / "city.pem"), GATEWAY)
        self.city.root = f"{self.base}/{GATEWAY}"
        point = {"id": "p0", "table": "holding", "address": 0, "type": "uint16"}
        document: dict[str, Any] = local(
            {
                "gateway": {"id": GATEWAY},
                "lines": {"plc": {"tcp": f"127.0.0.1:{self.slave.port}"}},
                "instruments": [
                    {"id": "cems-1", "line": "plc", "protocol": "modbus", "address": 1, "every": "100ms",
                     "points": [point]}
                ],
            },
            self.folder, self.broker.port, commit_every="50ms", compression=self.made.compression,
            key_file=str(self.folder.parent / "key.pem"),
        )  # fmt: skip
        document["uplinks"][UPLINK] |= {"base": self.base, "backlog_rate": 5000}
        notify = self.folder / "notify"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(notify))
        self.manager.settimeout(PATIENCE_S)
        site = write_site(self.folder / "site.yaml", document)
        self.gateway = Fieldgate(site, self.folder / "gateway.log", {"NOTIFY_SOCKET": str(notify)})

    def close(self) -> None:
        """Everything of this log."""
        self.manager.close()
        self.feed.stop()

    def start(self) -> None:
        """Up to READY. Raises TimeoutError, AssertionError."""
        self.gateway.start()
        while not self.manager.recv(4096).startswith(b"READY=1"):
            pass

    def bodies(self) -> dict[tuple[str, int], bytes]:
        """Every batch that was published, as it came first."""
        found: dict[tuple[str, int], bytes] = {}
        for message in self.feed.batches():
            said = message.body
            found.setdefault((said["stream"], said["seq"]), plain(message.payload))
        return found


def run(
    folder: Path, made: list[Template], count: int, seed: int, running: float
) -> Iterator[tuple[int, str, Verdict]]:
    """So many mutants, the same as in process; each has a seed of its own."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    try:
        with libmodbus_tcp({3: {0: 7}}) as slave:
            for number in range(count):
                draw = random.Random(f"{seed}/{number}")
                chosen = draw.choice(made)
                while_running = draw.random() < running
                mutation = draw.choice(WHILE_RUNNING if while_running else AT_REST)
                copy = folder / "mutant"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(chosen.folder.with_name(chosen.folder.name + "-left"), copy)
                scene = Scene(copy, broker, slave, chosen, f"fieldgate/v1/m{number}")
                words, verdict = mutation.__name__, Verdict()
                try:
                    words = _live_through(scene, draw, mutation, while_running, verdict)
                except (AssertionError, OSError) as error:
                    verdict.wrong.append(f"{type(error).__name__}: {error}\n{scene.gateway.output()[-1500:]}")
                finally:
                    if scene.gateway.process is not None and scene.gateway.process.poll() is None:
                        scene.gateway.kill()
                    scene.close()
                yield number, f"{chosen.name}{' running' if while_running else ''}: {words}", verdict
    finally:
        broker.stop()


def _live_through(scene: Scene, draw: random.Random, mutation: Mutation, running: bool, verdict: Verdict) -> str:
    log = scene.folder / "log.db"
    words = "" if running else mutation(log, scene.made, draw)
    streams: list[str] = []
    while len(streams) < 2 or (streams[-1] != streams[-2] and len(streams) < MOST_STARTS):
        before = len(scene.feed.batches())
        scene.start()
        until(lambda n=before: len(_live(scene, n)) > 3, "live batches", PATIENCE_S)
        if running and not streams:
            words = mutation(log, scene.made, draw)
        _have_all_of_it_sent(scene)
        before = len(scene.feed.batches())
        until(lambda n=before: len(_live(scene, n)) > 1, "live batches at the end", PATIENCE_S)
        streams.append(_live(scene, before)[-1])
        assert scene.gateway.process is not None
        scene.gateway.process.terminate()
        if scene.gateway.process.wait(PATIENCE_S) != 0:
            verdict.wrong.append(f"the stop ended otherwise than with 0: {scene.gateway.output()[-1500:]}")
    if streams[-1] != streams[-2]:
        verdict.wrong.append("each start begins another stream")
    _judge(scene, verdict)
    return words


def _live(scene: Scene, after: int) -> list[str]:
    """Streams of the live batches since then."""
    return [message.body["stream"] for message in scene.feed.batches()[after:] if message.lane == "data"]


def _have_all_of_it_sent(scene: Scene) -> None:
    """Wait for the end of the salvage, and ask for every batch that the log has."""
    _salvaged(scene)
    command = scene.city.command("backfill", args={"from": 0, "to": now_ms() + 1000})
    scene.city.publish(command)
    until(lambda: scene.city.replies(command["id"]), "the answer to a backfill", PATIENCE_S)
    _salvaged(scene)


def _salvaged(scene: Scene) -> None:
    until(lambda: not list(scene.folder.glob("log.db-damaged-*")), "the end of the salvage", PATIENCE_S)


def _judge(scene: Scene, verdict: Verdict) -> None:
    made, seen = scene.made, scene.bodies()
    truth = {name: plain(batch.body) for name, batch in made.batches.items()}
    told = list(made.told)
    for message in scene.feed.batches():
        said = message.body
        name = said["stream"], said["seq"]
        if truth.setdefault(name, plain(message.payload)) != plain(message.payload):
            verdict.wrong.append(f"{name} was published otherwise than it was committed")
        told += evictions(Batch(0, *name, 0, plain(message.payload)))
    judge(made, truth, {UPLINK: seen}, told, verdict, (UPLINK,))
    started = [
        event["data"]["reason"]
        for name, text in seen.items()
        if name[1] == 1 and name not in made.batches
        for event in orjson.loads(text)["events"]
        if event["kind"] == "log.started"
    ]
    verdict.new_stream = started[0] if started else ""
