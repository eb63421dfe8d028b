"""Drivers on real lines against hostile slaves: every value is checked, every poll accounted for.

A slave's register pair says which unit and address it is and which request it answers, so that a neighbour's
value, a late one or a decoy is seen for what it is. Everything runs in one loop: a machine that stalls delays both
sides alike, so that "within the settling time" stays true however slow it is.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from drivers import catalogue
from drivers.contract import Answers, Driver, Prompt, Sample
from drivers.line import FieldLine, open_line
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.faults import Hostility
from drivers.simulator.ports import PtyPort, TcpPort, UdpPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS

POINTS = 6
APART = 100
"""Pairs that lie between the two blocks of an instrument of two: no single read reaches across."""
KINDS = ("tcp", "rtu", "rtu-tcp", "udp")
"""Modbus TCP, RTU on a pseudo-terminal, RTU over TCP, Modbus TCP over UDP."""
TIMEOUT_S = 0.03
SETTLE_S = 0.25
"""Late answers come up to 2.6 timeouts after the slave has heard the question, which on a busy machine is later than
it was asked; the rest is for that. (That three timeouts are the default is tested in virtual time.)"""
FUNCTION = {"input": 4, "holding": 3}


class CountingUnit:
    """Every register pair is `unit << 24 | address << 16 | number of this request`, as uint32 at even addresses."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.requests = 0

    def answer(self, pdu: bytes) -> bytes:
        """Any read of any length, aligned or not."""
        self.requests += 1
        first, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        data = b"".join(
            (self.requests & 0xFFFF if at % 2 else self.unit << 8 | at // 2 & 0xFF).to_bytes(2)
            for at in range(first, first + count)
        )
        return bytes([pdu[0], len(data)]) + data


@dataclass
class Account:
    """What came of it."""

    polls: int = 0
    samples: int = 0
    good: int = 0
    exchanges: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)


class _Polled:
    """One instrument with the unit behind it."""

    def __init__(self, driver: Driver, unit: CountingUnit, pairs: Sequence[int]) -> None:
        self.driver = driver
        self.unit = unit
        self.pairs = pairs


def register_pairs(unit: int) -> list[int]:
    """Numbers of the pairs that are polled: one block for odd units, two for even ones."""
    return [at + (APART if unit % 2 == 0 and at >= POINTS // 2 else 0) for at in range(POINTS)]


def instrument(line: str, unit: int) -> InstrumentSpec:
    """Points of one or two blocks, in one table or the other."""
    table = "input" if unit % 4 < 2 else "holding"
    points = tuple(
        ModbusPoint.model_validate({"id": f"p{at}", "table": table, "address": 2 * pair, "type": "uint32"})
        for at, pair in enumerate(register_pairs(unit))
    )
    return InstrumentSpec(
        id=f"unit-{unit}", line=line, protocol="modbus", profile=None, address=unit, every_s=0.0,
        timeout_s=TIMEOUT_S, points=points, options=ModbusOptions(),
    )  # fmt: skip


async def run(
    kind: str,
    exchanges: int,
    seed: int,
    *,
    share: float = 0.05,
    lines: int = 24,
    units: int = 8,
    faults: Iterable[str] | None = None,
    spec: dict[str, Any] | None = None,
) -> Account:
    """At least that many exchanges over `lines` lines of one of KINDS, polled one unit after another."""
    account = Account()
    started_s = time.monotonic()
    names = None if faults is None else tuple(faults)
    async with asyncio.TaskGroup() as group:
        for number in range(lines):
            group.create_task(
                _one_line(kind, -(-exchanges // lines), seed * 1000 + number, share, units, names, spec or {}, account),
                name=f"{kind}-{number}",
            )
    account.seconds = time.monotonic() - started_s
    return account


async def _one_line(
    kind: str,
    exchanges: int,
    seed: int,
    share: float,
    count: int,
    faults: Sequence[str] | None,
    keys: dict[str, Any],
    account: Account,
) -> None:
    units = {number: CountingUnit(number) for number in range(1, count + 1)}
    # every other line lets as many requests be under way as its devices will
    keys = {"in_flight": 1 + seed % 2, "settle_s": SETTLE_S} | keys
    spoilt = "rtu" if kind.startswith("rtu") else "tcp"
    hostility = Hostility(spoilt, share, seed, TIMEOUT_S, faults, keys["in_flight"])
    slave = Slave(units, mischief=hostility)
    async with AsyncExitStack() as stack:
        if kind == "rtu":
            pty = await stack.enter_async_context(PtyPort(slave, FRAMINGS["rtu"]))
            where: dict[str, Any] = {"kind": "serial", "path": pty.path, "baudrate": 115200}
        elif kind == "udp":
            udp = await stack.enter_async_context(UdpPort(slave, FRAMINGS["tcp"]))
            where = {"kind": "udp", "host": "127.0.0.1", "port": udp.port}
        else:
            framing: Any = "rtu" if kind == "rtu-tcp" else "tcp"
            tcp = await stack.enter_async_context(TcpPort(slave, FRAMINGS[framing]))
            where = {"kind": "tcp", "host": "127.0.0.1", "port": tcp.port, "framing": framing}
        spec = LineSpec(name=f"{kind}-{seed}", timeout_s=TIMEOUT_S, **where, **keys)
        protocol = catalogue.protocol("modbus")
        line = open_line(spec, protocol.tags(spec))
        keeper = asyncio.create_task(line.run(), name=f"keep {spec.name}")
        try:
            polled = []
            for number, unit in units.items():
                asked = instrument(spec.name, number)
                polled.append(_Polled(protocol.driver(asked, line, spec), unit, register_pairs(number)))
            await _poll_all(line, polled, exchanges, account)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            account.done += hostility.done
            account.seen += line.faults
            account.exchanges += sum(unit.requests for unit in units.values())


async def _poll_all(line: FieldLine, polled: Sequence[_Polled], exchanges: int, account: Account) -> None:
    """One after another; who settles is passed over until its time has come, as the poller does."""
    loop = asyncio.get_running_loop()
    at = 0
    while sum(one.unit.requests for one in polled) < exchanges:
        if not line.up and not await line.wait_up(10):
            raise AssertionError(f"line {line.name} does not come up: {line.state}")
        at += 1
        turn = [polled[(at + more) % len(polled)] for more in range(len(polled))]
        ready = next((one for one in turn if line.ready_at(one.driver.unit) <= loop.time()), None)
        if ready is None:
            await asyncio.sleep(max(0.0, min(line.ready_at(one.driver.unit) for one in polled) - loop.time()))
            continue
        at = polled.index(ready)
        before = ready.unit.requests
        account.polls += 1
        async with asyncio.timeout(30):
            sample = await _sample(ready.driver)
        _check(ready, sample, before, account)


async def _sample(driver: Driver) -> Sample:
    """One poll as the poller makes it: by `begin` where the driver can."""
    answered: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
    if isinstance(driver, Prompt) and driver.begin(answered.set_result) is not None:
        sample = driver.conclude(await answered)
        return sample if isinstance(sample, Sample) else await sample
    return await driver.poll()


def _check(one: _Polled, sample: Sample, before: int, account: Account) -> None:
    account.samples += 1
    account.results[sample.result] += 1
    good = True
    for place, value in enumerate(sample.values):
        if value is None:
            good = False
            if not sample.why.get(place) or place not in sample.flags:
                account.unexplained.append(f"unit {one.unit.unit} p{place}: a null without flag or reason")
            continue
        assert isinstance(value, int)
        unit, address, number = value >> 24, value >> 16 & 0xFF, value & 0xFFFF
        fresh = before < one.unit.requests and number in {
            made & 0xFFFF for made in range(before + 1, one.unit.requests + 1)
        }
        if (unit, address) != (one.unit.unit, one.pairs[place]) or not fresh:
            account.wrong.append(
                f"unit {one.unit.unit} p{place}, requests {before + 1} to {one.unit.requests}: "
                f"{value:#010x} is unit {unit}, address {address}, request {number}"
            )
    account.good += good
