"""`python -m tests.benchmarks.start [--times 5]`: how long a start takes, and a check of a site of 1,000 points.

Wall and CPU seconds from the start of the process to the first batch at the subscriber (20 instruments of 100 points
every second), and of `fieldgate check`. Medians; on a busy machine the CPU seconds are the firmer figure.
"""

import argparse
import sys
import time
from statistics import median

from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Load, scene
from tests.system.harness import until, write_site


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.start", description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    starts = [first_batch() for _ in range(chosen.times)]
    checks = [check() for _ in range(chosen.times)]
    for name, found in (("start to first delivered batch", starts), ("check of 1,000 points", checks)):
        print(f"{name}: {median(wall for wall, _ in found):.2f} s, CPU {median(cpu for _, cpu in found):.2f} s")


def first_batch() -> tuple[float, float]:
    """Wall and CPU seconds until the subscriber has a batch."""
    gateway = Fieldgate("100ms")
    with workspace() as folder, scene(folder / "run", Load(), "fieldgate/v1/bench/data") as around:
        began = time.monotonic()
        process = gateway.start(around)
        try:
            until(around.heard, "the first message", START_S)
            return time.monotonic() - began, process.cpu_s()
        finally:
            process.end()


def check() -> tuple[float, float]:
    """Wall and CPU seconds of `fieldgate check`; 10 instruments with 100 points each in the site file itself."""
    points = [{"id": f"p{at}", "table": "holding", "address": 2 * at, "type": "float32"} for at in range(100)]
    site = {
        "gateway": {"id": "bench", "timezone": "Asia/Shanghai"},
        "lines": {f"l{at}": {"tcp": f"192.0.2.{at + 1}:502"} for at in range(10)},
        "instruments": [
            {"id": f"d{at}", "line": f"l{at}", "protocol": "modbus", "address": 1, "every": "1s", "points": points}
            for at in range(10)
        ],
        "uplinks": {"city": {"mqtt": "mqtt://192.0.2.99:1883"}},
        "log": {"path": "./log.db"},
    }
    with workspace() as folder:
        path = write_site(folder / "site.yaml", site)
        began = time.monotonic()
        process = Process([sys.executable, "-m", "gateway", "check", str(path)], folder / "said")
        cpu_s = 0.0
        while process.alive():
            cpu_s = max(cpu_s, process.cpu_s())
            time.sleep(0.005)
        wall_s = time.monotonic() - began
        assert process.end() == 0, (folder / "said").read_text("utf-8")
        return wall_s, cpu_s


if __name__ == "__main__":
    main()
