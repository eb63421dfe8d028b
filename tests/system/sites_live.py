"""Every shipped site for some minutes in real time: simulated instruments on real sockets and pseudo-terminals, a real
gateway process and mosquitto, and mosquitto_sub that writes down what comes.

    python -m tests.system.sites_live --seconds 180 --at-once 4        (names of sites: only these)

`fieldgate simulate` writes down what each instrument served; each delivered value must be one of those served between
its poll's due time and its stamp. Windows are calculated again from the delivered samples, the slow way. Every due poll
must be there, and `fieldgate verify` must find nothing. Where the sample has no windows of a minute they are asked for,
and what is polled more rarely than that is polled every minute. Exit code 1 with findings.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.settings import Site, load
from tests.gateway.pipeline.slow_windows import starts, window
from tests.system.harness import Fieldgate, Message, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import CONFIG, local

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (CONFIG / "sites").glob("*.yaml"))
RAREST_S = 60.0
SETTLED_S = 10.0
"""A window that ended so long before the end of the run must have been told: grace, commit, delivery."""
ROUNDED_MS = 2
"""Two clocks' readings of the same instant, cut to milliseconds."""

Truth = dict[tuple[str, str], list[tuple[int, Any]]]


@dataclass
class Look:
    """What came of one site."""

    site: str
    seconds: float = 0.0
    samples: int = 0
    values: int = 0
    windows: int = 0
    numbers: int = 0
    events: int = 0
    nulls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    flagged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    findings: list[str] = field(default_factory=list)


def prepared(document: dict[str, Any], folder: Path, broker_port: int) -> dict[str, Any]:
    """The site with everything on loopback, windows of a minute, and no instrument rarer than they are."""
    made = local(document, folder, broker_port)
    made.pop("clock", None)
    made["instruments"] = [_often(entry, _every(entry, folder)) for entry in document["instruments"]]
    made["steps"] = _minutes(document.get("steps", {}), "general")
    made["derived"] = [
        {**entry, "steps": _minutes(entry["steps"], "general")} if "windows" in entry.get("steps", {}) else entry
        for entry in document.get("derived", [])
    ]
    if not made["derived"]:
        del made["derived"]
    return made


def _minutes(steps: dict[str, Any], system: str) -> dict[str, Any]:
    windows = {"system": system, "periods": [], **steps.get("windows", {})}
    return {**steps, "windows": {**windows, "periods": ["1m", *(one for one in windows["periods"] if one != "1m")]}}


def _every(entry: dict[str, Any], folder: Path) -> float:
    spec = next(one for one in load(folder / "simulated.yaml").instruments if one.id == entry["id"])
    return spec.every_s


def _often(entry: dict[str, Any], every_s: float) -> dict[str, Any]:
    return {**entry, "every": f"{RAREST_S:.0f}s"} if every_s > RAREST_S else entry


@contextmanager
def simulated(name: str, folder: Path, seed: int) -> Iterator[None]:
    """`fieldgate simulate` with its site file and its truth in the folder."""
    with (folder / "simulate.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "simulate", str(CONFIG / "sites" / f"{name}.yaml"), "--seed", str(seed),
             "--out", str(folder / "simulated.yaml"), "--truth", str(folder / "truth.jsonl")],
            stdout=out, stderr=subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
    try:
        until(lambda: b"Ctrl-C" in (folder / "simulate.log").read_bytes(), f"the simulation of {name}", 120)
        yield
    finally:
        process.terminate()
        process.wait(10)


def play(name: str, seconds: float, seed: int, folder: Path) -> Look:
    """Run one site and look at what came of it."""
    look = Look(name)
    broker = Mosquitto(folder / "broker")
    broker.start()
    city = Subscriber(broker, folder / "feed.txt")
    try:
        with simulated(name, folder, seed):
            document = json.loads((folder / "simulated.yaml").read_text("utf-8"))
            site = write_site(folder / "site.yaml", prepared(document, folder, broker.port))
            gateway = Fieldgate(site, folder / "gateway.log")
            with gateway.running():
                until(city.batches, f"the first batch of {name}", 120)
                began_s = time.monotonic()
                ended = wait(gateway, seconds)
                look.seconds = time.monotonic() - began_s
                if ended is not None:
                    look.findings.append(f"the gateway ended by itself with {ended}")
                elif (code := gateway.stop()) != 0:
                    look.findings.append(f"the gateway ended with {code}")
            until(lambda: _offline(city), f"the goodbye of {name}", 60)
        stopped_ms = time.time() * 1000
        compare(load(site), city.messages(), truth_of(folder / "truth.jsonl"), stopped_ms, look)
        look.findings += verified(folder / "feed.txt")
    finally:
        city.stop()
        broker.stop()
    return look


def wait(gateway: Fieldgate, seconds: float) -> int | None:
    """Let it run so long; its exit code if it ends before."""
    assert gateway.process is not None
    try:
        return gateway.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _offline(city: Subscriber) -> bool:
    return any(one.lane == "status" and one.body["state"] == "offline" for one in city.messages())


def truth_of(path: Path) -> Truth:
    """What was served, by instrument and point."""
    served: Truth = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        one = json.loads(line)
        served[one["instrument"], one["point"]].append((one["ts"], one["value"]))
    return served


def verified(feed: Path) -> list[str]:
    """What `fieldgate verify` finds in the recorded feed."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "verify", str(feed)], capture_output=True, text=True, cwd=ROOT
    )
    return [] if done.returncode == 0 else [f"verify: exit code {done.returncode}: {done.stdout[-500:]}"]


def compare(site: Site, messages: list[Message], truth: Truth, stopped_ms: float, look: Look) -> None:
    """Everything that must hold of what was delivered."""
    batches = [one for one in messages if one.lane in ("data", "backfill")]
    findings = look_at(batches)
    for kind in ("missing", "altered", "unordered", "broken"):
        look.findings += [f"{kind}: {what}" for what in getattr(findings, kind)]
    by_instrument: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for sample in readings(batches):
        by_instrument[sample["instrument"]].append(sample)
        look.samples += 1
    look.events = sum(len(one.body["events"]) for one in batches)
    for spec in site.instruments:
        _complete(spec.id, round(spec.every_s * 1000), by_instrument[spec.id], look)
        _true(by_instrument[spec.id], truth, look)
    for derived in site.derived:
        if not any(
            value is not None for sample in by_instrument[derived.spec.id] for value in sample["values"].values()
        ):
            look.findings.append(f"{derived.spec.id} has calculated nothing")
    told: dict[tuple[str, str, int], dict[str, Any]] = {}
    for message in batches:
        for one in message.body["windows"]:
            told[one["instrument"], one["period"], one["start"]] = one["values"]
    _windows(site, by_instrument, told, stopped_ms, look)


def _complete(name: str, period_ms: int, samples: list[dict[str, Any]], look: Look) -> None:
    """P4: it delivered, and each due poll is there once."""
    if not _has_values(samples):
        look.findings.append(f"{name} has delivered nothing")
    due = sorted(sample["ts"] - sample["lag"] for sample in samples)
    look.findings += [
        f"{name}: polls due at {before} and {after}, of one every {period_ms} ms"
        for before, after in pairwise(due)
        if after - before != period_ms
    ]


def _has_values(samples: list[dict[str, Any]]) -> bool:
    return any(value is not None for sample in samples for value in sample["values"].values())


def _true(samples: list[dict[str, Any]], truth: Truth, look: Look) -> None:
    """P3: a value is one that this instrument served for this point between the poll's due time and its stamp."""
    for sample in samples:
        for point, flag in sample["flags"].items():
            look.flagged[flag] += 1
            if point not in sample["why"]:
                look.findings.append(f"{sample['instrument']}/{point} at {sample['ts']}: flag {flag} without a reason")
        from_ms, until_ms = sample["ts"] - sample["lag"] - ROUNDED_MS, sample["ts"] + ROUNDED_MS
        for point, value in sample["values"].items():
            if value is None:
                look.nulls[sample["why"].get(point, "?").partition(":")[0]] += 1
                continue
            served = [one for at, one in truth.get((sample["instrument"], point), ()) if from_ms <= at <= until_ms]
            look.values += 1
            if value not in served:
                look.findings.append(f"{sample['instrument']}/{point} at {sample['ts']}: {value}, served were {served}")


def _windows(
    site: Site, by_instrument: dict[str, list[dict[str, Any]]], told: dict[Any, Any], stopped_ms: float, look: Look
) -> None:
    """Minutes and whatever else ended in time, told and equal to what the samples give."""
    zone = ZoneInfo(site.timezone)
    of_means = {(one.spec.id, point) for one in site.derived for point in one.of_means}
    every_ms = {spec.id: round(spec.every_s * 1000) for spec in site.everything}
    # docs/pipeline.md: a state has no mean
    states = {spec.id: {point.id for point in spec.points if point.quantity == "state"} for spec in site.everything}
    for name, samples in by_instrument.items():
        keys = site.steps[name].windows
        if keys is None:
            continue
        numbers = {point for one in samples for point, value in one["values"].items() if isinstance(value, int | float)}
        points = keys.points or numbers - states.get(name, set())
        for point in sorted(points):
            rows = [
                (one["ts"] - one["lag"], one["values"][point], one["flags"].get(point, "N"))
                for one in samples
                if point in one["values"]
            ]
            for period in keys.periods:
                for start, end in starts(period, rows, zone).items():
                    if end > stopped_ms - SETTLED_S * 1000:
                        continue
                    wanted = window(period, start, end, rows, zone, keys, every_ms[name])
                    found = told.get((name, period, start), {}).get(point)
                    look.windows += found is not None
                    means = (name, point) in of_means
                    look.findings += different(f"{name}/{point} {period} {start}", wanted, found, means, look)


def different(
    name: str, wanted: dict[str, Any] | None, found: dict[str, Any] | None, of_means: bool, look: Look
) -> Iterator[str]:
    if wanted is None or found is None:
        if wanted is not found:
            yield f"window {name}: {found} instead of {wanted}"
        return
    for key, value in wanted.items():
        if of_means and key in ("mean", "flag"):
            continue  # calculated from the windows of others: tests/gateway/pipeline
        look.numbers += 1
        mine = found[key]
        numbers = isinstance(mine, int | float) and isinstance(value, int | float)
        if mine != value and not (numbers and math.isclose(mine, value, rel_tol=1e-9, abs_tol=1e-9)):
            yield f"window {name}: {key} is {mine} instead of {value}"


def said(look: Look) -> str:
    """One line of the figures."""
    return (
        f"{look.site}: {look.seconds:.0f} s, {look.samples} samples, {look.values} values, {look.windows} windows with"
        f" {look.numbers} numbers, {look.events} events, null {dict(look.nulls)}, flags {dict(look.flagged)},"
        f" {len(look.findings)} findings"
    )


def main() -> None:
    """Run and print a table; exit 1 with findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sites", nargs="*", default=NAMES)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sites-live-") as folder, ThreadPoolExecutor(given.at_once) as pool:
        folders = [Path(folder) / name for name in given.sites]
        for one in folders:
            one.mkdir()
        looks = []
        for look in pool.map(lambda one: play(one.name, given.seconds, given.seed, one), folders):
            looks.append(look)
            print(said(look), flush=True)
            for finding in look.findings[:10]:
                print("  ", finding, flush=True)
    total = sum(len(look.findings) for look in looks)
    print(f"{len(looks)} sites, {sum(one.values for one in looks)} values, {sum(one.windows for one in looks)} windows:"
          f" {total} findings (seed {given.seed})")  # fmt: skip
    raise SystemExit(1 if total else 0)


if __name__ == "__main__":
    main()
