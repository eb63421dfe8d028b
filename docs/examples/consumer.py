"""A central consumer of fieldgate feeds: many gateways, one SQLite database, each batch counted once.

    pip install "paho-mqtt>=2.2"
    python consumer.py run --broker mqtts://broker.example:8883 --user city --password-file pw --database city.db
    python consumer.py missing --database city.db      # batches that are not here yet
    python consumer.py feed --database city.db         # the record as `fieldgate verify` reads it

What makes it right:
* a message is acknowledged only after the transaction that stores it is on the disk;
* the session is persistent, so the broker keeps what comes while this program is down;
* a batch is stored under (gateway, stream, seq), and what it carries only together with it: a repeat adds nothing;
* `backfill` is stored like `data` but never moves the table of latest values;
* the exact payload is kept, because it is what the chain and the signatures speak of.
"""

import argparse
import contextlib
import hashlib
import json
import queue
import signal
import sqlite3
import sys
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SESSION_S = 7 * 86_400  # how long the broker keeps our messages while we are down
WAITING = 2000  # messages received and not stored yet: the broker sends no more until some are acknowledged
TOGETHER = 500  # messages in one transaction: one disk flush for all of them
LARGEST = 64 * 2**20  # bytes of an unpacked batch

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS batches (
  gateway TEXT, stream TEXT, seq INTEGER, created INTEGER, clock TEXT, lane TEXT, topic TEXT, sha256 TEXT,
  payload BLOB, PRIMARY KEY (gateway, stream, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readings (
  gateway TEXT, instrument TEXT, point TEXT, due INTEGER, ts INTEGER, value, flag TEXT, why TEXT,
  stream TEXT, seq INTEGER);
CREATE INDEX IF NOT EXISTS readings_by_time ON readings (gateway, instrument, point, due);
CREATE TABLE IF NOT EXISTS latest (
  gateway TEXT, instrument TEXT, point TEXT, due INTEGER, value, flag TEXT, why TEXT,
  PRIMARY KEY (gateway, instrument, point)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
  gateway TEXT, instrument TEXT, period TEXT, start INTEGER, rev INTEGER, figures TEXT,
  PRIMARY KEY (gateway, instrument, period, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  gateway TEXT, ts INTEGER, kind TEXT, instrument TEXT, point TEXT, level TEXT, data TEXT, stream TEXT, seq INTEGER);
CREATE TABLE IF NOT EXISTS gateways (gateway TEXT PRIMARY KEY, status TEXT, points TEXT);
CREATE TABLE IF NOT EXISTS refused (at INTEGER, topic TEXT, reason TEXT, payload BLOB);
"""

NEWER_WINDOW = """
INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET rev = excluded.rev, figures = excluded.figures WHERE excluded.rev > rev
"""
NEWER_VALUE = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET due = excluded.due, value = excluded.value, flag = excluded.flag, why = excluded.why WHERE excluded.due >= due
"""
SAID = {
    "status": "UPDATE gateways SET status = ? WHERE gateway = ?",
    "points": "UPDATE gateways SET points = ? WHERE gateway = ?",
}
KNOWN = "SELECT sha256 FROM batches WHERE gateway = ? AND stream = ? AND seq = ?"


class Refused(ValueError):
    """A message that cannot be stored. It is kept aside with its reason, and the others go on."""


def open_database(path: Path) -> sqlite3.Connection:
    """The database, made if it is new."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(SCHEMA)
    return database


def store(database: sqlite3.Connection, topic: str, payload: bytes) -> None:
    """Store one message inside the caller's transaction; a repeat changes nothing. Raises Refused."""
    gateway, kind = topic.split("/")[-2:]
    if not payload:
        return  # a retained message that was cleared
    text = unpacked(payload)
    try:
        body = json.loads(text)
    except ValueError as error:
        raise Refused(f"no JSON: {error}") from error
    if not isinstance(body, dict) or body.get("v") != 1 or body.get("gateway") != gateway:
        raise Refused("not version 1, or not this topic's gateway")
    try:
        if kind in ("data", "backfill"):
            store_batch(database, topic, kind, payload, text, body)
        elif kind in SAID:
            database.execute("INSERT OR IGNORE INTO gateways (gateway) VALUES (?)", (gateway,))
            database.execute(SAID[kind], (json.dumps(body), gateway))
    except (KeyError, TypeError, AttributeError, sqlite3.InterfaceError, OverflowError) as error:
        raise Refused(f"not as docs/feed.md says: {error!r}") from error


def unpacked(payload: bytes) -> bytes:
    """The JSON text: zlib data begins with 0x78, JSON with `{`. Raises Refused."""
    if payload[:1] != b"\x78":
        return payload
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(payload, LARGEST)
    except zlib.error as error:
        raise Refused(f"damaged zlib data: {error}") from error
    if not unpack.eof:
        raise Refused("zlib data cut short or too large")
    return text


def store_batch(
    database: sqlite3.Connection, topic: str, lane: str, payload: bytes, text: bytes, body: dict[str, Any]
) -> None:
    """A batch and all it carries, unless it is here already."""
    name = (body["gateway"], body["stream"], body["seq"])
    sha256 = hashlib.sha256(text).hexdigest()
    known = database.execute(KNOWN, name).fetchone()
    if known is not None:
        if known[0] != sha256:
            raise Refused(f"{name} is here with another content")
        return
    row = (*name, body["created"], body["clock"], lane, topic, sha256, payload)
    database.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    gateway, stream, seq = name
    for sample in body["samples"]:
        instrument, ts, due = sample["instrument"], sample["ts"], sample["ts"] - sample["lag"]
        for point, value in sample["values"].items():
            flag, why = sample["flags"].get(point, "N"), sample["why"].get(point)
            stored = (gateway, instrument, point, due, ts, number(value), flag, why, stream, seq)
            database.execute("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", stored)
            if lane == "data":
                database.execute(NEWER_VALUE, (gateway, instrument, point, due, number(value), flag, why))
    for window in body["windows"]:
        figures = json.dumps(window["values"])
        key = (gateway, window["instrument"], window["period"], window["start"], window["rev"])
        database.execute(NEWER_WINDOW, (*key, figures))
    for event in body["events"]:
        where = (event.get("instrument"), event.get("point"), event.get("level"))
        told = (gateway, event["ts"], event["kind"], *where, json.dumps(event["data"]), stream, seq)
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", told)


def number(value: Any) -> Any:
    """SQLite has 64-bit signed integers: a larger one is kept as text rather than rounded."""
    return str(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def store_all(database: sqlite3.Connection, messages: list[MQTTMessage]) -> None:
    """Store the messages in one transaction. After the return they are on the disk."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for message in messages:
            database.execute("SAVEPOINT message")
            try:
                store(database, message.topic, bytes(message.payload))
            except Refused as error:
                database.execute("ROLLBACK TO message")
                row = (time.time_ns() // 1_000_000, message.topic, str(error), message.payload)
                database.execute("INSERT INTO refused VALUES (?, ?, ?, ?)", row)
                print(f"refused: {message.topic}: {error}", file=sys.stderr, flush=True)
            database.execute("RELEASE message")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


class Consumer:
    """The connection to the broker: the network thread fills `waiting`, the main thread stores and acknowledges."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.waiting: queue.Queue[tuple[int, MQTTMessage]] = queue.Queue(WAITING)
        self.stopping = threading.Event()
        self.options = options
        self.connection = 0
        self.client = self._client()

    def _client(self) -> Client:
        options, where = self.options, urlsplit(self.options.broker)
        client = Client(CallbackAPIVersion.VERSION2, options.id, protocol=MQTTv5, manual_ack=True)
        if options.user:
            password = Path(options.password_file).read_text("utf-8").strip() if options.password_file else None
            client.username_pw_set(options.user, password)
        if where.scheme == "mqtts":
            client.tls_set(ca_certs=options.ca_file)
        client.reconnect_delay_set(1, 20)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = lambda _, __, message: self._received(message)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = SESSION_S
        session.ReceiveMaximum = WAITING
        port = where.port or (8883 if where.scheme == "mqtts" else 1883)
        client.connect_async(where.hostname or "127.0.0.1", port, clean_start=False, properties=session)
        return client

    def _connected(self, client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, __: Any) -> None:
        self.connection += 1
        print(f"connected: {code}, session {'found' if flags.session_present else 'new'}", flush=True)
        if code.is_failure:
            return
        base = self.options.base
        client.subscribe([(f"{base}/+/{kind}", 1) for kind in ("status", "points", "data", "backfill")])

    def _subscribed(self, client: Client, _: Any, __: int, codes: list[ReasonCode], ___: Any) -> None:
        print(f"subscribed: {', '.join(str(code) for code in codes)}", flush=True)

    def _received(self, message: MQTTMessage) -> None:
        """Hand over, waiting while the store is behind. What was not taken at the stop comes again next time."""
        taken = False
        while not (taken or self.stopping.is_set()):
            with contextlib.suppress(queue.Full):
                self.waiting.put((self.connection, message), timeout=1)
                taken = True

    def run(self) -> None:
        """Store and acknowledge until stopped."""
        database = open_database(self.options.database)
        self.client.loop_start()
        try:
            while not self.stopping.is_set():
                if taken := self._taken():
                    store_all(database, [message for _, message in taken])
                    self._acknowledge(taken)
        finally:
            self.stopping.set()
            self.client.disconnect()
            self.client.loop_stop()
            database.close()

    def _acknowledge(self, taken: list[tuple[int, MQTTMessage]]) -> None:
        """Only what came on this connection: after a reconnection the number of an older message is another's."""
        for connection, message in taken:
            if connection == self.connection:
                self.client.ack(message.mid, message.qos)

    def _taken(self) -> list[tuple[int, MQTTMessage]]:
        taken: list[tuple[int, MQTTMessage]] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self.waiting.get(timeout=0.5))
            while len(taken) < TOGETHER:
                taken.append(self.waiting.get_nowait())
        return taken


def missing(database: sqlite3.Connection) -> Iterator[str]:
    """Ranges of each stream that are not here: evicted (then `events` has a log.evicted), or still to come."""
    gaps = """
    SELECT gateway, stream, before + 1, seq - 1 FROM (
      SELECT gateway, stream, seq, lag(seq, 1, 0) OVER (PARTITION BY gateway, stream ORDER BY seq) AS before
      FROM batches) WHERE seq > before + 1
    """
    for gateway, stream, first, last in database.execute(gaps):
        yield f"{gateway} {stream} {first}-{last}"


def feed(database: sqlite3.Connection) -> Iterator[str]:
    """Every batch as a line of a recorded feed."""
    for topic, payload in database.execute("SELECT topic, payload FROM batches ORDER BY gateway, stream, seq"):
        yield json.dumps({"topic": topic, "body": b64encode(payload).decode()})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A central consumer of fieldgate feeds")
    parser.add_argument("command", choices=["run", "missing", "feed"])
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--base", default="fieldgate/v1")
    parser.add_argument("--id", default="city-consumer", help="MQTT client id; the broker's session belongs to it")
    parser.add_argument("--user")
    parser.add_argument("--password-file")
    parser.add_argument("--ca-file")
    options = parser.parse_args()
    if options.command != "run":
        database = open_database(options.database)
        for line in (missing if options.command == "missing" else feed)(database):
            print(line)
        database.close()
        return
    consumer = Consumer(options)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: consumer.stopping.set())
    consumer.run()


if __name__ == "__main__":
    main()
