"""One gateway under one load for some seconds: what it costs and what became of the readings."""

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

ARRIVE_S = 3.0
"""For what is still on its way when the window ends."""


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


def measure(gateway: Gateway, load: Load, folder: Path, warm_s: float, seconds: float) -> Figures:
    """Start it, let it run warm, measure it, end it."""
    with scene(folder, load, gateway.topic) as around:
        started = time.monotonic()
        process = gateway.start(around)
        try:
            until(lambda: _under_way(process, gateway, around), f"the first message of {gateway.name}")
            start_s = time.monotonic() - started
            time.sleep(warm_s)  # the measuring itself: nothing is waited for
            begin_s, cpu_s, written = time.time(), process.cpu_s(), process.written_bytes()
            time.sleep(seconds)
            end_s, cpu_s = time.time(), process.cpu_s() - cpu_s
            written, resident = process.written_bytes() - written, process.peak_bytes()
            until(lambda: _came(around, end_s), "what is on its way")
        finally:
            process.end()
    found = account(gateway, load, around.served_file, around.feed_file, begin_s, end_s)
    shutil.rmtree(folder)
    return Figures(gateway.name, load, end_s - begin_s, cpu_s, resident, written, start_s, found)


def _under_way(process: Process, gateway: Gateway, around: Scene) -> bool:
    assert process.alive(), f"{gateway.name} ended: {process.log.read_text('utf-8', 'replace')[-2000:]}"
    return around.heard()


def _came(around: Scene, end_s: float) -> bool:
    return time.time() > end_s + ARRIVE_S or _newest_s(around.feed_file) > end_s + 2 * max(0.5, around.load.period_s)


def _newest_s(feed: Path) -> float:
    """When the last message came."""
    with feed.open("rb") as lines:
        lines.seek(max(0, feed.stat().st_size - (4 << 20)))
        times = [line.split(b" ", 1)[0] for line in lines.read().split(b"\n")[1:-1]]
    return float(times[-1]) if times else 0.0
