"""A real log in a temporary folder, with a clock that tests turn and readings that count."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.batch import FIRST_PREV, Batch, digest, plain
from gateway.clock import ClockState
from gateway.log import Log
from gateway.reading import Reading, Sample

GATEWAY = "lyu-gas-017"
START_MS = 1_764_000_000_000
BOOT = "b00t"


@dataclass(slots=True)
class Settings:
    """The log section of a site file."""

    path: str
    max_size: int = 64 << 20
    max_age_s: float = 400 * 86400.0
    commit_every_s: float = 0.005
    compression: str = "none"


class TurnedClock:
    """Wall and boot clock that stand still until they are turned."""

    def __init__(self, now_ms: int = START_MS, known: ClockState = ClockState.SYNCED) -> None:
        self.wall_ms = now_ms
        self.boot_s = 100.0
        self.known = known

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.boot_s

    def state(self) -> ClockState:
        return self.known

    def turn(self, seconds: float) -> None:
        """Both go on."""
        self.wall_ms += round(seconds * 1000)
        self.boot_s += seconds


class Readings:
    """Readings whose value is their number, stamped by the clock."""

    def __init__(self, clock: TurnedClock, points: int = 2) -> None:
        self.clock = clock
        self.points = tuple(f"p{index}" for index in range(points))
        self.count = 0

    def next(self, instrument: str = "cems-1") -> Reading:
        self.count += 1
        sample = Sample((self.count, *[0.5] * (len(self.points) - 1)))
        return Reading(instrument, self.points, self.clock.wall_ms, 7, sample, self.clock.boot_s)


async def opened(path: Path, clock: TurnedClock, uplinks: Sequence[str] = ("city",), **options: Any) -> Log:
    """A log at path; keys of Settings among the options go there."""
    keys = {name: options.pop(name) for name in list(options) if name in Settings.__slots__}
    options = {"signer": None, "boot": BOOT} | options
    return await Log.open(Settings(str(path), **keys), GATEWAY, uplinks, clock, **options)


@contextlib.asynccontextmanager
async def running(log: Log, close: bool = True) -> AsyncIterator[Log]:
    """The log with its writer; closed cleanly afterwards, or left as a kill would leave it."""
    task = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if close:
            await log.close()
        else:
            await killed(log)


async def killed(log: Log) -> None:
    """As far as files go what kill -9 does: nothing is committed, checkpointed or marked; only the lock falls."""
    writer = log._writer
    if writer.committing is not None:
        await asyncio.wait({writer.committing})
    if writer.store is not None:
        files = {path: path.read_bytes() for path in Path(writer.settings.path).parent.iterdir() if path.is_file()}
        await writer.store.abandon()
        for path, data in files.items():
            path.write_bytes(data)
    writer.release()


async def committed(log: Log, batches: int = 1) -> Sequence[Batch]:
    """Wait until that many more batches are committed than now."""
    before = log.newest()
    seen: Sequence[Batch] = ()
    async with asyncio.timeout(20):
        while len(seen) < batches:
            seen = await log.committed_after(before if not seen else seen[-1].position)
    return seen


async def everything(log: Log) -> list[Batch]:
    """All batches of the log."""
    return [batch async for batch in log.replay(0)]


def body(batch: Batch) -> dict[str, Any]:
    """What a batch says."""
    parsed: dict[str, Any] = orjson.loads(plain(batch.body))
    return parsed


def values(batches: Sequence[Batch]) -> list[int]:
    """The numbers of all readings, in order."""
    return [sample["values"]["p0"] for batch in batches for sample in body(batch)["samples"]]


def events(batches: Sequence[Batch], kind: str = "") -> list[dict[str, Any]]:
    """The events, of one kind if it is given."""
    return [event for batch in batches for event in body(batch)["events"] if event["kind"].startswith(kind)]


def unchained(batches: Sequence[Batch]) -> list[str]:
    """What is wrong with the chain: seqs that do not follow, prevs that are not the digest of the batch before."""
    wrong: list[str] = []
    ends: dict[str, tuple[int, str]] = {}
    for batch in batches:
        seq, head = ends.get(batch.stream, (0, FIRST_PREV))
        said = body(batch)
        if (said["stream"], said["seq"]) != (batch.stream, batch.seq):
            wrong.append(f"{batch.stream} {batch.seq}: named otherwise in its body")
        if batch.seq != seq + 1 or said["prev"] != head:
            wrong.append(f"{batch.stream} {batch.seq} after {seq}: prev {said['prev'][:8]}, head {head[:8]}")
        ends[batch.stream] = batch.seq, digest(batch.body)
    return wrong


def crc(data: bytes) -> int:
    """As rows have it."""
    return zlib.crc32(data)
