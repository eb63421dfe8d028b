"""A week of one process in virtual time: memory, file descriptors and tasks must stay where they are.

`python -m tests.simulation.week [--days 7]` prints a line for each quarter of a day; exit code 1 when something grew.
Each day has an outage of a broker, of an instrument and of the disk, and a step of the clock.
"""

import argparse
import asyncio
import gc
import logging
import os
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.course import Course, memory_folder, site_of
from tests.simulation.world import SimulatedLoop, simulated_disks

QUARTER_S = 21_600.0
LARGEST_SLOPE_MIB = 1.0
"""Growth of memory in a day that counts as none, once every bounded buffer is full."""
FULL_HOURS = 36.0
"""At this pace the log's 4 MiB of newest batches, the largest of the buffers, are full after a day."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of the process, at one time of the week."""

    hours: float
    resident_mib: float
    files: int
    tasks: int
    objects: int
    batches: int

    def __str__(self) -> str:
        return (
            f"{self.hours:6.1f} h: {self.resident_mib:6.1f} MiB, {self.files} files, {self.tasks} tasks, "
            f"{self.objects} objects, {self.batches} batches"
        )


def measured(course: Course, hours: float) -> Measured:
    """Now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert course.gateway is not None
    return Measured(
        hours,
        pages * resource.getpagesize() / 2**20,
        len(os.listdir("/proc/self/fd")),
        len(asyncio.all_tasks()),
        len(gc.get_objects()),
        course.gateway.log.batches,
    )


async def live(days: float, folder: Path, told: "list[Measured]", show: bool) -> None:
    """Run it, measuring every quarter of a day."""
    course = Course(1, folder, 0)
    course.site, course.city = site_of("10s")
    course.start()
    for quarter in range(round(days * 4)):
        await asyncio.sleep(QUARTER_S / 2)
        await disturbed(course, quarter)
        await asyncio.sleep(QUARTER_S / 2)
        forget(course)
        told.append(measured(course, (quarter + 1) * 6.0))
        if show:
            print(told[-1], flush=True)
    assert await course.stop()
    assert not course.outcome.findings, course.outcome.findings


async def disturbed(course: Course, quarter: int) -> None:
    """One of four outages a day, a minute each."""
    broker = course.brokers[1]
    if quarter % 4 == 0:
        broker.up = False
        broker.end()
        await asyncio.sleep(60)
        broker.up = True
    elif quarter % 4 == 1:
        course.field.failing["a"] = "timeout"
        await asyncio.sleep(60)
        course.field.failing.clear()
    elif quarter % 4 == 2:
        course.disk.ill("disk I/O error")
        await asyncio.sleep(60)
        course.disk.ill(None)
    else:
        course.turn(3_600_000)
        await asyncio.sleep(60)
        course.turn(-3_600_000)
    forget(course)


def forget(course: Course) -> None:
    """What the simulated world remembers is not the gateway's memory."""
    for broker in course.brokers.values():
        broker.arrived.clear()
        broker.bodies.clear()
        broker.acknowledged.clear()
        broker.attempts.clear()
    course.field.served.clear()
    course.life.sent.clear()


def grown(told: "list[Measured]", full_hours: float = FULL_HOURS, slope_mib: float = LARGEST_SLOPE_MIB) -> list[str]:
    """What grew after every buffer was full."""
    first, last = next(one for one in told if one.hours >= full_hours), told[-1]
    found = []
    slope = (last.resident_mib - first.resident_mib) / ((last.hours - first.hours) / 24)
    if slope > slope_mib:
        found.append(f"memory grows by {slope:.2f} MiB a day")
    for name in ("files", "tasks"):
        if getattr(last, name) > getattr(first, name):
            found.append(f"{name} grew from {getattr(first, name)} to {getattr(last, name)}")
    return found


def run_days(days: float, show: bool = False) -> list[Measured]:
    """All measurements of so many days."""
    logging.getLogger("fieldgate").setLevel(logging.CRITICAL)
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    told: list[Measured] = []
    with (
        tempfile.TemporaryDirectory(prefix="fieldgate-week-", dir=memory_folder()) as folder,
        simulated_disks(),
        asyncio.Runner(loop_factory=SimulatedLoop) as runner,
    ):
        runner.run(live(days, Path(folder), told, show))
    return told


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.week", description=__doc__)
    parser.add_argument("--days", type=float, default=7.0)
    chosen = parser.parse_args()
    found = grown(run_days(chosen.days, show=True))
    print("\n".join(found) or "nothing grew")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
