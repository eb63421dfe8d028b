"""`python -m tests.benchmarks.drain [--points 100,2000] [--days 7] [--rate R]`: a backlog drained, live data beside it.

`fieldgate run` with everything on over a log that was filled before, its uplink to a real mosquitto, while instruments
are polled and their readings go live (`commit_every: 5ms`). The same process is watched while it drains and afterwards
with nothing to drain; with several rounds the two take turns. Latency: instrument's answer to subscriber.
With `--days` the backlog is that many days of one batch a second.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gateway.log.intervals import Intervals
from tests.benchmarks.account import Account, account
from tests.benchmarks.backlog import filled
from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Load, Scene, scene
from tests.system.harness import until

LIVE = Load(devices=5, points=20, period_s=0.5)
"""Ten polls a second, and as many live batches or nearly."""
QUIET_S = 6.0
"""How long the same process is watched with nothing to drain, at least."""
WANTED_POINTS, WANTED_INTAKES = 1_000_000, 10
FELT_MS = {50: 3.0, 99: 15.0}
FELT_SHARE = 1.25
"""By how much live latency may differ and still count as unaffected, by share of the readings; on a machine that others
use as well, latency alone differs by a quarter from one moment to the next."""
DAY_BATCHES = 86_400
DAY_POINTS = 20
"""Points of each batch where days are drained."""


class Draining(Fieldgate):
    """Only its live batches are written down with their content."""

    topic = "fieldgate/v1/bench/data"

    def __init__(self, rate: float | None, **log: Any) -> None:
        super().__init__("5ms", **log)
        self._rate = rate

    def site(self, scene: Scene) -> dict[str, Any]:
        """See Fieldgate."""
        document = super().site(scene)
        document["log"]["max_size"] = "64GiB"
        if self._rate is not None:
            document["uplinks"]["city"]["backlog_rate"] = self._rate
        return document


@dataclass(frozen=True)
class Turn:
    """One backlog drained, and the time after it."""

    batches: int
    """Received from the backlog."""
    undelivered: int
    """Of the filled ones by the log's own account at the end."""
    rate: float
    us_per_batch: float
    """CPU of the gateway for each, what it does anyway taken off."""
    resident_bytes: int
    draining: Account
    quiet: Account
    intake: float
    """Live batches a second."""


def turn(folder: Path, backlog: Path, batches: int, rate: float | None, compression: str) -> Turn:
    """Drain a copy of the filled log."""
    gateway = Draining(rate, compression=compression)
    with scene(folder, LIVE, gateway.topic, gateway.written_as) as around:
        for path in backlog.iterdir():
            shutil.copy(path, folder / path.name)
        os.sync()  # else the kernel writes the copy after half a minute, and commits wait for that
        heard = folder / "backfill.txt"
        city = Process(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(around.broker.port), "-q", "1", "-t",
             "fieldgate/v1/bench/backfill", "-F", "%U"],
            heard,
        )  # fmt: skip
        process = gateway.start(around)
        try:
            until(lambda: heard.stat().st_size > 0, "the first batch of the backlog", START_S)
            begin_s, cpu_s = time.time(), process.cpu_s()
            until(lambda: count(heard) >= batches or not process.alive(), "the end of the backlog", 7200)
            end_s, drain_cpu_s = time.time(), process.cpu_s() - cpu_s
            time.sleep(0.5)  # the measuring itself: nothing is waited for
            quiet_s, cpu_s = time.time(), process.cpu_s()
            time.sleep(max(QUIET_S, min(end_s - begin_s, 20.0)))
            over_s, quiet_cpu_s = time.time(), process.cpu_s() - cpu_s
            resident = process.peak_bytes()
            time.sleep(2)
        finally:
            process.end()
            city.end()
        came = [float(line) for line in heard.read_text().split()]
        live = sum(
            begin_s <= float(line.split(" ", 1)[0]) < end_s for line in around.feed_file.read_text().splitlines()
        )
        idle_cores = quiet_cpu_s / (over_s - quiet_s)
        found = Turn(
            batches=len(came),
            undelivered=undelivered(folder / "log.db", batches),
            rate=(len(came) - 1) / (came[-1] - came[0]),
            us_per_batch=(drain_cpu_s - idle_cores * (end_s - begin_s)) / batches * 1e6,
            resident_bytes=resident,
            draining=account(gateway, LIVE, around.served_file, around.feed_file, begin_s, end_s),
            quiet=account(gateway, LIVE, around.served_file, around.feed_file, quiet_s, over_s),
            intake=live / (end_s - begin_s),
        )
    shutil.rmtree(folder)
    return found


def count(lines: Path) -> int:
    """Lines of one length: how many there are, without reading them."""
    with lines.open("rb") as file:
        first = len(file.readline())
    return lines.stat().st_size // first if first else 0


def undelivered(path: Path, newest: int) -> int:
    """Runs of batches up to `newest` that the closed log still keeps for the uplink."""
    with closing(sqlite3.connect(path)) as log:
        (runs,) = log.execute("SELECT value FROM state WHERE name = 'cursor:city'").fetchone()
    return len(list(Intervals.read(runs).gaps(1, newest)))


def table(name: str, points: int, turns: Sequence[Turn]) -> str:
    """One line: medians."""

    def latency(accounts: Sequence[Account]) -> str:
        return " / ".join(f"{median(one.latency(share) for one in accounts):.0f}" for share in (50, 99))

    rate = median(one.rate for one in turns)
    return (
        f"{name:24}{rate:10,.0f}{rate * points:13,.0f}{rate / median(one.intake for one in turns):10,.0f}"
        f"{median(one.us_per_batch for one in turns):9.0f}"
        f"{latency([one.draining for one in turns]):>12}{latency([one.quiet for one in turns]):>12}"
        f"{max(one.resident_bytes for one in turns) / 1e6:8.0f}"
    )


HEAD = (
    f"{'backlog':24}{'batches/s':>10}{'points/s':>13}{': intake':>10}{'µs/batch':>9}"
    f"{'live ms':>12}{'alone':>12}{'RSS MB':>8}"
)


def wrong(points: int, batches: int, turns: Sequence[Turn]) -> list[str]:
    """What was not as it must be."""
    found = []
    rate = median(one.rate for one in turns)
    if points >= 100 and rate * points < WANTED_POINTS:
        found.append(f"{rate * points:,.0f} points/s, wanted {WANTED_POINTS:,}")
    if rate < WANTED_INTAKES * median(one.intake for one in turns):
        found.append(f"less than {WANTED_INTAKES} times the intake")
    for share, felt_ms in FELT_MS.items():
        beside, alone = (
            median(part.latency(share) for part in parts)
            for parts in ([one.draining for one in turns], [one.quiet for one in turns])
        )
        if beside > FELT_SHARE * alone + felt_ms:
            found.append(f"live latency at {share} %: {beside:.0f} ms beside {alone:.0f}")
    for one in turns:
        lost = one.draining.lost + one.quiet.lost
        doubled = one.draining.doubled + one.quiet.doubled
        if lost or doubled or one.undelivered or one.batches < batches:
            found.append(
                f"{lost} live readings lost, {doubled} doubled; of the backlog {one.batches} of {batches} came, "
                f"{one.undelivered} undelivered"
            )
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.drain", description=__doc__)
    parser.add_argument("--points", default="100,2000", help="points of a batch, one run each")
    parser.add_argument("--seconds", type=float, default=4.0, help="about so long a drain at the wanted rate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=float, help=f"days of one batch of {DAY_POINTS} points a second instead")
    parser.add_argument("--compression", default="none")
    parser.add_argument("--rate", type=float, help="backlog_rate of the uplink; default: as the gateway chooses")
    chosen = parser.parse_args()
    rows = [(f"{points} points", int(points), max(5000, int(chosen.seconds * WANTED_POINTS / int(points))))
            for points in chosen.points.split(",")]  # fmt: skip
    rounds = chosen.rounds
    if chosen.days is not None:
        rows, rounds = [(f"{chosen.days:g} days", DAY_POINTS, round(chosen.days * DAY_BATCHES))], 1
    findings: list[str] = []
    lines = [HEAD]
    with workspace() as folder:
        for name, points, batches in rows:
            backlog = filled(folder / f"filled-{points}", "bench", batches, points, chosen.compression)
            size = sum(path.stat().st_size for path in backlog.iterdir())
            print(f"{batches:,} batches of {points} points: {size / 1e6:,.0f} MB", flush=True)
            turns = []
            for at in range(rounds):
                turns.append(turn(folder / f"turn-{at}", backlog, batches, chosen.rate, chosen.compression))
                print(table(f"  round {at + 1}", points, turns[-1:]), flush=True)
            shutil.rmtree(backlog)
            lines.append(table(f"{name}, {batches:,}", points, turns))
            findings += [f"{name}: {words}" for words in wrong(points, batches, turns)]
    print("\n".join(["", *lines]))
    print("as wanted" if not findings else "not as wanted: " + "; ".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
