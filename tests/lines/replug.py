"""`python -m tests.lines.replug [--cycles 500]`: a serial adapter is pulled out and put back, again and again.

The line has a stable path, as under /dev/serial/by-id; behind it is another pseudo-terminal each time, as a real
adapter comes back as another ttyUSB. Between two polls or in the middle of one, at random. After each return the
instrument must be polled again within 2 s, and at the end no more files may be open than at the beginning.
Prints the seed and what happened; exit code 1 when a promise was broken.
"""

import argparse
import asyncio
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drivers.catalogue import protocol
from drivers.contract import Driver, Sample
from drivers.line import FieldLine, open_line
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.ports import PtyPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.unit import Memory

LIMIT_S = 2.0
"""Healing of a serial port (contract.md §3); the instrument is polled without a period here."""
FAULTS_OF_A_PULL = {"ok", "line", "timeout", "crc", "settling"}
WARM_UP = 3
"""Cycles before files are counted: what is opened once for the process is open by then."""


@dataclass
class Account:
    """What came of it."""

    cycles: int = 0
    slowest_s: float = 0.0
    files_before: int = 0
    files_after: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return not self.wrong and self.slowest_s <= LIMIT_S and self.files_after <= self.files_before


def open_files() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


@asynccontextmanager
async def _driven(path: str) -> AsyncIterator[tuple[FieldLine, Driver]]:
    # a pull in mid-poll makes the unit settle: its answer could still come through another adapter
    spec = LineSpec(name="bus", kind="serial", path=path, baudrate=115200, timeout_s=0.1)
    point = ModbusPoint.model_validate({"id": "p", "table": "holding", "address": 0, "type": "uint16"})
    instrument = InstrumentSpec(
        id="i", line="bus", protocol="modbus", profile=None, address=1, every_s=0.0, timeout_s=0.1, points=(point,),
        options=ModbusOptions(),
    )  # fmt: skip
    line = open_line(spec, None)
    keeper = asyncio.create_task(line.run())
    try:
        yield line, protocol("modbus").driver(instrument, line, spec)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def run(cycles: int, seed: int) -> Account:
    """That many times out and in again."""
    account = Account()
    chance = random.Random(seed)
    memory = Memory({3: {0: 0}})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usb-adapter"
        async with _driven(str(path)) as (line, driver):
            for cycle in range(cycles + WARM_UP):
                if cycle == WARM_UP:
                    account.files_before = open_files()
                memory.put(3, 0, [cycle])
                async with PtyPort(Slave({1: memory}), FRAMINGS["rtu"]) as port:
                    path.symlink_to(port.path)
                    back_s = time.monotonic()
                    await _until_polled(line, driver, cycle, account)
                    if cycle >= WARM_UP:
                        account.slowest_s = max(account.slowest_s, time.monotonic() - back_s)
                    in_the_middle = chance.random() < 0.5
                    poll = asyncio.create_task(driver.poll()) if in_the_middle else None
                    await asyncio.sleep(chance.uniform(0.0, 0.003) if in_the_middle else 0)
                path.unlink()
                if poll is not None:
                    _check(await poll, cycle, account)
                await _until_down(line)
            account.cycles = cycles
            account.files_after = open_files()
    return account


async def _until_polled(line: FieldLine, driver: Driver, cycle: int, account: Account) -> None:
    async with asyncio.timeout(60):
        while True:
            await line.wait_up(10)
            sample = await driver.poll()
            _check(sample, cycle, account)
            if sample.result == "ok":
                return
            await asyncio.sleep(0.01)


async def _until_down(line: FieldLine) -> None:
    async with asyncio.timeout(60):
        while line.up:
            await asyncio.sleep(0.001)


def _check(sample: Sample, cycle: int, account: Account) -> None:
    if sample.result not in FAULTS_OF_A_PULL:
        account.wrong.append(f"cycle {cycle}: {sample}")
    if sample.values[0] not in (None, cycle):
        account.wrong.append(f"cycle {cycle}: value {sample.values[0]}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.lines.replug", description=__doc__)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    logging.getLogger("fieldgate").setLevel(logging.ERROR)
    account = asyncio.run(run(chosen.cycles, chosen.seed))
    print(f"{account.cycles} cycles, polled again after {account.slowest_s:.2f} s at most (limit {LIMIT_S:g} s)")
    print(f"files open: {account.files_before} before, {account.files_after} after; wrong {len(account.wrong)}")
    for finding in account.wrong[:20]:
        print("  !", finding)
    return 0 if account.kept else 1


if __name__ == "__main__":
    sys.exit(main())
