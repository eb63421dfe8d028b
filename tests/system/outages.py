"""`python -m tests.system.outages [--broker-away 60] [--kills 50] [--seed S]`

The broker killed and started again, and the gateway killed again and again under load: each on the real process, a
libmodbus slave and a real mosquitto, looked at from outside. Prints what came; exit code 1 when a promise was broken.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.libmodbus import libmodbus_tcp
from tests.system.harness import (
    Fieldgate,
    Findings,
    Message,
    Mosquitto,
    Subscriber,
    look_at,
    readings,
    until,
    write_site,
)
from tests.system.sites import local

INSTRUMENTS = 3
POINTS = 20
EVERY_MS = 50  # the shortest period: 60 readings of 20 points a second


@dataclass
class Stage:
    """Everything that runs around one gateway."""

    broker: Mosquitto
    city: Subscriber
    gateway: Fieldgate

    def newest(self) -> int:
        """Highest seq that has come."""
        return max((message.body["seq"] for message in self.city.batches()), default=0)


@contextmanager
def stage(folder: Path, backlog_rate: float = 1000.0) -> Iterator[Stage]:
    """A broker, a subscriber, a slave and a site; the gateway is not started."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    city = Subscriber(broker, folder / "feed.txt")
    points = [{"id": f"r{at}", "table": "holding", "address": at, "type": "uint16"} for at in range(POINTS)]
    try:
        with libmodbus_tcp({3: {at: 100 + at for at in range(POINTS)}}) as slave:
            site: dict[str, Any] = {
                "gateway": {"id": "outage-1", "timezone": "Asia/Shanghai"},
                "lines": {"plc": {"tcp": f"127.0.0.1:{slave.port}"}},
                "instruments": [
                    {"id": f"unit-{unit}", "line": "plc", "protocol": "modbus", "address": unit,
                     "every": f"{EVERY_MS}ms", "points": points}
                    for unit in range(1, INSTRUMENTS + 1)
                ],
            }  # fmt: skip
            document = local(site, folder, broker.port, commit_every="50ms")
            # mosquitto may be back before its subscriber is: then the gateway keeps everything and asks once in a while
            document["uplinks"]["city"] |= {"backlog_rate": backlog_rate, "unheard_retry": "1s"}
            yield Stage(broker, city, Fieldgate(write_site(folder / "site.yaml", document), folder / "gateway.log"))
    finally:
        city.stop()
        broker.stop()


def wrong_values(messages: list[Message]) -> list[str]:
    """Values that the slave never served, and nulls without a reason."""
    wanted = {f"r{at}": 100 + at for at in range(POINTS)}
    found = []
    for sample in readings(messages):
        for point, value in sample["values"].items():
            if value != wanted[point] and not (value is None and sample["why"].get(point)):
                found.append(f"{sample['instrument']} {point} at {sample['ts']}: {value}")
    return found


def broker_away(folder: Path, away_s: float, backlog_rate: float = 1000.0) -> list[Message]:
    """Kill the broker under load, start it again after `away_s`; all batches that came, in order of arrival."""
    with stage(folder, backlog_rate) as scene, scene.gateway.running():
        until(lambda: scene.newest() > 20, "batches before the outage")
        scene.broker.stop(signal.SIGKILL)
        time.sleep(away_s)  # the outage itself
        scene.broker.start()
        back_s = time.time()

        def caught_up() -> bool:
            batches = scene.city.batches()
            live = [message for message in batches if message.lane == "data" and message.at_s > back_s]
            return bool(live) and not look_at(batches).missing

        until(caught_up, "live batches and the whole backlog", patience_s=30 + 2 * away_s)
        assert scene.gateway.stop() == 0
        return settled(scene)


def kills(folder: Path, times: int, seed: int, longest_s: float = 1.5) -> list[Message]:
    """kill -9 of the gateway so many times at random moments under load; then a clean stop; all that came."""
    moments = random.Random(seed)
    with stage(folder) as scene:
        for _ in range(times):
            before = scene.newest()
            scene.gateway.start()
            if moments.random() < 0.8:  # the others are killed during the start
                until(lambda before=before: scene.newest() > before, "a batch of this start")  # type: ignore[misc]
            time.sleep(moments.uniform(0.0, longest_s))
            scene.gateway.kill()
        before = scene.newest()
        with scene.gateway.running():
            until(lambda: scene.newest() > before + 5, "batches of the last start")
            assert scene.gateway.stop() == 0
            return settled(scene)


def settled(scene: Stage) -> list[Message]:
    """All batches, once everything up to the goodbye has arrived."""

    def gone() -> bool:
        states = [message.body["state"] for message in scene.city.messages() if message.lane == "status"]
        return bool(states) and states[-1] == "offline"

    until(gone, "the goodbye")
    until(lambda: not look_at(scene.city.batches()).missing, "what is missing", patience_s=5.0)
    return scene.city.batches()


def told(what: str, messages: list[Message]) -> bool:
    """Print what came; True when nothing is wrong with it."""
    findings: Findings = look_at(messages)
    wrong = wrong_values(messages)
    streams = {message.body["stream"] for message in messages}
    late = sum(message.lane == "backfill" for message in messages)
    broken = [findings.missing, findings.altered, findings.unordered, findings.broken, wrong]
    names = ("missing", "altered", "out of order", "broken in the chain", "with wrong values")
    came = f"{findings.batches} batches in {len(streams)} stream(s), {late} on backfill, {findings.repeats} repeats"
    print(f"{what}: {came}; " + ", ".join(f"{len(one)} {name}" for one, name in zip(broken, names, strict=True)))
    return findings.clean and not wrong


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.outages", description=__doc__)
    parser.add_argument("--broker-away", type=float, default=60.0, help="seconds without a broker")
    parser.add_argument("--kills", type=int, default=50, help="kill -9 of the gateway")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fieldgate-outages-") as folder:
        clean = told(f"broker away {chosen.broker_away:g} s", broker_away(Path(folder) / "broker", chosen.broker_away))
        clean &= told(f"{chosen.kills} x kill -9", kills(Path(folder) / "kills", chosen.kills, chosen.seed))
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
