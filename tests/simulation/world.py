"""A machine for the gateway in virtual time: lines, brokers and a disk that fail when a seed says so.

The gateway in it is the real one of gateway/run.py with its real poller, pipeline, log (SQLite on a real file),
uplinks and commands. Simulated are: the loop's time, the wall clock, what instruments answer, what a broker does with
each message, when the disk fails, and when the process is killed. A kill copies the files as they are at that instant
to the next life and cuts the old life off from everything; what it still does on its way out nobody sees.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import orjson

from drivers.contract import Flag, Sample
from drivers.errors import WriteRefused
from drivers.profile import InstrumentSpec, LineSpec
from gateway.batch import plain
from gateway.broker import ConnectFailed, Lost, Message
from gateway.clock import SystemClock
from gateway.fieldbus import Fieldbus
from gateway.log import opening
from gateway.log.database import connect
from gateway.log.store import Store, Written
from tests.fakes.virtual_time import VirtualTimeLoop


class SimulatedLoop(VirtualTimeLoop):
    """Work for other threads is done at once and in order, so that a seed is one course of events."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # it belongs to whoever waits
            done.set_exception(error)
        return done


class SimulatedClock(SystemClock):
    """The wall clock of the whole world; `ahead_ms` steps it, `said` is what the time service says."""

    def __init__(self, ahead_ms: int) -> None:
        super().__init__()
        self.ahead_ms = ahead_ms
        self.said: bool | None = True

    def now_ms(self) -> int:
        return int(self.monotonic() * 1000) + self.ahead_ms

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def look(self) -> None:
        self._learn(self.said)

    def glance(self) -> None:
        if self.said:
            self._learn(True)

    def born(self) -> "SimulatedClock":
        """The clock as a new process sees it: same time, nothing known of it."""
        fresh = SimulatedClock(self.ahead_ms)
        fresh.said = self.said
        return fresh


# Disk


HEALED_S = 3.0
"""Longest from the end of a disk's trouble to the next commit: two waits of a second, and the commit."""


@dataclass
class Disk:
    """Where the log's files are, and how they fail. `trouble` is the error that every call gets."""

    folder: Path
    chance: Random
    trouble: str | None = None
    unknown_share: float = 0.0
    """Share of the calls that do their work and then report an error: commits of unknown outcome."""
    latency_s: float = 0.002
    calls: int = 0
    kill_at: int | None = None
    """Number of the call at which the process is killed, before or after its work."""
    killed: Callable[[], None] = lambda: None
    errors: int = 0
    well_since_s: float = 0.0
    ill_since_s: float | None = None

    def ill(self, error: str | None) -> None:
        """Fail with `error` from now on; None heals it."""
        now = asyncio.get_running_loop().time()
        if error is not None:
            self.falls_ill()
        else:
            self.well_since_s = now
            self.unknown_share = 0.0
        self.trouble = error

    def falls_ill(self) -> None:
        """An illness begins, or the last one goes on: between two of them the gateway may not have tried again."""
        now = asyncio.get_running_loop().time()
        well = self.trouble is None and self.unknown_share == 0
        if self.ill_since_s is None or (well and now - self.well_since_s > HEALED_S):
            self.ill_since_s = now

    def fail_if_ill(self) -> None:
        """Raise the trouble."""
        if self.trouble is not None:
            self.errors += 1
            raise sqlite3.OperationalError(self.trouble)

    def die(self) -> None:
        """The process is killed at this instant; to what is left of it the disk fails for ever."""
        self.kill_at = None
        self.killed()
        self.trouble = "killed"
        raise sqlite3.OperationalError("killed")


class SimulatedStore(Store):
    """SQLite on the spot, with the troubles of the disk that its file lies on."""

    disks: ClassVar[dict[Path, Disk]] = {}

    def __init__(self, connection: sqlite3.Connection, disk: Disk) -> None:
        self._sqlite = connection
        self._disk = disk
        self.written = Written()

    @classmethod
    async def open(cls, path: Path, wal_bytes: int) -> "SimulatedStore":
        disk = cls.disks[path.parent]
        disk.fail_if_ill()
        return cls(connect(path, wal_bytes), disk)

    async def call(self, job: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        disk = self._disk
        disk.calls += 1
        dies = disk.kill_at is not None and disk.calls >= disk.kill_at
        if dies and disk.chance.random() < 0.5:
            disk.die()
        await asyncio.sleep(disk.latency_s * disk.chance.random())
        disk.fail_if_ill()
        result = job(self._sqlite, *args, **kwargs)
        if dies:
            disk.die()
        if disk.unknown_share and disk.chance.random() < disk.unknown_share:
            disk.errors += 1
            raise sqlite3.OperationalError("disk I/O error")
        return result

    def begin(self, job: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        return asyncio.create_task(self.call(job, *args, **kwargs), name="simulated disk")

    async def close(self) -> None:
        self._sqlite.close()

    async def abandon(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._sqlite.close()


@contextlib.contextmanager
def simulated_disks() -> Iterator[None]:
    """Logs opened from now on lie on simulated disks."""
    before = opening.Store
    opening.Store = SimulatedStore  # type: ignore[misc]
    try:
        yield
    finally:
        opening.Store = before  # type: ignore[misc]
        SimulatedStore.disks.clear()


def committed(path: Path) -> dict[tuple[str, int], bytes]:
    """Every batch in a log's files, by name, in the order of the log."""
    database = sqlite3.connect(path)
    try:
        rows = database.execute("SELECT stream, seq, body FROM batches ORDER BY position").fetchall()
    except sqlite3.OperationalError:  # killed before there was a table
        rows = []
    finally:
        database.close()
    return {(stream, seq): plain(body) for stream, seq, body in rows}


def held_numbers(path: Path) -> set[int]:
    """The numbers of the readings that are committed aside."""
    database = sqlite3.connect(path)
    try:
        rows = database.execute("SELECT body FROM held").fetchall()
    except sqlite3.OperationalError:
        rows = []
    finally:
        database.close()
    return {reading[5][0] for (body,) in rows for reading in orjson.loads(body)}


def copied(source: Path, target: Path) -> None:
    """The files as they are at this instant."""
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-lock", "*-shm"))


# Brokers


@dataclass
class Arrived:
    """One batch that a broker took."""

    at_s: float
    lane: str
    name: tuple[str, int]
    body: bytes


@dataclass
class Broker:
    """One broker; the attributes say how it behaves, and may change at any time."""

    chance: Random
    up: bool = True
    latency_s: float = 0.01
    acknowledging: bool = True
    unheard: bool = False
    refused_share: float = 0.0
    refused_code: int = 0x97
    poison: set[tuple[str, int]] = field(default_factory=set)
    maximum: int = 20
    flapping: bool = False
    arrived: list[Arrived] = field(default_factory=list)
    acknowledged: dict[tuple[str, int], float] = field(default_factory=dict)
    bodies: dict[tuple[str, int], bytes] = field(default_factory=dict)
    replies: list[dict[str, Any]] = field(default_factory=list)
    connections: "set[SimulatedConnection]" = field(default_factory=set)
    attempts: list[float] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def end(self, reason: str = "the broker closed the connection") -> None:
        """End every connection."""
        for connection in list(self.connections):
            connection.end(reason)

    def command(self, body: Mapping[str, Any], topic: str) -> None:
        """Publish a command to whoever listens."""
        for connection in list(self.connections):
            connection.deliver(Message(topic, orjson.dumps(body)))

    def answer(self, topic: str, body: bytes) -> int:
        """Take a message: its PUBACK's reason code."""
        lane = topic.rsplit("/", 1)[1]
        if lane not in ("data", "backfill"):
            if lane == "reply":
                self.replies.append(orjson.loads(body))
            return 0
        text = plain(body)
        said = orjson.loads(text)
        name = said["stream"], said["seq"]
        if self.bodies.setdefault(name, text) != text:
            self.findings.append(f"{name} came with two bodies")
        if name in self.poison:
            return 0x99
        if self.chance.random() < self.refused_share:
            return self.refused_code
        self.arrived.append(Arrived(asyncio.get_running_loop().time(), lane, name, text))
        return 0x10 if self.unheard else 0


class SimulatedConnection:
    """gateway.broker.Connection as the uplink uses it."""

    def __init__(self, broker: Broker, window: int, life: "Life") -> None:
        self.window = min(window, broker.maximum)
        self.largest: int | None = None
        self.keeps_retained = True
        self.certificate_expiry_s: float | None = None
        self.lost = asyncio.Event()
        self.reason = ""
        self.taken_over = False
        self.by_peer = False
        self.deliver: Callable[[Message], None] = lambda message: None
        self._broker = broker
        self._life = life
        self._on_their_way = 0
        self._arrives_s = 0.0
        self._loop = asyncio.get_running_loop()
        broker.connections.add(self)

    def fits(self, topic: str, body: bytes) -> bool:
        return True

    def send(self, topic: str, body: bytes, done: Callable[[int], None], together: bool = False) -> None:
        if self.lost.is_set():
            raise Lost(self.reason)
        if self._life.dead:
            return
        self._life.sends(topic, body)
        self._on_their_way += 1
        if self._on_their_way > self.window:
            self._broker.findings.append(f"{self._on_their_way} messages on their way, {self.window} allowed")
        # a connection keeps the order of what is sent over it
        takes_s = self._broker.latency_s * (0.5 + self._broker.chance.random())
        self._arrives_s = max(self._arrives_s + 1e-6, self._loop.time() + takes_s)
        self._loop.call_at(self._arrives_s, self._take, topic, body, done)

    def _take(self, topic: str, body: bytes, done: Callable[[int], None]) -> None:
        if self.lost.is_set() or self._life.dead:
            return
        code = self._broker.answer(topic, body)
        if not self._broker.acknowledging:
            return
        self._on_their_way -= 1
        if topic.endswith(("/data", "/backfill")) and code == 0:
            said = orjson.loads(plain(body))
            self._broker.acknowledged.setdefault((said["stream"], said["seq"]), self._loop.time())
        done(code)

    async def publish(
        self, topic: str, body: bytes, retain: bool = False, correlation: bytes | None = None, expiry_s: int = 0
    ) -> int:
        answered: asyncio.Future[int] = self._loop.create_future()
        self.send(topic, body, lambda code: None if answered.done() else answered.set_result(code))
        gone = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not answered.done():
            raise Lost(self.reason)
        return answered.result()

    async def subscribe(self, *topics: str) -> None:
        await asyncio.sleep(self._broker.latency_s)

    async def disconnect(self) -> None:
        self.close("closed by this side")

    def close(self, reason: str) -> None:
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()
        self._broker.connections.discard(self)

    def end(self, reason: str) -> None:
        """The other side ends it."""
        self.by_peer = True
        self.close(reason)


@dataclass
class Network:
    """gateway.broker.Network over simulated brokers, by port."""

    brokers: Mapping[int, Broker]
    life: "Life"

    async def connect(self, address: Any, will: Message | None = None) -> Any:
        broker = self.brokers[address.port]
        if not self.life.dead:
            broker.attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(broker.latency_s)
        if not broker.up or self.life.dead:
            raise ConnectFailed("refused", "the connection was refused")
        connection = SimulatedConnection(broker, address.window, self.life)
        if broker.flapping:
            asyncio.get_running_loop().call_later(0.3, connection.end, "taken over")
        return connection

    async def listening(self, address: Any) -> bool:
        return self.brokers[address.port].up


# Lines


@dataclass
class Field:
    """All instruments of the site; each poll serves numbers that are never served again."""

    chance: Random
    failing: dict[str, str] = field(default_factory=dict)
    """Instrument -> result of its polls: timeout, crc, exception, line."""
    served: dict[int, tuple[str, float]] = field(default_factory=dict)
    """Number -> instrument and when."""
    written: list[tuple[str, str, Any]] = field(default_factory=list)
    count: int = 0


class SimulatedDriver:
    """One instrument of two points and a setpoint."""

    points = ("number", "same", "setpoint")

    def __init__(self, name: str, all_of_it: Field, life: "Life") -> None:
        self.name = self.unit = name
        self._field = all_of_it
        self._life = life
        self._setpoint = 20.0

    async def poll(self) -> Sample:
        world = self._field
        result = world.failing.get(self.name)
        await asyncio.sleep(0.2 if result == "timeout" else 0.01 + 0.02 * world.chance.random())
        if result is not None:
            return Sample.nothing(3, f"{result}: as the seed says")
        world.count += 1
        if not self._life.dead:
            world.served[world.count] = self.name, asyncio.get_running_loop().time()
        flags = {2: Flag.OUT_OF_RANGE} if world.count % 7 == 0 else {}
        return Sample(
            (world.count, world.count, self._setpoint), flags, dict.fromkeys(flags, "range: as the seed says")
        )

    async def write(self, name: str, value: bool | int | float | str) -> float:
        if name != "setpoint" or not isinstance(value, float | int) or not 5 <= value <= 60:
            raise WriteRefused(f"{name} does not take {value!r}")
        if not self._life.dead:
            self._field.written.append((self.name, name, value))
        await asyncio.sleep(0.05)
        self._setpoint = float(value)
        return self._setpoint


class SimulatedLine:
    """A line that is always up; what goes wrong, the drivers say."""

    in_flight = 1
    up = True
    state = "up"
    busy_s = 0.0
    exchange_seconds: Any = None
    faults: Mapping[str, int] = {}

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def wait_up(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def ready_at(self, unit: object) -> float:
        return 0.0


def lines(
    all_of_it: Field, life: "Life", specs: Mapping[str, LineSpec], instruments: Iterable[InstrumentSpec]
) -> dict[str, Fieldbus]:
    """What gateway.fieldbus.build makes, simulated."""
    found: dict[str, Fieldbus] = {}
    listed = list(instruments)
    for name, spec in specs.items():
        drivers = {one.id: SimulatedDriver(one.id, all_of_it, life) for one in listed if one.line == name}
        found[name] = Fieldbus(spec, SimulatedLine(name), drivers)  # type: ignore[arg-type]
    return found


@dataclass
class Life:
    """One run of the process."""

    began_s: float
    dead: bool = False
    sent: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def sends(self, topic: str, body: bytes) -> None:
        """Note a batch on its way out."""
        if topic.endswith(("/data", "/backfill")):
            text = plain(body)
            said = orjson.loads(text)
            self.sent[said["stream"], said["seq"]] = text
