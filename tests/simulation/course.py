"""One seed: a course of faults over the gateway in its simulated world, and what an outside look at it finds."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import orjson

from gateway.clock import RELEASE_MS
from gateway.evidence.check import check_feed
from gateway.evidence.item import Item
from gateway.health.service_manager import ServiceManager
from gateway.machine import Machine
from gateway.run import Gateway
from gateway.settings import Site, load
from gateway.signing import Signer, command_text
from gateway.told import Hindered, Told
from tests.simulation.world import (
    HEALED_S,
    Broker,
    Disk,
    Field,
    Life,
    Network,
    SimulatedClock,
    SimulatedLoop,
    SimulatedStore,
    committed,
    copied,
    held_numbers,
    lines,
    simulated_disks,
)

HOUR_MS, YEAR_MS = 3_600_000, 31_557_600_000
START_MS = RELEASE_MS + 7 * 86_400_000 + 86_400_000 - 90_000
"""A minute and a half before a midnight in UTC, so that a day's account falls into the course."""
COMMIT_S = 2.2
"""Longest from a reading to its commit: `commit_every`, twice when held readings are released before it."""
INSTRUMENTS = ("a", "b", "c")


@cache
def site_of(period: str = "1s") -> tuple[Site, Signer]:
    """Three instruments on two lines, two uplinks, every command allowed to the key of the city; and that key."""
    with tempfile.TemporaryDirectory(prefix="fieldgate-site-") as folder:
        city = Signer.load_or_create(Path(folder) / "city.pem")
        file = Path(folder) / "site.yaml"
        file.write_text(json.dumps(_document(period, city.key), indent=1))
        return load(file), city


def _document(period: str, key: str) -> dict[str, Any]:
    points = [
        {"id": "number", "table": "holding", "address": 0, "type": "uint32"},
        {"id": "same", "table": "holding", "address": 2, "type": "uint32"},
        {"id": "setpoint", "table": "holding", "address": 4, "type": "float32", "writable": [5, 60]},
    ]
    return {
        "gateway": {"id": "sim-1", "timezone": "UTC"},
        "lines": {"one": {"tcp": "127.0.0.1:502"}, "two": {"tcp": "127.0.0.1:503"}},
        "instruments": [
            {"id": name, "line": "two" if name == "c" else "one", "protocol": "modbus", "address": at + 1,
             "every": period, "points": points}
            for at, name in enumerate(INSTRUMENTS)
        ],
        "uplinks": {"city": {"mqtt": "mqtt://127.0.0.1:1"}, "region": {"mqtt": "mqtt://127.0.0.1:2"}},
        "commands": {
            "allow": ["status", "read", "backfill", "mark", "write", "reload"],
            "keys": [key],
        },
    }  # fmt: skip


@dataclass
class Outcome:
    """What one seed came to; no findings means that every promise was kept."""

    seed: int
    findings: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    readings: int = 0
    lives: int = 0
    virtual_s: float = 0.0


class Course:
    """The world of one seed and everything that is done to it."""

    def __init__(self, seed: int, folder: Path, seconds: float) -> None:
        self.chance = Random(seed)
        self.outcome = Outcome(seed)
        self.folder = folder
        self.seconds = seconds
        self.loop = asyncio.get_running_loop()
        self.clock = SimulatedClock(START_MS - round(self.loop.time() * 1000))
        self.brokers = {1: Broker(self.chance), 2: Broker(self.chance)}
        self.field = Field(self.chance)
        self.ways: list[SimulatedClock] = [self.clock]
        self.signed: set[float] = set()
        self.ended: list[asyncio.Task[None]] = []
        self.healings: list[tuple[asyncio.TimerHandle, Callable[[], None]]] = []
        self.number = 0
        self.site, self.city = site_of()
        self.life: Life
        self.disk: Disk
        self.gateway: Gateway | None = None
        self.told: Told
        self.running: asyncio.Task[None]

    # -- lives --------------------------------------------------------------------------------------------

    def _place(self) -> Path:
        place = self.folder / f"life-{self.number}"
        place.mkdir(exist_ok=True)
        return place

    def start(self) -> None:
        """A new process on the files as they are."""
        self.outcome.lives += 1
        place = self._place()
        self.life = Life(self.loop.time())
        self.disk = Disk(place, self.chance, well_since_s=self.loop.time())
        self.disk.killed = self.killed
        SimulatedStore.disks[place] = self.disk
        clock = self.clock.born()
        self.ways.append(clock)
        files = {"path": str(place / "log.db"), "key_file": str(self.folder / "key.pem")}
        log = self.site.log.model_copy(update=files)
        self.site = dataclasses.replace(self.site, log=log)
        self.told = Told(lambda: self.site)
        machine = Machine(
            clock=lambda: clock,
            build=partial(lines, self.field, self.life),
            network=Network(self.brokers, self.life),
            chance=lambda: Random(self.chance.random()),
            boot="boot",
        )
        self.running = asyncio.create_task(self._process(self.told, machine, self.life), name="process")

    async def _process(self, told: Told, machine: Machine, life: Life) -> None:
        while True:
            gateway = Gateway(self.site, told, ServiceManager(), "", machine)
            if not life.dead:
                self.gateway = gateway
            await gateway.open()
            try:
                await gateway.live()
            finally:
                if not life.dead:
                    self._find([f"{part} failed {count} times" for part, count in gateway.failures.items()])
            if told.take_next() is None:
                return

    def killed(self) -> None:
        """kill -9 at this instant: the files go on as they are, everything else is gone."""
        if self.life.dead:
            return
        now = self.loop.time()
        self.life.dead = True
        self._look_at_what_is_left(now)
        place = self._place()
        self.number += 1
        copied(place, self._place())
        for broker in self.brokers.values():
            broker.end()
        self.running.cancel()
        self.ended.append(self.running)
        self.gateway = None
        self.loop.call_soon(self.start)

    async def stop(self) -> bool:
        """SIGTERM, and the end that must follow it; False when the process was killed meanwhile."""
        life, began = self.life, self.loop.time()
        well = self.disk.trouble is None and not self.disk.unknown_share
        self.told.next_site = None
        self.told.ended.set()
        await asyncio.wait((self.running,), timeout=15)
        if life.dead:
            return False
        if not self.running.done():
            self._find([f"no end within 15 s of SIGTERM at {began:.1f}"])
            self.killed()
            return False
        self.running.result()
        life.dead = True
        if self.loop.time() - began > 10:
            self._find([f"the stop took {self.loop.time() - began:.1f} s"])
        self._look_at_what_is_left(self.loop.time() + COMMIT_S if well else began)
        self.gateway = None
        return True

    def _look_at_what_is_left(self, now: float) -> None:
        """What was sent must be in the files for ever, and so must what was read longer ago than a commit takes."""
        file = self.disk.folder / "log.db"
        rows = committed(file) if file.exists() else {}
        self._find(
            [f"{name} was sent and is not committed" for name, body in self.life.sent.items() if rows.get(name) != body]
        )
        until_s = now - COMMIT_S
        if self.disk.trouble is not None or self.disk.unknown_share or self.disk.well_since_s > now - HEALED_S:
            until_s = min(until_s, (self.disk.ill_since_s or self.life.began_s) - COMMIT_S)
        have = set(numbers(rows)) | (held_numbers(file) if file.exists() else set())
        wanted = [n for n, (_, at) in self.field.served.items() if self.life.began_s <= at < until_s]
        self._find([f"number {n}, read at {self.field.served[n][1]:.2f}, is lost" for n in wanted if n not in have])

    def _find(self, findings: list[str]) -> None:
        at = f"{self.loop.time():.2f}"
        self.outcome.findings += [f"{at}: {finding}" for finding in findings]

    # -- faults -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The whole course: faults, healing, drain, stop, look."""
        began = self.loop.time()
        self.start()
        while self.loop.time() < began + self.seconds:
            await asyncio.sleep(self.chance.expovariate(1 / 4.0))
            name = self.chance.choice(tuple(FAULTS))
            self.outcome.done[name] += 1
            healing = await FAULTS[name](self)
            if healing is not None:
                handle = self.loop.call_later(self.chance.expovariate(1 / 8.0), healing)
                self.healings.append((handle, healing))
        await self._heal()
        await self.stop()
        for task in self.ended:
            task.cancel()
        await asyncio.gather(*self.ended, return_exceptions=True)
        await asyncio.sleep(12)  # the longest farewell of a life that was cut off
        self.outcome.virtual_s = self.loop.time() - began
        self._conclude()

    async def _heal(self) -> None:
        """Everything is well again: live data within 30 s, and the whole backlog in time."""
        for handle, healing in self.healings:
            if handle.when() > self.loop.time():  # above all a wall clock that still stands in 1970
                handle.cancel()
                healing()
        self.disk.kill_at = None
        self.disk.ill(None)
        self.field.failing.clear()
        for broker in self.brokers.values():
            poison = broker.poison
            fresh = Broker(self.chance)
            for key in ("up", "latency_s", "acknowledging", "unheard", "refused_share", "maximum", "flapping"):
                setattr(broker, key, getattr(fresh, key))
            broker.poison = poison
        for clock in self.ways:
            clock.said = True
        await self._drained()
        # three midnights on, so that every account of a day is told or revised
        self.turn(3 * 86_400_000)
        await asyncio.sleep(5)
        await self._drained()

    async def _drained(self) -> None:
        """Wait for live data and for the end of the backlog; say so when either does not come in time."""
        healed = self.loop.time()
        while self.life.dead or self.gateway is None or not hasattr(self.gateway, "uplinks"):
            await asyncio.sleep(0.1)
        live = dict.fromkeys(self.brokers, False)
        rivals = {
            port: self.gateway.uplinks[name]._reconnection.takeovers > 0 for name, port in (("city", 1), ("region", 2))
        }
        while not all(live.values()) or any(self.gateway.log.backlog(name)[0] for name in self.site.uplinks):
            await asyncio.sleep(0.5)
            past = self.loop.time() - healed
            for port, broker in self.brokers.items():
                calm = 75.0 if rivals[port] else 30.5  # one attempt a minute after takeovers is a promise too
                fresh_live = any(one.lane == "data" and one.at_s > healed for one in broker.arrived[-200:])
                live[port] = live[port] or fresh_live
                if not live[port] and past > calm:
                    self._find([f"no live data at broker {port} within {calm:.0f} s of the healing"])
                    live[port] = True
            if past > 600:
                left = {name: self.gateway.log.backlog(name)[0] for name in self.site.uplinks}
                self._find([f"backlog 600 s after the healing: {left}, trouble {self.gateway.log.trouble}"])
                return

    def _conclude(self) -> None:
        rows = committed(self.disk.folder / "log.db")
        self.outcome.batches = len(rows)
        had = Counter(numbers(rows))
        self.outcome.readings = len(had)
        self._find([f"number {n} is in the feed {count} times" for n, count in had.items() if count > 1])
        self._find([f"number {n} was never served" for n in had if n not in self.field.served])
        self._find(values(rows, self.field))
        bodies = [Item(None, body, f"row {at}") for at, body in enumerate(rows.values())]
        report = check_feed(bodies, Signer.load(self.folder / "key.pem").key)
        # a stream that ended before its first checkpoint is unsigned, and rightly said to be
        self._find([f"verify: {finding}" for finding in report.findings if finding.kind != "unsigned"])
        aside = reported_aside(rows)
        farewell = since_farewell(rows)
        for name, port in (("city", 1), ("region", 2)):
            broker = self.brokers[port]
            self._find(broker.findings)
            got = broker.acknowledged.keys()
            missing = [one for one in rows if one not in got and (name, *one) not in aside and one not in farewell]
            self._find([f"{name}: {one} was never acknowledged" for one in missing])
            self._find([f"{name}: {one} was acknowledged and is not committed" for one in got if one not in rows])
            self._find([f"{name}: {one} was set aside without need" for who, *one in aside
                        if who == name and tuple(one) not in broker.poison])  # fmt: skip
            self._find(unordered(name, broker))
            close = [b - a for a, b in zip(broker.attempts, broker.attempts[1:], strict=False) if b - a < 0.49]
            if len(close) > self.outcome.lives + self.outcome.done["reload"]:
                self._find([f"{name}: {len(close)} attempts less than half a second apart"])
        writes = [value for _, _, value in self.field.written]
        self._find([f"{value} was written twice" for value, count in Counter(writes).items() if count > 1])
        self._find([f"{value} was written without a signature" for value in writes if value not in self.signed])
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            self._find([f"tasks that never ended: {sorted(left)}"])

    def send(self, name: str, args: dict[str, Any], signed: bool, port: int) -> None:
        """A command, once or twice."""
        body: dict[str, Any] = {
            "v": 1, "id": f"{name}-{self.chance.random()}", "name": name, "args": args,
            "expires": self.clock.now_ms() + 60_000,
        }  # fmt: skip
        if signed:
            body["signature"] = self.city.sign(command_text(body))
            if name == "write":
                self.signed.add(args["value"])
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            self.loop.call_later(
                self.chance.expovariate(1 / 3.0), self.brokers[port].command, body, "fieldgate/v1/sim-1/command"
            )

    def any_broker(self) -> tuple[int, Broker]:
        """One of the two."""
        port = self.chance.choice(tuple(self.brokers))
        return port, self.brokers[port]

    def turn(self, by_ms: int) -> None:
        """Step the wall clock of the world."""
        for clock in self.ways:
            clock.ahead_ms += by_ms


def numbers(rows: dict[tuple[str, int], bytes]) -> list[int]:
    """Every number in the batches."""
    return [
        sample["values"]["number"]
        for body in rows.values()
        for sample in orjson.loads(body)["samples"]
        if sample["values"]["number"] is not None
    ]


def values(rows: dict[tuple[str, int], bytes], served: Field) -> list[str]:
    """Values that are not what the instrument served in that poll, nulls without a reason."""
    wrong: list[str] = []
    for name, body in rows.items():
        for sample in orjson.loads(body)["samples"]:
            number = sample["values"]["number"]
            if number is None:
                if not sample["why"].get("number") or sample["flags"].get("number") != "B":
                    wrong.append(f"{name}: a null without flag and reason")
            elif served.served.get(number, ("", 0.0))[0] != sample["instrument"] or sample["values"]["same"] != number:
                wrong.append(f"{name}: {number} at {sample['instrument']}")
    return wrong


def since_farewell(rows: dict[tuple[str, int], bytes]) -> set[tuple[str, int]]:
    """Batches that were committed after the uplinks' last word: the last one, and what was told (a command refused)
    between the checkpoint of the stop, which is still delivered, and the end. The next start delivers them."""
    since: set[tuple[str, int]] = set(list(rows)[-1:])
    after: list[tuple[str, int]] | None = None
    sealed = False
    for one, body in rows.items():
        kinds = {event["kind"] for event in orjson.loads(body)["events"]}
        if "gateway.stopping" in kinds:
            after, sealed = [], False
        elif "gateway.started" in kinds:
            after = None
        if after is not None:
            if sealed and not orjson.loads(body)["samples"]:
                after.append(one)
            sealed = sealed or "log.checkpoint" in kinds
    return since | set(after or ())


def reported_aside(rows: dict[tuple[str, int], bytes]) -> set[tuple[str, str, int]]:
    """(uplink, stream, seq) of batches that were told as refused."""
    return {
        (uplink, event["data"]["stream"], seq)
        for body in rows.values()
        for event in orjson.loads(body)["events"]
        if event["kind"] == "log.evicted" and event["data"]["reason"] == "refused"
        for uplink in event["data"]["uplinks"]
        for seq in range(event["data"]["first"], event["data"]["last"] + 1)
    }


def unordered(name: str, broker: Broker) -> list[str]:
    """First deliveries on the live lane that do not rise (P2)."""
    highest: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    wrong: list[str] = []
    for one in broker.arrived:
        if one.name in seen:
            continue
        seen.add(one.name)
        if one.lane == "data":
            if one.name[1] < highest.get(one.name[0], 0):
                wrong.append(f"{name}: {one.name} live after {highest[one.name[0]]}")
            highest[one.name[0]] = one.name[1]
    return wrong


Heal = Callable[[], None] | None


async def broker_down(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.up = False
    broker.end()
    return lambda: setattr(broker, "up", True)


async def broker_ends(course: Course) -> Heal:
    course.any_broker()[1].end()
    return None


async def broker_silent(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.acknowledging = False
    return lambda: setattr(broker, "acknowledging", True)


async def broker_slow(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.latency_s = course.chance.uniform(0.2, 4.0)
    return lambda: setattr(broker, "latency_s", 0.01)


async def unheard(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.unheard = True
    return lambda: setattr(broker, "unheard", False)


async def refusing(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.refused_share = course.chance.choice((0.1, 0.5, 1.0))
    broker.refused_code = course.chance.choice((0x80, 0x87, 0x97))
    return lambda: setattr(broker, "refused_share", 0.0)


async def poison(course: Course) -> Heal:
    _, broker = course.any_broker()
    if course.gateway is not None and hasattr(course.gateway, "log") and len(broker.poison) < 2:
        broker.poison.add((course.gateway.log.stream, course.gateway.log.seq + 2))
    return None


async def window(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.maximum = course.chance.choice((1, 2, 5, 20))
    broker.end()
    return None


async def flapping(course: Course) -> Heal:
    _, broker = course.any_broker()
    broker.flapping = True
    broker.end("taken over")
    return lambda: setattr(broker, "flapping", False)


async def disk_fails(course: Course) -> Heal:
    disk = course.disk
    disk.ill(course.chance.choice(("disk I/O error", "database or disk is full")))
    return lambda: disk.ill(None) if disk.trouble != "killed" else None


async def disk_uncertain(course: Course) -> Heal:
    disk = course.disk
    if disk.trouble is None:
        disk.falls_ill()
        disk.unknown_share = 0.3
    return lambda: disk.ill(None) if disk.trouble != "killed" else None


async def instrument_fails(course: Course) -> Heal:
    name = course.chance.choice(INSTRUMENTS)
    course.field.failing[name] = course.chance.choice(("timeout", "crc", "exception", "line"))
    return lambda: course.field.failing.pop(name, None) and None


async def step(course: Course) -> Heal:
    by_ms = course.chance.choice((HOUR_MS, -HOUR_MS, 10 * YEAR_MS, -10 * YEAR_MS, 400, -400))
    course.turn(by_ms)
    return lambda: course.turn(-by_ms)


async def unconfirmed(course: Course) -> Heal:
    said = course.chance.choice((None, False))
    for clock in course.ways:
        clock.said = said
    return lambda: [setattr(clock, "said", True) for clock in course.ways] and None


async def kill(course: Course) -> Heal:
    course.killed()
    return None


async def kill_in_a_write(course: Course) -> Heal:
    course.disk.kill_at = course.disk.calls + course.chance.randrange(1, 20)
    return None


async def stop_and_start(course: Course) -> Heal:
    if not course.life.dead and await course.stop():
        course.start()
    return None


async def start_unset(course: Course) -> Heal:
    """Killed, and back with a clock that stands in 1970 and is set after a while."""
    now_ms = course.clock.now_ms()
    course.turn(-now_ms + 1000)
    for clock in course.ways:
        clock.said = None
    course.killed()

    def put_right() -> None:
        course.turn(now_ms - 1000)
        for clock in course.ways:
            clock.said = True

    return put_right


async def reload(course: Course) -> Heal:
    if not course.life.dead and not course.told.ended.is_set():
        with contextlib.suppress(Hindered):
            await course.told.reload()
    return None


async def command(course: Course) -> Heal:
    port, _ = course.any_broker()
    name = course.chance.choice(("status", "write", "write", "write", "mark", "backfill", "backfill"))
    args: dict[str, Any] = {"instrument": course.chance.choice(INSTRUMENTS)} if name in ("write", "mark") else {}
    if name == "backfill":
        begin = course.clock.now_ms() - round(1000 * course.chance.expovariate(1 / 30.0))
        args |= {"from": begin, "to": begin + round(1000 * course.chance.expovariate(1 / 30.0)) + 1}
    if name == "write":
        args |= {"point": "setpoint", "value": round(course.chance.uniform(5, 60), 6)}
    if name == "mark":
        args |= {"flag": "M", "who": "sim", "until": course.clock.now_ms() + 5000}
    course.send(name, args, signed=course.chance.random() < 0.7, port=port)
    return None


FAULTS = {
    one.__name__: one
    for one in (
        broker_down, broker_ends, broker_silent, broker_slow, unheard, refusing, poison, window, flapping, disk_fails,
        disk_uncertain, instrument_fails, step, unconfirmed, kill, kill_in_a_write, stop_and_start, start_unset, reload,
        command,
    )
}  # fmt: skip


def run_seed(seed: int, seconds: float = 60.0) -> Outcome:
    """The whole course of one seed; the same seed has the same course."""
    logging.getLogger("fieldgate").setLevel(logging.CRITICAL)
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix=f"fieldgate-seed-{seed}-", dir=memory_folder()) as folder,
        simulated_disks(),
        asyncio.Runner(loop_factory=SimulatedLoop) as runner,
    ):
        return runner.run(_run(seed, Path(folder), seconds))


async def _run(seed: int, folder: Path, seconds: float) -> Outcome:
    course = Course(seed, folder, seconds)
    await course.run()
    return course.outcome


def memory_folder() -> str | None:
    """A folder in memory where there is one: what a disk loses is not the subject here."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
