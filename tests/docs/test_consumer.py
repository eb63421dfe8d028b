"""The example consumer of docs/consume.md, run against a real broker with repeats, disorder and a kill."""

import json
import random
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.evidence.check import check_feed
from gateway.evidence.lines import read_lines
from gateway.reading import Event
from tests.fakes.feed import GATEWAY, FakeFeed, reading, signed_feed, signer
from tests.system.harness import Mosquitto, until

CONSUMER = Path(__file__).parents[2] / "docs" / "examples" / "consumer.py"
BASE = f"fieldgate/v1/{GATEWAY}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@contextmanager
def consumer(broker: Mosquitto, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The example as a process, connected and subscribed."""
    command = [sys.executable, str(CONSUMER), "run", "--database", str(folder / "city.db")]
    process = subprocess.Popen(
        [*command, "--broker", f"mqtt://127.0.0.1:{broker.port}"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("connected: Success")
        assert process.stdout.readline().startswith("subscribed: Granted QoS 1")
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]


@contextmanager
def publisher(broker: Mosquitto) -> Iterator[Client]:
    """A gateway's connection, as far as a broker can tell."""
    client = Client(CallbackAPIVersion.VERSION2, "gateway", protocol=MQTTv5)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def publish(client: Client, lane: str, *payloads: bytes, retain: bool = False) -> None:
    """QoS 1, each waited for."""
    for payload in payloads:
        client.publish(f"{BASE}/{lane}", payload, 1, retain).wait_for_publish(10)


def ask(folder: Path, question: str, *values: Any) -> list[Any]:
    """Rows of the consumer's database."""
    database = sqlite3.connect(folder / "city.db")
    try:
        return database.execute(question, values).fetchall()
    finally:
        database.close()


def stored(folder: Path) -> list[int]:
    return [seq for (seq,) in ask(folder, "SELECT seq FROM batches ORDER BY seq")]


def output(folder: Path, command: str) -> list[str]:
    run = [sys.executable, str(CONSUMER), command, "--database", str(folder / "city.db")]
    return subprocess.run(run, check=True, capture_output=True, text=True, timeout=30).stdout.splitlines()


def test_each_batch_counts_once_whatever_the_order_the_repeats_and_the_kill(broker: Mosquitto, tmp_path: Path) -> None:
    bodies = signed_feed(60, 20).bodies
    expected = {
        (sample["ts"], point): value
        for body in map(orjson.loads, bodies)
        for sample in body["samples"]
        for point, value in sample["values"].items()
    }
    with publisher(broker) as gateway:
        with consumer(broker, tmp_path) as process:
            publish(gateway, "data", *bodies[:20], *bodies[5:15])
            publish(gateway, "backfill", *(zlib.compress(body, 1) for body in random.Random(3).sample(bodies, 30)))
            process.kill()
        publish(gateway, "data", *bodies[40:])  # while the consumer is down: the broker keeps them
        with consumer(broker, tmp_path) as process:
            publish(gateway, "backfill", *reversed(bodies[15:45]), *bodies[15:20])
            until(lambda: len(stored(tmp_path)) == len(bodies), "all batches in the database")
            process.terminate()
            assert process.wait(10) == 0
    assert stored(tmp_path) == list(range(1, len(bodies) + 1))
    rows = ask(tmp_path, "SELECT ts, point, value FROM readings")
    assert len(rows) == len(expected)
    assert {(ts, point): value for ts, point, value in rows} == expected
    assert ask(tmp_path, "SELECT * FROM refused") == []
    assert output(tmp_path, "missing") == []
    report = check_feed(read_lines(line.encode() for line in output(tmp_path, "feed")), signer().key)
    assert report.proven


def test_backfill_never_moves_the_latest_value_and_gaps_are_listed(broker: Mosquitto, tmp_path: Path) -> None:
    feed = FakeFeed()
    for at in range(6):
        feed.add([reading(feed.at_ms + 900, (float(at), None))])
    with publisher(broker) as gateway, consumer(broker, tmp_path):
        publish(gateway, "data", feed.bodies[0], feed.bodies[3])
        publish(gateway, "backfill", feed.bodies[5], feed.bodies[1])
        until(lambda: len(stored(tmp_path)) == 4, "four batches")
    latest = ask(tmp_path, "SELECT point, value, flag, why FROM latest ORDER BY point")
    assert latest == [("nox", None, "B", "timeout: no answer in 1.0 s"), ("so2", 3.0, "N", None)]
    assert output(tmp_path, "missing") == [f"{GATEWAY} {feed.stream} 3-3", f"{GATEWAY} {feed.stream} 5-5"]


def test_status_points_and_bad_messages_do_not_disturb(broker: Mosquitto, tmp_path: Path) -> None:
    feed = FakeFeed()
    feed.add(events=[Event(5, "limit.exceeded", {"limit": 50}, "cems-1", "so2", "alarm")])
    other = feed.bodies[0].replace(b'"limit":50', b'"limit":51')
    with publisher(broker) as gateway, consumer(broker, tmp_path):
        publish(gateway, "status", b'{"v":1,"gateway":"%b","state":"online"}' % GATEWAY.encode(), retain=True)
        publish(gateway, "points", b'{"v":1,"gateway":"%b","instruments":[]}' % GATEWAY.encode(), retain=True)
        publish(gateway, "data", b"\x78junk", b"{", b'{"v":1}', b'{"v":1,"gateway":"%b"}' % GATEWAY.encode())
        publish(gateway, "data", feed.bodies[0], other)
        until(lambda: ask(tmp_path, "SELECT count(*) FROM refused") == [(5,)], "five refused messages")
    assert stored(tmp_path) == [1]
    ((status, points),) = ask(tmp_path, "SELECT status, points FROM gateways")
    assert (json.loads(status)["state"], json.loads(points)["instruments"]) == ("online", [])
    assert ask(tmp_path, "SELECT kind, point, level, data FROM events") == [
        ("limit.exceeded", "so2", "alarm", '{"limit": 50}')
    ]
    reasons = [reason for (reason,) in ask(tmp_path, "SELECT reason FROM refused")]
    assert reasons[-1].endswith("is here with another content")


def test_questions_of_the_page_are_answered(tmp_path: Path) -> None:
    page = (CONSUMER.parents[1] / "consume.md").read_text("utf-8")
    questions = page.split("```sql\n")[1].split("```")[0].split(";\n")
    assert output(tmp_path, "missing") == []  # makes the tables
    for question in questions[:-1]:
        assert ask(tmp_path, question) == []
    assert len(questions) == 4
