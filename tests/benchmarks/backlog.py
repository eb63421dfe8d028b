"""A log with a long backlog, written by the log itself in large transactions: what an outage of days leaves behind."""

import asyncio
import random
import time
from pathlib import Path

from drivers.contract import Sample
from gateway.log import Log
from gateway.reading import Reading
from tests.fakes.log import Settings, TurnedClock

POINTS = 100
"""Points of an instrument."""
BATCH_EVERY_S = 1.001
"""A batch spans a second at most, so that each is one of its own."""
TRANSACTION_POINTS = 100_000
"""Points that wait for a commit at once, at most."""


async def fill(
    path: Path, gateway: str, batches: int, points: int, end_ms: int, compression: str = "none", uplink: str = "city"
) -> str:
    """`batches` undelivered batches of `points` points, the last one made at `end_ms`; the stream they are in."""
    clock = TurnedClock(now_ms=end_ms - round(batches * BATCH_EVERY_S * 1000))
    settings = Settings(str(path), commit_every_s=60.0, max_size=64 << 30, compression=compression)
    log = await Log.open(settings, gateway, (uplink,), clock, None, boot="b")
    task = asyncio.create_task(log.run())
    names = tuple(f"p{at}" for at in range(min(points, POINTS)))
    chance = random.Random(1)
    samples = [Sample(tuple(round(chance.uniform(0, 500), 2) for _ in names)) for _ in range(97)]
    instruments = -(-points // len(names))
    at_once = max(1, min(1000, TRANSACTION_POINTS // points))
    made = 0
    try:
        while made < batches:
            for _ in range(min(at_once, batches - made)):
                for instrument in range(instruments):
                    sample = samples[(made + 31 * instrument) % len(samples)]
                    log.add(Reading(f"d{instrument}", names, clock.wall_ms, 7, sample, clock.boot_s))
                clock.turn(BATCH_EVERY_S)
                made += 1
            written = log.committed()
            while not written.is_set():  # one transaction takes 4 MiB of it
                log._writer.wake()
                await log.committed_after(log.newest())
        stream = log.stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await log.close()
    return stream


def filled(folder: Path, gateway: str, batches: int, points: int, compression: str = "none") -> Path:
    """The folder with such a log, whose last batch was made just now."""
    folder.mkdir()
    asyncio.run(fill(folder / "log.db", gateway, batches, points, time.time_ns() // 1_000_000, compression))
    for path in (folder / "log.db-lock", folder / "log.db-shm"):
        path.unlink(missing_ok=True)
    return folder
