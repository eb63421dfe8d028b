"""The real process under a wall clock that is turned: a tapped foreign slave, a real broker, a subscriber."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clocks.turned import FREE, TurnedClock
from tests.fakes.tap import Tap
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.city import events
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import counters, local

PERIOD_MS = 100
SLACK_MS = 1000
"""Between a request's passing the tap and the stamp of its reading, on a busy machine."""
ROUNDING_MS = 2


@dataclass
class Setting:
    """Everything of one run."""

    gateway: Fieldgate
    clock: TurnedClock
    feed: Subscriber
    tap: Tap
    health: str

    def status(self) -> dict[str, Any]:
        """The status page's data."""
        with urllib.request.urlopen(f"http://{self.health}/status.json", timeout=10) as answer:
            return json.load(answer)

    def readings(self) -> list[dict[str, Any]]:
        """Every reading once, in the order of the log."""
        return readings(self.feed.batches())

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of one kind."""
        return events(self.feed.batches(), kind)

    def more(self, count: int = 10) -> None:
        """Wait for so many further readings in the feed."""
        before = len(self.readings())
        until(lambda: len(self.readings()) >= before + count, f"{count} more readings")

    def cpu_s(self) -> float:
        """CPU time of the gateway so far."""
        assert self.gateway.process is not None
        fields = Path(f"/proc/{self.gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100  # utime, stime; USER_HZ is 100 on Linux

    def births(self) -> int:
        """How often the uplink has connected."""
        return len([m for m in self.feed.messages() if m.lane == "status" and m.body["state"] == "online"])


@contextmanager
def setting(
    folder: Path, offset_s: float = 0.0, known: int = FREE, environment: dict[str, str] | None = None, **clock: str
) -> Iterator[Setting]:
    """Started; `clock` is the site file's section of that name."""
    with ExitStack() as stack:
        broker = Mosquitto(folder / "broker")
        broker.start()
        stack.callback(broker.stop)
        feed = Subscriber(broker, folder / "feed.txt")
        stack.callback(feed.stop)
        slave = stack.enter_context(pymodbustcp({3: dict.fromkeys(range(20), 7)}))
        tap = stack.enter_context(Tap(slave.port))
        turned = TurnedClock(folder / "clock", offset_s, known)
        document = local(counters({"a": tap.port}, every=f"{PERIOD_MS}ms"), folder, broker.port)
        document["log"]["commit_every"] = "50ms"
        if clock:
            document["clock"] = clock
        gateway = Fieldgate(
            write_site(folder / "site.yaml", document),
            folder / "gateway.log",
            turned.environment | (environment or {}),
        )
        stack.enter_context(gateway.running())
        yield Setting(gateway, turned, feed, tap, document["health"]["listen"])


def sound(on: Setting) -> list[str]:
    """P1, P2 and the chain after the stop; and no two readings of one due time."""
    found = look_at(on.feed.batches())
    wrong = [*found.missing, *found.altered, *found.unordered, *found.broken]
    wrong += [f"a batch of clock {m.body['clock']!r}" for m in on.feed.batches() if m.body["clock"] not in STATES]
    return wrong


STATES = ("synced", "holdover", "unset")


def unmeasured(on: Setting, samples: list[dict[str, Any]], offset_ms: int = 0) -> list[str]:
    """Readings with values whose stamp, taken back by `offset_ms`, is not that of a request of their own at the tap."""
    times = [round(at * 1000) for at in on.tap.at_s]
    wrong: list[str] = []
    next_request = 0
    for stamp in sorted(sample["ts"] - offset_ms for sample in samples if not sample["flags"]):
        while next_request < len(times) and times[next_request] < stamp - SLACK_MS:
            next_request += 1  # its reading was lost with a kill, or it was a read of nothing
        if next_request < len(times) and times[next_request] <= stamp + ROUNDING_MS:
            next_request += 1
        else:
            wrong.append(f"stamped {stamp}, and no request in the second before")
    return wrong
