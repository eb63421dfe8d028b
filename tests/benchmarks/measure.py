"""One gateway under one load for some seconds: what it costs and what became of the readings."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.account import Account, account
from tests.benchmarks.gateways import Gateway
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Load, Scene, scene
from tests.system.harness import until

START_S = 180.0
"""Longest start: a site of 50,000 points is read in half a minute, on a busy machine in two."""
ARRIVE_S = 3.0
"""For what is still on its way when the window ends."""
QUIET_S = 0.3
"""A subscriber that writes nothing for so long has nothing more to write."""


@dataclass(frozen=True)
class Figures:
    """Of one gateway in one window."""

    gateway: str
    load: Load
    seconds: float
    cpu_s: float
    resident_bytes: int
    written_bytes: int
    start_s: float
    """From the start of the process to its first message at the subscriber."""
    account: Account
    idle: float
    """Part of the machine's time that was left meanwhile, all its CPUs together."""

    @property
    def cores(self) -> float:
        """CPU seconds a second."""
        return self.cpu_s / self.seconds

    @property
    def us_per_point(self) -> float:
        """CPU µs for each point that was served."""
        return self.cpu_s * 1e6 / max(1, self.account.served)

    @property
    def written_per_point(self) -> float:
        """Bytes written to the disk for each point that was served."""
        return self.written_bytes / max(1, self.account.served)


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="fieldgate-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(
    gateway: Gateway, load: Load, folder: Path, warm_s: float, seconds: float, arrive_s: float = ARRIVE_S
) -> Figures:
    """Start it, let it run warm, measure it, end it when what is under way has had `arrive_s` to come."""
    with scene(folder, load, gateway.topic, gateway.written_as) as around:
        started = time.monotonic()
        process = gateway.start(around)
        try:
            until(lambda: _under_way(process, gateway, around), f"the first message of {gateway.name}", START_S)
            start_s = time.monotonic() - started
            time.sleep(warm_s)  # the measuring itself: nothing is waited for
            begin_s, cpu_s, written = time.time(), process.cpu_s(), process.written_bytes()
            idle_s = _idle_s()
            time.sleep(seconds)
            end_s, cpu_s = time.time(), process.cpu_s() - cpu_s
            idle = (_idle_s() - idle_s) / (end_s - begin_s)
            written, resident = process.written_bytes() - written, process.peak_bytes()
            time.sleep(arrive_s)
        finally:
            process.end()
        _wait_quiet(around.feed_file)
    found = account(gateway, load, around.served_file, around.feed_file, begin_s, end_s)
    shutil.rmtree(folder)
    return Figures(gateway.name, load, end_s - begin_s, cpu_s, resident, written, start_s, found, idle)


def _idle_s() -> float:
    """Idle seconds of the machine since its boot, as a mean of its CPUs (proc(5), /proc/stat)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def _under_way(process: Process, gateway: Gateway, around: Scene) -> bool:
    assert process.alive(), f"{gateway.name} ended: {process.log.read_text('utf-8', 'replace')[-2000:]}"
    return around.heard()


def _wait_quiet(feed: Path) -> None:
    """Until the subscriber has written down all that the broker had for it."""
    sizes = [-1]

    def same() -> bool:
        time.sleep(QUIET_S)
        sizes.append(feed.stat().st_size)
        return sizes[-1] == sizes[-2]

    until(same, "the end of the feed")
