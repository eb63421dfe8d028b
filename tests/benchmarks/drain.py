"""`python -m tests.benchmarks.drain [--batches 60000] [--rate R]`

A log filled before, its uplink drained to a real mosquitto while further batches come in live: how fast the backlog
goes against the intake, and whether live batches feel it. Latency is from the commit to the arrival at a subscriber.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.log import Log
from tests.fakes.log import GATEWAY, Readings, TurnedClock
from tests.fakes.log import Settings as LogSettings
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.site_uplink import Settings, Subscriber, running, until

INTAKE_EVERY_S = 0.2
"""Five batches a second: more than a site with `commit_every: 1s` makes."""
WATCHED_S = 10.0


@dataclass
class Live:
    """When live batches were committed and when they arrived."""

    committed: dict[int, float]
    arrived: dict[int, float]

    def latencies_ms(self, since: float, until_s: float) -> list[float]:
        """Of what was committed in that time."""
        return [
            1000 * (self.arrived[seq] - at)
            for seq, at in self.committed.items()
            if since <= at < until_s and seq in self.arrived
        ]


async def fill(path: Path, batches: int) -> None:
    """A log of so many undelivered batches."""
    clock = TurnedClock()
    settings = LogSettings(str(path), commit_every_s=60.0, max_size=4 << 30)
    log = await Log.open(settings, GATEWAY, ("city",), clock, None, boot="b")
    task = asyncio.create_task(log.run())
    readings = Readings(clock, points=20)
    while log.newest() < batches:
        for _ in range(500):
            log.add(readings.next())
            clock.turn(1.001)  # a batch spans a second at most
        log._writer.wake()
        await log.committed_after(log.newest())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await log.close()


async def drain(folder: Path, batches: int, rate: float | None) -> int:
    """The whole measurement."""
    path = folder / "log.db"
    began = time.perf_counter()
    await fill(path, batches)
    print(f"filled with {batches} batches in {time.perf_counter() - began:.1f} s", flush=True)
    clock = TurnedClock(now_ms=time.time_ns() // 1_000_000)
    settings = LogSettings(str(path), max_size=4 << 30)
    log = await Log.open(settings, GATEWAY, ("city",), clock, None, boot="b")
    writing = asyncio.create_task(log.run())
    live = Live({}, {})
    now = asyncio.get_running_loop().time

    async def take_in() -> None:
        readings = Readings(clock, points=20)
        while True:
            before = log.newest()
            log.add(readings.next())
            for batch in await log.committed_after(before):
                live.committed[batch.seq] = now()
            clock.turn(INTAKE_EVERY_S)
            await asyncio.sleep(INTAKE_EVERY_S)

    async with Mosquitto(folder, "max_queued_messages 0") as broker:
        heard = folder / "heard.txt"
        with heard.open("wb") as out:
            city = subprocess.Popen(
                ["mosquitto_sub", "-h", broker.host, "-p", str(broker.port), "-q", "1", "-t", "+/+/+/backfill",
                 "-F", "%U"], stdout=out,
            )  # fmt: skip
            async with Subscriber(broker.host, broker.port, f"fieldgate/v1/{GATEWAY}/data") as subscriber:
                seen = 0

                async def watch() -> None:
                    nonlocal seen
                    while True:
                        for message in subscriber.messages[seen:]:
                            live.arrived.setdefault(orjson.loads(message.payload)["seq"], now())
                        seen = len(subscriber.messages)
                        await asyncio.sleep(0.001)

                watching = asyncio.create_task(watch())
                taking_in = asyncio.create_task(take_in())
                async with running(log, Settings(broker.host, broker.port, backlog_rate=rate)) as uplink:  # type: ignore[arg-type]
                    await until(lambda: uplink.connected)
                    began = now()
                    first = uplink.acknowledged
                    await asyncio.sleep(WATCHED_S)
                    rate_seen = (uplink.acknowledged - first) / (now() - began)
                    while_draining = live.latencies_ms(began + 1, now() - 1)
                    await until(lambda: log.backlog("city")[0] <= 2, 3600)
                    took = now() - began
                    quiet_from = now()
                    await asyncio.sleep(WATCHED_S)
                    quiet = live.latencies_ms(quiet_from, now() - 1)
                for task in (watching, taking_in):
                    task.cancel()
            city.terminate()
            city.wait(10)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await log.close()
    intake = 1 / INTAKE_EVERY_S
    times = rate_seen / intake
    print(f"drained at {rate_seen:.0f} batches/s, {times:.0f} times the intake of {intake:.0f}/s; {took:.0f} s")
    for name, values in (("while draining", while_draining), ("with no backlog", quiet)):
        worst = sorted(values)[int(0.99 * (len(values) - 1))]
        print(f"live latency {name}: p50 {statistics.median(values):.1f} ms, p99 {worst:.1f} ms, {len(values)} batches")
    return 0 if rate_seen >= 10 * intake else 1


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.drain", description=__doc__)
    parser.add_argument("--batches", type=int, default=60_000, help="604,800 are a week of one a second")
    parser.add_argument("--rate", type=float, help="backlog_rate of the uplink; default: as the gateway chooses")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fieldgate-drain-") as folder:
        return asyncio.run(drain(Path(folder), chosen.batches, chosen.rate))


if __name__ == "__main__":
    sys.exit(main())
