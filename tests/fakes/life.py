"""One life of what stands between pollers and log, over a real log; it is polled by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.contract import Sample
from gateway.accounts import Accounts
from gateway.log import Log
from gateway.reading import Reading
from gateway.settings import load
from tests.fakes.log import TurnedClock, committed, opened, running


class Life:
    """Polls of the instrument `plc`, a second apart."""

    def __init__(self, log: Log, accounts: Accounts, clock: TurnedClock) -> None:
        self.log, self.accounts, self._clock = log, accounts, clock

    async def poll(self, points: Sequence[str], sample: Sample, keep: bool = False) -> None:
        """One poll, until it is committed; `keep`: with the state that knows it."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
        self.accounts.emit(Reading("plc", tuple(points), now_ms, 0, sample, now_s))
        if keep:
            self.accounts.keep()
        await committed(self.log)
        self._clock.turn(1)


@asynccontextmanager
async def life(folder: Path, clock: TurnedClock, site: str, close: bool = True) -> AsyncIterator[Life]:
    """With this site file and the log of the folder; closed cleanly at the end, or left as a kill would leave it."""
    (folder / "site.yaml").write_text(site)
    async with running(await opened(folder / "log.db", clock, ()), close) as log:
        accounts = Accounts(load(folder / "site.yaml"), log, clock)
        await accounts.take_up()
        yield Life(log, accounts, clock)
