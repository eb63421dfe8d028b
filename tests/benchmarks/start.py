"""`python -m tests.benchmarks.start [--times 5]`: how long a start takes, and a check of a site of 1,000 points.

Wall and CPU seconds from the start of the process to the first batch at the subscriber (20 instruments of 100 points
every second), with the memory it then has, and of `fieldgate check`. Medians; on a busy machine the CPU seconds are
the firmer figure. The gateway is measured as it is installed: its modules are compiled, as pip compiles them.
"""

import argparse
import os
import sys
import time
from statistics import median

from tests.benchmarks.gateways import Fieldgate, as_installed
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Load, scene
from tests.benchmarks.verdict import Figure, table
from tests.system.harness import until, write_site

START_TARGET_S, CHECK_TARGET_S, RESIDENT_TARGET_MB = 1.2, 1.0, 70.0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.start", description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    starts = [first_batch() for _ in range(chosen.times)]
    checks = [check() for _ in range(chosen.times)]
    print(f"{chosen.times} times each, medians; load of the machine {os.getloadavg()[0]:.1f}")
    print(
        table(
            [
                Figure("start to first delivered batch", median(one[0] for one in starts), "s", START_TARGET_S),
                Figure("  of it CPU", median(one[1] for one in starts), "s"),
                Figure("  memory then", median(one[2] for one in starts), "MB", RESIDENT_TARGET_MB, 1),
                Figure("check of 1,000 points", median(one[0] for one in checks), "s", CHECK_TARGET_S),
                Figure("  of it CPU", median(one[1] for one in checks), "s"),
            ]
        )
    )


def first_batch() -> tuple[float, float, float]:
    """Wall and CPU seconds until the subscriber has a batch, and the most MB that were in use."""
    gateway = Fieldgate("100ms")
    as_installed()
    with workspace() as folder, scene(folder / "run", Load(), "fieldgate/v1/bench/data") as around:
        began = time.monotonic()
        process = gateway.start(around)
        try:
            until(around.heard, "the first message", START_S)
            return time.monotonic() - began, process.cpu_s(), process.peak_bytes() / 1e6
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
    as_installed()
    with workspace() as folder:
        path = write_site(folder / "site.yaml", site)
        began = time.monotonic()
        process = Process([sys.executable, "-m", "gateway", "check", str(path)], folder / "said")
        wall_s, cpu_s = process.ended(began)
        assert process.end() == 0, (folder / "said").read_text("utf-8")
        return wall_s, cpu_s


if __name__ == "__main__":
    main()
