"""The command `backfill` through the real process: what comes again, and what is said of what cannot come."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.signing import Signer
from tests.clocks.turned import TurnedClock
from tests.peers.libmodbus import libmodbus_tcp
from tests.system.city import City, now_ms
from tests.system.harness import Fieldgate, Message, Mosquitto, Subscriber, plain, until, write_site
from tests.system.sites import local

HOUR_MS = 3_600_000
REGISTERS = 120
Name = tuple[str, int]


def name(message: Message) -> Name:
    """(stream, seq)."""
    return message.body["stream"], message.body["seq"]


def kept(log: Path) -> dict[Name, bytes]:
    """The batches that the log's file holds, in order."""
    database = sqlite3.connect(f"file:{log}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT stream, seq, body FROM batches ORDER BY position").fetchall()
    finally:
        database.close()
    return {(stream, seq): plain(bytes(body)) for stream, seq, body in rows}


def due_times(body: dict[str, Any]) -> list[int]:
    """When the readings of a batch were due."""
    return [sample["ts"] - sample["lag"] for sample in body["samples"]]


def answer_for(intervals: list[dict[str, Any]], at_ms: int) -> str:
    """What the answer says of one moment."""
    return next(part["answer"] for part in intervals if part["from"] <= at_ms < part["to"])


@pytest.mark.timeout(300)
def test_each_interval_is_sent_again_or_told_as_never_measured_or_evicted(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    feed = Subscriber(broker, tmp_path / "feed.txt")
    clock = TurnedClock(tmp_path / "clock")
    try:
        with libmodbus_tcp({3: {at: 40_000 + at for at in range(REGISTERS)}}) as slave:
            document = local(
                {
                    "gateway": {"id": "test-1"},
                    "lines": {"plc": {"tcp": f"127.0.0.1:{slave.port}"}},
                    "instruments": [
                        {"id": f"unit-{unit}", "line": "plc", "protocol": "modbus", "address": unit, "every": "50ms",
                         "points": [{"id": f"register-{at}", "table": "holding", "address": at, "type": "uint16"}
                                    for at in range(REGISTERS)]}
                        for unit in (1, 2)
                    ],
                },
                tmp_path, broker.port, max_size="1MiB",
            )  # fmt: skip
            document["uplinks"]["city"]["backlog_rate"] = 5000
            site = write_site(tmp_path / "site.yaml", document)
            gateway = Fieldgate(site, tmp_path / "gateway.log", clock.environment)
            city = City(broker, feed, Signer.load_or_create(tmp_path / "city.pem"))
            log = tmp_path / "log.db"
            with gateway.running():
                until(lambda: feed.batches(), "the first batch")
                first = feed.batches()[0].body
                until(lambda: log.exists() and min(kept(log), default=("", 0))[1] > 20, "evicted batches", 120)
                assert gateway.stop() == 0
                before = feed.batches()
                clock.set(HOUR_MS / 1000)  # an hour in which nothing was measured
                document["log"]["max_size"] = "64MiB"  # and from now on nothing more leaves the log
                write_site(site, document)
                gateway.start()
                until(lambda: len([m for m in feed.batches()[len(before) :] if m.lane == "data"]) > 5, "live batches")
                there, asked = kept(log), len(feed.messages())
                last = next(reversed(there.values()))
                begin, end = first["created"] - HOUR_MS, json.loads(last)["created"] + 1
                command = city.command("backfill", args={"from": begin, "to": end}, expires=now_ms() + 2 * HOUR_MS)
                intervals = city.ask(command)["result"]["intervals"]
                again = [m for m in feed.messages()[asked:] if m.lane == "backfill"]

                # what is evicted now, and nothing else of it, is told and does not come again
                gone = {name(m): m.body for m in before if name(m) not in there}
                assert len(gone) > 19
                edge = max(max(due_times(body), default=0) for body in gone.values())
                some = first["created"] + 500, edge - 1000
                command = city.command("backfill", args={"from": some[0], "to": some[1]}, expires=end + HOUR_MS)
                assert [part["answer"] for part in city.ask(command)["result"]["intervals"]] == ["evicted"]
                assert gateway.stop() == 0
    finally:
        feed.stop()
        broker.stop()

    assert [part["answer"] for part in intervals] == ["never measured", "evicted", "sent", "never measured", "sent"]
    assert (intervals[0]["from"], intervals[-1]["to"]) == (begin, end)
    assert [part["to"] for part in intervals[:-1]] == [part["from"] for part in intervals[1:]]
    assert intervals[3]["to"] - intervals[3]["from"] > 0.9 * HOUR_MS
    # byte for byte: as the log has them, and as they came the first time
    came = {name(m): plain(m.payload) for m in again}
    wanted = {one: body for one, body in there.items() if begin <= json.loads(body)["created"] < end}
    assert wanted.items() <= came.items()
    once = {name(m): plain(m.payload) for m in before}
    assert [one for one, body in came.items() if once.get(one, body) != body] == []
    assert came.keys() <= {*there, *(name(m) for m in feed.batches() if m.lane == "data")}
    # every reading that was ever published lies in an interval that says so of it, but for those at the edge
    for message in before:
        if name(message) in there:
            said = {answer_for(intervals, at) for at in due_times(message.body)}
            assert said <= {"sent"}, name(message)
        elif name(message) != max(gone):
            said = {answer_for(intervals, at) for at in due_times(message.body)}
            assert said <= {"evicted"}, name(message)
