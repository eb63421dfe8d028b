"""Loggers push HJ 212 and strangers do their worst: `python -m tests.lines.flood --rate 1000 --connections 200`.

A real gateway process listens; each connection is one logger that sends numbered real-time data at its share of the
rate. Beside them: peers that drip a byte at a time, that pour garbage, that pour
good frames of a logger nobody knows, that begin long frames, that only connect. What must come of it: every frame that
was acknowledged is in the feed exactly once, memory stays within its bound, and a Modbus instrument on another line is
polled as if nothing were going on.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from drivers.hj212.frame import framed
from drivers.hj212.message import written
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, free_port, look_at, readings, until, write_site
from tests.system.sites import counters, local

MEMORY_MIB = 96
"""What the flood may add: the log holds some seconds of readings, each connection some kilobytes."""
LAST_S = 20.0
"""How long loggers go on with what was not acknowledged when they have nothing new to say."""
HOSTILE = 4
"""Strangers of each kind."""


@dataclass
class Account:
    """What was sent, acknowledged and delivered."""

    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    """(logger, number) of each frame."""
    due: int = 0
    """Frames that all loggers together had to send."""
    unanswered: int = 0
    """Frames that were due and got no acknowledgement."""
    delivered: int = 0
    doubled: int = 0
    missing: int = 0
    reconnections: int = 0
    """How often a logger was turned away or cut off, and came again."""
    memory_mib: float = 0.0
    slowest_ms: float = 0.0
    """The longest wait of a logger for its acknowledgement."""
    neighbour_polls: int = 0
    neighbour_nulls: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    """CPU time of the gateway meanwhile."""
    problems: list[str] = field(default_factory=list)


def frame(mn: str, number: int) -> bytes:
    """Real-time data whose value is a number that comes only once."""
    now = time.strftime("%Y%m%d%H%M%S")
    fields = {"QN": f"{number:017d}", "ST": "32", "CN": "2011", "PW": "123456", "MN": mn, "Flag": "5"}
    return framed(written(fields, f"DataTime={now};w01018-Rtd={number}.5,w01018-Flag=N;w01001-Rtd=7.1,w01001-Flag=N"))


async def logger(port: int, mn: str, frames: int, period_s: float, until_s: float, account: Account) -> None:
    """One logger: sends at its period; cut off, it connects again and sends again what was not acknowledged.

    What it could not send in time it sends afterwards, so that all that was due is asked for.
    """
    loop = asyncio.get_running_loop()
    due_s, number = loop.time() + period_s * random.random(), 0
    waiting: dict[bytes, tuple[int, float, bytes]] = {}

    async def acknowledged(reader: asyncio.StreamReader) -> None:
        while answer := await reader.readuntil(b"\r\n"):
            assert b"CN=9014" in answer
            done, sent_s, _ = waiting.pop(answer[6:26])
            account.acknowledged.add((mn, done))
            account.slowest_ms = max(account.slowest_ms, (loop.time() - sent_s) * 1000)

    def busy() -> bool:
        return (number < frames or bool(waiting)) and loop.time() < until_s + LAST_S

    while busy():
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            hearing = asyncio.create_task(acknowledged(reader))
            try:
                writer.write(b"".join(said for _, _, said in waiting.values()))
                while not hearing.done() and busy():
                    if number < frames and loop.time() >= due_s:
                        said = frame(mn, number)
                        waiting[said[6:26]] = (number, loop.time(), said)
                        writer.write(said)
                        number += 1
                        due_s += period_s
                    await asyncio.sleep(min(0.1, max(0.0, due_s - loop.time())) if number < frames else 0.05)
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
                writer.close()
        if busy():
            account.reconnections += 1
            await asyncio.sleep(0.2)
    account.unanswered += frames - number + len(waiting)


async def hostile(port: int, kind: str, until_s: float) -> None:
    """One stranger, who comes back whenever he is thrown out."""
    loop = asyncio.get_running_loop()
    stranger = frame("STRANGER", 1)
    pieces = {"garbage": os.urandom(4096), "stranger": stranger * 8, "digits": b"##9999" * 700, "drip": stranger[:1]}
    while loop.time() < until_s:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while loop.time() < until_s and not writer.is_closing():
                    if kind in pieces:
                        writer.write(pieces[kind])
                        await asyncio.wait_for(writer.drain(), 1)
                    await asyncio.sleep(0.05 if kind == "drip" else 0.01 if kind in pieces else 0.2)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.05)


async def flood(port: int, connections: int, rate: float, seconds: float, account: Account) -> None:
    """All of them at once."""
    until_s = asyncio.get_running_loop().time() + seconds
    kinds = ("garbage", "stranger", "digits", "drip", "silent")
    tasks: list[Coroutine[Any, Any, None]] = [hostile(port, kind, until_s) for kind in kinds for _ in range(HOSTILE)]
    frames, period_s = round(rate * seconds / connections), connections / rate
    account.due = frames * connections
    tasks += [logger(port, f"MN{at}", frames, period_s, until_s, account) for at in range(connections)]
    await asyncio.gather(*tasks)


def site_of(folder: Path, port: int, slave: int, broker: int, connections: int) -> dict[str, Any]:
    """A listener with its loggers, and a Modbus instrument beside it."""
    site = local(counters({"neighbour": slave}, every="1s", registers=4), folder, broker)
    site["lines"]["neighbour"]["timeout"] = "5s"  # the machine may be busy with the flood itself
    site["lines"]["loggers"] = {"listen": f"127.0.0.1:{port}", "connections": connections + 8}
    points = [{"id": "cod", "item": "w01018-Rtd", "unit": "mg/L"}, {"id": "ph", "item": "w01001-Rtd", "unit": "pH"}]
    shared = {"line": "loggers", "protocol": "hj212", "every": "60s", "points": points}
    site["instruments"] += [{"id": f"logger-{at}", "address": f"MN{at}", **shared} for at in range(connections)]
    return site


def run(folder: Path, connections: int, rate: float, seconds: float) -> Account:
    """Flood a gateway of its own."""
    account = Account()
    broker = Mosquitto(folder / "broker")
    broker.start()
    city = Subscriber(broker, folder / "feed.txt")
    port = free_port()
    try:
        with pymodbustcp({3: dict.fromkeys(range(4), 7)}) as slave:
            site = write_site(folder / "site.yaml", site_of(folder, port, slave.port, broker.port, connections))
            gateway = Fieldgate(site, folder / "gateway.log")
            with gateway.running():
                assert gateway.process is not None
                alive = gateway.process.poll
                until(lambda: alive() is not None or len(city.batches()) > 2, "batches", 60)
                assert alive() is None, "the gateway ended"
                process = psutil.Process(gateway.process.pid)
                before, cpu_before_s = process.memory_info().rss, spent_s(process)
                started_s = time.monotonic()
                asyncio.run(flood(port, connections, rate, seconds, account))
                account.seconds = time.monotonic() - started_s
                account.cpu_s = spent_s(process) - cpu_before_s
                account.memory_mib = (process.memory_info().rss - before) / 2**20
                time.sleep(2.0)  # the last second is committed and delivered
                assert gateway.stop() == 0
        judge(account, city)
    finally:
        city.stop()
        broker.stop()
    return account


def spent_s(process: psutil.Process) -> float:
    """CPU time of a process, its own and the system's for it."""
    times = process.cpu_times()
    return times.user + times.system


def judge(account: Account, city: Subscriber) -> None:
    """What was delivered, against what was acknowledged."""
    seen: dict[tuple[str, int], int] = {}
    for sample in readings(city.batches()):
        if sample["instrument"] == "neighbour":
            account.neighbour_polls += 1
            account.neighbour_nulls += bool(sample["flags"])
        elif sample["values"]["cod"] is not None:
            key = (sample["instrument"].replace("logger-", "MN"), int(sample["values"]["cod"]))
            seen[key] = seen.get(key, 0) + 1
    account.delivered = len(seen)
    account.doubled = sum(count - 1 for count in seen.values())
    account.missing = len(account.acknowledged - seen.keys())
    for what, wrong in (
        ("frames without an acknowledgement", account.unanswered > 0),
        ("acknowledged and not delivered", account.missing > 0),
        ("delivered twice", account.doubled > 0),
        (f"{account.memory_mib:.0f} MiB more memory", account.memory_mib > MEMORY_MIB),
        ("the neighbour missed polls", account.neighbour_nulls > 0),
        ("the feed is broken", not look_at(city.batches()).clean),
    ):
        if wrong:
            account.problems.append(what)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1000.0, help="frames a second, over all connections")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        account = run(Path(folder), given.connections, given.rate, given.seconds)
    print(f"{len(account.acknowledged)} of {account.due} frames acknowledged in {account.seconds:.1f} s")
    print(f"the gateway used {account.cpu_s:.1f} s of CPU time, {account.cpu_s / account.seconds:.0%} of a core")
    print(f"slowest {account.slowest_ms:.0f} ms, {account.reconnections} times connected again")
    print(f"delivered {account.delivered}, twice {account.doubled}; memory +{account.memory_mib:.1f} MiB")
    print(f"neighbour polled {account.neighbour_polls} times, {account.neighbour_nulls} with nulls")
    print("; ".join(account.problems) or "nothing missing, nothing doubled")
    return 1 if account.problems else 0


if __name__ == "__main__":
    sys.exit(main())
