"""`python -m tests.benchmarks.stages [--devices 20] [--period 1] [--commit-every 100ms]`: CPU µs per point by stage."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.benchmarks.gateways import Fieldgate
from tests.benchmarks.measure import START_S, workspace
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Load, scene
from tests.system.harness import free_port, until


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stages", description=__doc__)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("--decimals", action="store_true")
    parser.add_argument("--commit-every", default="100ms")
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    load = Load(chosen.devices, chosen.points, chosen.period, chosen.decimals)
    gateway = Fieldgate(chosen.commit_every, chosen.in_flight)
    gateway.health_port = free_port()
    with workspace() as folder, scene(folder / "scene", load, gateway.topic) as around:
        out = folder / "stages.json"
        site = gateway.written(around)
        command = [sys.executable, "-m", "tests.benchmarks.with_stages", str(out), "run", str(site)]
        process = Process(command, folder / "said")
        try:
            until(lambda: around.heard() and out.exists(), "the first message", START_S)
            time.sleep(4)  # the measuring itself
            first, first_s = _read(out)
            time.sleep(chosen.seconds)
            last, last_s = _read(out)
        finally:
            process.end()
    points = load.rate * (last_s - first_s)
    spent = {stage: (last[stage] - first.get(stage, 0)) / 1000 / points for stage in last}
    loop, process_us = spent.pop("loop"), spent.pop("process")
    in_thread = spent["database"] + spent["encode, hash, compress"]
    spent["event loop, tasks, wake-ups"] = loop - (sum(spent.values()) - in_thread)
    spent["other threads, hand-over"] = process_us - loop - in_thread
    for stage, us in spent.items():
        print(f"{stage:30}{us:8.3f} µs/point {us / process_us:6.1%}")
    print(f"{'sum':30}{process_us:8.3f} µs/point, {process_us * load.rate / 1e6:.3f} cores")


def _read(out: Path) -> tuple[dict[str, int], float]:
    return json.loads(out.read_text("utf-8")), out.stat().st_mtime


if __name__ == "__main__":
    main()
