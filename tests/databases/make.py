"""`python -m tests.databases.make`: keep a log as this release writes it, as test data for all releases to come.

Refuses to overwrite: a database of a released schema never changes. What it holds is in `expected` beside it.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from gateway.clock import ClockState
from gateway.log.database import SCHEMA
from gateway.reading import Event, Window
from tests.fakes.feed import signer
from tests.fakes.log import Readings, TurnedClock, committed, everything, opened, running

HERE = Path(__file__).parent


async def make(path: Path) -> dict[str, object]:
    """A log with batches of all kinds, one uplink that has half of them, kept state and readings held back."""
    clock = TurnedClock()
    readings = Readings(clock, 3)
    async with running(await opened(path, clock, ("city",), signer=signer(), compression="zlib")) as log:
        for step in range(12):
            clock.turn(1.0)
            log.add(readings.next())
            if step == 4:
                log.add_window(Window("cems-1", "1m", clock.wall_ms, 0, {"p0": {"n": 1}}))
            if step == 7:
                log.add_event(Event(clock.wall_ms, "limit.exceeded", instrument="cems-1"))
            (batch, *_) = await committed(log)
            if step % 2:
                log.settle("city", batch.position)
        await log.save("completeness", b"account")
    clock.known = ClockState.UNSET
    async with running(await opened(path, clock, ("city",), compression="zlib", boot="b00t-of-then")) as log:
        clock.turn(1.0)
        log.add(readings.next())
        while not log._writer.waiting.releases:
            await asyncio.sleep(0.001)
        batches = await everything(log)
        undelivered = [batch.seq for batch in await log.undelivered("city", log.newest() + 1)]
        stream = log.stream
    return {
        "stream": stream,
        "bodies": {str(batch.seq): batch.body.hex() for batch in batches},
        "undelivered": undelivered,
        "kept": "account",
        "held": [readings.count],
    }


def main() -> int:
    """The command."""
    target = HERE / f"schema-{SCHEMA}.db"
    if target.exists():
        print(f"{target} is there already; a released schema's database never changes")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        expected = asyncio.run(make(path))
        target.write_bytes(path.read_bytes())
        target.with_suffix(".mark").write_bytes(path.with_name("log.db-mark").read_bytes())
    target.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
