"""A city in miniature: many gateways, each with a site file of its own, against one broker, looked at from outside.

The instruments of all sites are simulated in this process on real sockets and pseudo-terminals; every gateway is a real
`fieldgate run` process. As many run at once as `at_once` says, the others take their turn.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from drivers.simulator import simulate
from gateway.cli.simulated import moved
from gateway.settings import Site, load
from gateway.settings.document import read
from tests.system.harness import Mosquitto, Subscriber, free_port, look_at, readings

ROOT = Path(__file__).parents[2]
CITY: Mapping[str, int] = {"petrol_station": 115, "water_station": 40, "traffic_air_station": 3, "boiler_house": 12}
"""The city plan: gateways by site sample."""
STARTS_AT_ONCE = 8
"""Interpreters starting at the same time; more would only wait for each other."""
GOODBYE_S = 30.0


@dataclass
class Found:
    """What came of it."""

    gateways: int = 0
    instruments: int = 0
    batches: int = 0
    values: int = 0
    nulls: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    broker_cpu_s: float = 0.0
    rss_mb: list[float] = field(default_factory=list)
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)
    verified: str = ""


async def run(sites: Mapping[str, int], at_once: int, seconds: float, folder: Path, seed: int) -> Found:
    """Run every gateway for `seconds`, in turns of `at_once`; check the record of all of them together."""
    _raise_limit()
    names = [(name, number) for name, count in sites.items() for number in range(1, count + 1)]
    broker = Mosquitto(folder / "broker")
    await asyncio.to_thread(broker.start)
    city = Subscriber(broker, folder / "feed.txt")
    found = Found(gateways=len(names))
    ids: dict[str, Site] = {}
    began_s = time.monotonic()
    try:
        for first in range(0, len(names), at_once):
            ids |= await _turn(names[first : first + at_once], broker.port, seconds, folder, seed, found)
        found.seconds = time.monotonic() - began_s
        found.broker_cpu_s = broker.cpu_s()
        await _goodbyes(city, set(ids))
    finally:
        await asyncio.to_thread(city.stop)
        broker.stop()
    _look(city, ids, seconds, found)
    verified = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", "verify", str(folder / "feed.txt")],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    found.verified = verified.stdout + verified.stderr
    if verified.returncode != 0:
        found.findings.append(f"verify: exit code {verified.returncode}")
    return found


async def _turn(
    names: list[tuple[str, int]], port: int, seconds: float, folder: Path, seed: int, found: Found
) -> dict[str, Site]:
    ids: dict[str, Site] = {}
    starting = asyncio.Semaphore(STARTS_AT_ONCE)
    processes: list[asyncio.subprocess.Process] = []
    async with AsyncExitStack() as stack:
        for name, number in names:
            shipped = ROOT / "config" / "sites" / f"{name}.yaml"
            site = load(shipped)
            lines = await stack.enter_async_context(simulate(site.lines, site.instruments, seed=seed + number))
            gateway = f"{name.replace('_', '-')}-{number:03}"
            file = _site_file(moved(read(shipped).plain(), lines), gateway, port, folder / gateway)
            ids[gateway] = load(file)
            async with starting:
                processes.append(await _start(file))
        await asyncio.sleep(seconds)  # the city lives
        for process in processes:
            usage = psutil.Process(process.pid)
            times = usage.cpu_times()
            found.cpu_s += times.user + times.system
            found.rss_mb.append(usage.memory_info().rss / 1e6)
            process.terminate()
        for gateway, process in zip(ids, processes, strict=True):
            async with asyncio.timeout(GOODBYE_S):
                if (code := await process.wait()) != 0:
                    found.findings.append(f"{gateway} ended with {code}")
    return ids


def _site_file(document: dict[str, Any], gateway: str, port: int, folder: Path) -> Path:
    folder.mkdir()
    document["gateway"] = {**document["gateway"], "id": gateway}
    document["uplinks"] = {"city": {"mqtt": f"mqtt://127.0.0.1:{port}"}}
    document["log"] = {"path": str(folder / "log.db"), "compression": "zlib"}
    document["health"] = {"listen": f"127.0.0.1:{free_port()}"}
    document.pop("clock", None)
    file = folder / "site.yaml"
    file.write_text(json.dumps(document, ensure_ascii=False), "utf-8")  # JSON is YAML 1.2
    return file


async def _start(file: Path) -> asyncio.subprocess.Process:
    """Start a gateway and wait until its log is there, so that starts do not pile up."""
    with (file.parent / "gateway.log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", str(file)), stdout=out, stderr=out, cwd=ROOT
        )
    log = file.parent / "log.db"
    async with asyncio.timeout(GOODBYE_S):
        while not log.exists():
            await asyncio.sleep(0.02)
    return process


async def _goodbyes(city: Subscriber, gateways: set[str]) -> None:
    async with asyncio.timeout(GOODBYE_S):
        while True:
            states = {m.topic.split("/")[-2]: m.body["state"] for m in city.messages() if m.lane == "status"}
            if {gateway for gateway, state in states.items() if state == "offline"} >= gateways:
                return
            await asyncio.sleep(0.5)


def _look(city: Subscriber, ids: Mapping[str, Site], seconds: float, found: Found) -> None:
    """P1, P2, P4 and the chain of every gateway, from the record."""
    by_gateway: dict[str, list[Any]] = {gateway: [] for gateway in ids}
    for message in city.batches():
        by_gateway[message.topic.split("/")[-2]].append(message)
    for gateway, messages in by_gateway.items():
        findings = look_at(messages)
        found.batches += findings.batches - findings.repeats
        for kind in ("missing", "altered", "unordered", "broken"):
            found.findings += [f"{gateway}: {kind} {what}" for what in getattr(findings, kind)]
        samples = readings(messages)
        for spec in ids[gateway].instruments:
            found.instruments += 1
            own = [sample for sample in samples if sample["instrument"] == spec.id]
            _count(own, found)
            due = sorted(sample["ts"] - sample["lag"] for sample in own)
            period_ms = round(spec.every_s * 1000)
            if not due and spec.every_s < seconds / 2:
                found.findings.append(f"{gateway}: {spec.id} was never polled")
            found.findings += [
                f"{gateway}: {spec.id} lacks the poll after {before}"
                for before, after in pairwise(due)
                if period_ms and after - before != period_ms
            ]


def _count(samples: list[dict[str, Any]], found: Found) -> None:
    for sample in samples:
        for point, value in sample["values"].items():
            if value is None:
                kind = sample["why"][point].split(":")[0]
                found.nulls[kind] = found.nulls.get(kind, 0) + 1
            else:
                found.values += 1


def _raise_limit() -> None:
    """Two descriptors for each pseudo-terminal and connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cores() -> int:
    """Of this machine."""
    return os.cpu_count() or 1
