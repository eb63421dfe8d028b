"""One day of a shipped site in virtual time: simulated lines, the real gateway, its log and its payloads.

The site file is used as it is. Replaced are what tests/simulation replaces (the loop's time, the wall clock, the
broker, the thread of the log) and, below the wires of the lines, the ports (wires.py). What comes of it is a
record: every payload as a broker received it, and what the simulated instruments really served.
"""

import asyncio
import dataclasses
import logging
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from drivers.contract import Value
from drivers.profile import LineSpec
from drivers.simulator.site import simulate
from drivers.simulator.truth import Truth
from gateway import fieldbus
from gateway.health.service_manager import ServiceManager
from gateway.machine import Machine
from gateway.run import Gateway
from gateway.settings import Site, load
from gateway.signing import Signer
from gateway.told import Told
from tests.simulation.course import memory_folder
from tests.simulation.world import (
    Broker,
    Disk,
    Life,
    Network,
    SimulatedClock,
    SimulatedStore,
    copied,
    simulated_disks,
)
from tests.site_day.wires import DayLoop, MemoryPort, memory_ports

SITES = Path(__file__).parents[2] / "config" / "sites"
MIDNIGHT_MS = 1_796_313_600_000
"""2026-12-04 00:00 in Shanghai, the end of every day here: a Thursday, on which people work."""
UTC_OFFSET_S = 8 * 3600
LEAD_S = 90.0
"""A whole day begins so long before its midnight, so that every poll of it is made."""
TRAIL_S = 130.0
"""And ends so long after it: accounts are told a minute after midnight, and what is told needs its commit."""


EARLIER_MS = 3000
"""A kill loses what was read since the last commit, and a poll may be under way for so long."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """What happens in the middle of the time: nothing, unless it is asked for."""

    restart: str | None = None
    """stop or kill."""
    step_s: float = 0.0
    """The wall clock steps by so much, a quarter of the time before the end."""
    outage_s: float = 0.0
    """Every line is cut for so long, a quarter of the time after the begin."""


@dataclass(slots=True)
class Served:
    """One answer: the gateway's clock and the true one at that moment (unix ms), and the value in it."""

    stamp_ms: int
    true_ms: int
    value: Value


class KeptTruth(Truth):
    """Everything that was served."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(0)
        self._clock = clock
        self.answers: dict[tuple[str, str], list[Served]] = defaultdict(list)

    def note(self, instrument: str, point: str, ts_ms: int, value: Value) -> None:
        self.answers[instrument, point].append(Served(self._clock.now_ms(), ts_ms, value))


@dataclass
class Recording(Broker):
    """A broker that keeps every payload as it came."""

    payloads: list[tuple[str, bytes]] = field(default_factory=list)

    def answer(self, topic: str, body: bytes) -> int:
        self.payloads.append((topic, body))
        return 0


@dataclass
class Record:
    """What came of a day."""

    name: str
    seed: int
    site: Site
    key: str
    from_ms: int
    to_ms: int
    troubles: Troubles
    payloads: list[tuple[str, bytes]]
    truth: dict[tuple[str, str], list[Served]]
    lives: list[tuple[int, int]]
    """(begin, end) of each run of the gateway, true unix ms."""
    failures: dict[str, int]
    disturbances: list[tuple[int, int]]
    """(begin, end) of what was done to it, true unix ms."""

    def disturbed(self, true_ms: float, more_ms: int = 3000) -> bool:
        """Whether it was disturbed at that time, or up to `more_ms` before."""
        return any(begin - EARLIER_MS <= true_ms <= end + more_ms for begin, end in self.disturbances)

    def life(self, true_ms: float) -> int:
        """The number of the run of the gateway at that time."""
        return sum(began <= true_ms for began, _ in self.lives)


def recorded(
    name: str | Path, hours: float, seed: int, troubles: Troubles = Troubles(), before_h: float = 0.0
) -> Record:
    """Run the last `hours` before a midnight, or before `before_h` hours earlier. Raises what the gateway lets pass."""
    path = SITES / f"{name}.yaml" if isinstance(name, str) else name
    for each in ("fieldgate", "gateway"):
        logging.getLogger(each).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldgate-day-", dir=memory_folder()))
        stack.enter_context(simulated_disks())
        stack.enter_context(memory_ports())
        runner = stack.enter_context(asyncio.Runner(loop_factory=DayLoop))
        return runner.run(_live(path, hours, seed, troubles, Path(folder), before_h))


async def _live(path: Path, hours: float, seed: int, troubles: Troubles, folder: Path, before_h: float) -> Record:
    return await _World(path, hours, seed, troubles, folder, before_h).run()


class _World:
    """The machine, the instruments and the broker of one day."""

    def __init__(self, path: Path, hours: float, seed: int, troubles: Troubles, folder: Path, before_h: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DayLoop)
        self.loop = loop
        self.name = path.stem
        self.seed = seed
        self.troubles = troubles
        self.folder = folder
        self.seconds = LEAD_S + hours * 3600 + TRAIL_S + max(0.0, -troubles.step_s)
        self.from_ms = MIDNIGHT_MS - round(((hours + before_h) * 3600 + LEAD_S) * 1000)
        self.true_ahead_ms = self.from_ms - round(loop.time() * 1000)
        self.clock = SimulatedClock(self.true_ahead_ms)
        self.clocks = [self.clock]
        self.chance = Random(seed)
        self.broker = Recording(self.chance)
        self.truth = KeptTruth(self.clock)
        self.site = load(path)
        self.lives: list[tuple[int, int]] = []
        self.failures: dict[str, int] = {}
        self.moved: dict[str, LineSpec] = {}
        self.number = 0
        self.disturbances: list[tuple[int, int]] = []

    def now_s(self) -> float:
        """The true time, unix seconds."""
        return self.loop.time() + self.true_ahead_ms / 1000

    def now_ms(self) -> int:
        """The same in ms."""
        return int(self.loop.time() * 1000) + self.true_ahead_ms

    async def run(self) -> Record:
        """The whole time."""
        if self.troubles.step_s:
            self.loop.call_later(self.seconds * 0.75, self._step)
        if self.troubles.outage_s:
            self.loop.call_later(self.seconds * 0.25, self._cut)
            self.loop.call_later(self.seconds * 0.25 + self.troubles.outage_s, self._mend)
        async with simulate(
            self.site.lines,
            self.site.instruments,
            self.seed,
            truth=self.truth,
            now=self.now_s,
            utc_offset_s=UTC_OFFSET_S,
        ) as self.moved:
            if self.troubles.restart is None:
                await self._life(self.seconds, killed=False)
            else:
                first_s = self.seconds * (0.3 + 0.4 * Random(self.seed).random())
                await self._life(first_s, killed=self.troubles.restart == "kill")
                ended_ms = self.now_ms()
                await asyncio.sleep(3)
                self.disturbances.append((ended_ms, self.now_ms()))
                await self._life(self.seconds - first_s, killed=False)
        key = Signer.load(self.folder / "key.pem").key
        return Record(
            self.name, self.seed, self.site, key, self.from_ms, self.now_ms(), self.troubles, self.broker.payloads,
            self.truth.answers, self.lives, self.failures, self.disturbances,
        )  # fmt: skip

    async def _life(self, seconds: float, killed: bool) -> None:
        """One run of the gateway on the files as they are."""
        began_ms = self.now_ms()
        place = self.folder / f"life-{self.number}"
        place.mkdir(exist_ok=True)
        life = Life(self.loop.time())
        SimulatedStore.disks[place] = Disk(place, self.chance, well_since_s=self.loop.time())
        log = self.site.log.model_copy(update={"path": str(place / "log.db"), "key_file": str(self.folder / "key.pem")})
        site = dataclasses.replace(self.site, log=log)
        clock = self.clock.born()
        self.clocks.append(clock)
        told = Told(lambda: site)
        machine = Machine(
            clock=lambda: clock,
            build=lambda lines, instruments: fieldbus.build(self.moved, instruments),
            network=Network(defaultdict(lambda: self.broker), life),
            chance=lambda: Random(self.chance.random()),
            boot="boot",
        )
        gateway = Gateway(site, told, ServiceManager(), "", machine)
        await gateway.open()
        running = asyncio.create_task(gateway.live(), name="gateway")
        await asyncio.wait((running,), timeout=seconds)
        if killed:
            # kill -9 at this instant: the files go on as they are, everything else is gone
            life.dead = True
            self.number += 1
            copied(place, self.folder / f"life-{self.number}")
            self.broker.end()
            running.cancel()
        else:
            told.ended.set()
        ended_ms = self.now_ms()
        await asyncio.gather(running, return_exceptions=killed)
        self.lives.append((began_ms, ended_ms))
        self.disturbances.append((ended_ms, ended_ms))  # a poll under way at the end is not told
        for part, count in gateway.failures.items():
            self.failures[part] = self.failures.get(part, 0) + count

    def _step(self) -> None:
        self.disturbances.append((self.now_ms(), self.now_ms()))
        for clock in self.clocks:
            clock.ahead_ms += round(self.troubles.step_s * 1000)

    def _cut(self) -> None:
        self.disturbances.append((self.now_ms(), self.now_ms() + round(self.troubles.outage_s * 1000)))
        for line in self.moved.values():
            if line.kind == "serial":
                MemoryPort.ports[line.path or ""].pull()
            elif line.port is not None:
                self.loop.cut_off(line.port)

    def _mend(self) -> None:
        self.loop.cut.clear()
        for port in MemoryPort.ports.values():
            port.pulled = False
