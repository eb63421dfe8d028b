"""`python -m tests.lines.paced [--seconds 60]`: what 9600 baud carry, through the real poller, line and driver.

A simulated bus on a pseudo-terminal in another process takes the wire time of every character. Three things are
measured in turn, each for that long, and exit code 1 says that one was missed:

- one exchange after another: how long each takes over its wire time and the quiet gap (at most 1 ms);
- `every: fastest`: how much of what the wire time allows is used (at least 95 %);
  both beside the barest loop one can write, in turn: on a busy machine that one is late too, and what counts is what
  the line adds;
- 20 instruments polled every 2 s, 3 of them dead: the longest interval of the others (at most their period and one
  timeout), and what the dead ones cost once they are known (nothing but their probes).
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import selectors
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from drivers.catalogue import protocol
from drivers.contract import Driver
from drivers.line import FieldLine, open_line
from drivers.modbus import codec
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.ports import PtyPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.unit import Memory
from gateway.clock import SystemClock
from gateway.polling.poller import Polled, Poller
from gateway.polling.schedule import phases
from gateway.reading import Reading

BAUDRATE = 9600
CHARACTER_S = 11 / BAUDRATE
GAP_S = 3.5 * CHARACTER_S
REGISTERS = 10
OVER_MOST_S = 0.001
BUSY_LEAST = 0.95
INSTRUMENTS, DEAD = 20, (4, 11, 17)
PERIOD_S, TIMEOUT_S = 2.0, 0.3
TURN_S = 3.0
CLOCK_S = 0.05
"""What a busy machine may add to an interval."""


def exchange_s(registers: int = REGISTERS) -> float:
    """Quiet gap, request, the slave's own 3.5 characters, answer."""
    return GAP_S + (8 + 3.5 + 5 + 2 * registers) * CHARACTER_S


class _Punctual(selectors.DefaultSelector):
    """Waits to the microsecond by turning in a circle at the end: the wire must not add its own lateness."""

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        end_s = time.monotonic() + timeout
        ready = super().select(max(0.0, timeout - 0.002))
        while not ready and time.monotonic() < end_s:
            ready = super().select(0)
        return ready


def _bus(told: Connection, units: Sequence[int]) -> None:
    async def serve() -> None:
        memory = Memory({3: {at: at for at in range(125)}})
        async with PtyPort(Slave(dict.fromkeys(units, memory)), FRAMINGS["rtu"], CHARACTER_S) as port:
            told.send(port.path)
            await asyncio.get_running_loop().run_in_executor(None, told.poll, None)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Punctual())) as runner:
        runner.run(serve())


@contextmanager
def bus(units: Sequence[int]) -> Iterator[str]:
    """A paced bus in another process; its path."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_bus, args=(there, units), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[tuple[LineSpec, FieldLine]]:
    """The real line on that path."""
    spec = LineSpec(name="bus", kind="serial", path=path, baudrate=BAUDRATE, stopbits=2, timeout_s=TIMEOUT_S)
    line = open_line(spec, None)
    keeper = asyncio.create_task(line.run())
    try:
        assert await line.wait_up(20)
        yield spec, line
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


def instrument(unit: int, spec: LineSpec, line: FieldLine, registers: int = REGISTERS) -> Driver:
    """A driver of one block."""
    points = tuple(
        ModbusPoint.model_validate({"id": f"p{at}", "table": "holding", "address": at, "type": "uint16"})
        for at in range(registers)
    )
    return protocol("modbus").driver(
        InstrumentSpec(
            id=f"unit-{unit}", line="bus", protocol="modbus", profile=None, address=unit, every_s=0.0,
            timeout_s=spec.timeout_s, points=points, options=ModbusOptions(),
        ), line, spec,
    )  # fmt: skip


async def poll_for(seconds: float, line: FieldLine, polled: Sequence[Polled]) -> list[Reading]:
    """What the real poller hands on in that time."""
    readings: list[Reading] = []
    poller = Poller(line, polled, SystemClock(), readings.append, lambda event: None, shared_wire=True)
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return readings


async def over_the_wire_s(path: str, seconds: float) -> float:
    """Median seconds of an exchange beyond its wire time and quiet gap."""
    async with opened(path) as (_, line):
        request = codec.request(codec.read(1, 3, 0, REGISTERS), "rtu", codec.Timing(5.0))
        await line.exchange(request)
        taken: list[float] = []
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            await line.exchange(request)
            taken.append(time.monotonic() - began_s)
        return median(taken) - exchange_s()


async def bare_s(path: str, seconds: float) -> list[float]:
    """Seconds of each exchange of the barest loop one can write on that bus: what the machine itself allows now."""
    loop = asyncio.get_running_loop()
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    request = codec.request(codec.read(1, 3, 0, REGISTERS), "rtu", codec.Timing(5.0))
    heard = bytearray()
    whole = asyncio.Event()

    def readable() -> None:
        heard.extend(os.read(port, 4096))
        if len(heard) >= request.reply_bytes:
            whole.set()

    loop.add_reader(port, readable)
    taken: list[float] = []
    try:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            await asyncio.sleep(GAP_S)
            heard.clear()
            whole.clear()
            os.write(port, request.frame)
            await whole.wait()
            taken.append(time.monotonic() - began_s)
    finally:
        loop.remove_reader(port)
        os.close(port)
    return taken


async def beside_bare(path: str, seconds: float) -> tuple[float, float, float, float]:
    """Seconds over the wire time of the line's and of the bare loop's exchanges; polls and bare exchanges a second.

    All in turn, so that a machine that is busy with other things strikes them alike; medians of the turns.
    """
    turns: list[tuple[float, float, float, float]] = []
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        over_s = await over_the_wire_s(path, TURN_S)
        bare = await bare_s(path, TURN_S)
        share = await busy_share(path, TURN_S)
        turns.append((over_s, median(bare) - exchange_s(), share, len(bare) * exchange_s() / TURN_S))
    over_s, bare_over_s, polls, exchanges = (median(column) for column in zip(*turns, strict=True))
    return over_s, bare_over_s, polls, exchanges


async def busy_share(path: str, seconds: float) -> float:
    """Part of the polls that the wire time allows which were made."""
    async with opened(path) as (spec, line):
        polled = [Polled(f"unit-{unit}", instrument(unit, spec, line), 0) for unit in (1, 2, 3)]
        readings = await poll_for(seconds, line, polled)
        assert {reading.sample.result for reading in readings} == {"ok"}
        return len(readings) * exchange_s() / seconds


@dataclass
class Shared:
    """How a line fares on which some units are dead."""

    longest_s: float
    missed: int
    polls: int
    probes: int
    probes_known: int


def judged(readings: Sequence[Reading], known_ms: int) -> Shared:
    """From the readings of units named unit-N; the dead ones are known from `known_ms` on."""
    last: dict[str, int] = {}
    longest_ms = missed = polls = 0
    probes: Counter[bool] = Counter()
    for reading in readings:
        if int(reading.instrument.removeprefix("unit-")) in DEAD:
            if reading.sample.result == "timeout":
                probes[reading.ts_ms >= known_ms] += 1
            continue
        polls += 1
        missed += reading.sample.result != "ok"
        if reading.sample.result == "ok":
            longest_ms = max(longest_ms, reading.ts_ms - last.get(reading.instrument, reading.ts_ms))
            last[reading.instrument] = reading.ts_ms
    return Shared(longest_ms / 1000, missed, polls, probes.total(), probes[True])


async def shared(path: str, seconds: float) -> Shared:
    """20 instruments, 3 of them dead."""
    async with opened(path) as (spec, line):
        period_ms = round(PERIOD_S * 1000)
        units = range(1, INSTRUMENTS + 1)
        polled = [
            Polled(f"unit-{unit}", instrument(unit, spec, line), period_ms, phase_ms)
            for unit, phase_ms in zip(units, phases([("line", period_ms)] * INSTRUMENTS), strict=True)
        ]
        began_ms = round(time.time() * 1000)
        return judged(await poll_for(seconds, line, polled), began_ms + round(seconds * 500))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.lines.paced", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    logging.getLogger("fieldgate").setLevel(logging.ERROR)
    alive = [unit for unit in range(1, INSTRUMENTS + 1) if unit not in DEAD]
    with bus(alive) as path:
        over_s, bare_over_s, busy, bare_busy = asyncio.run(beside_bare(path, seconds))
        fares = asyncio.run(shared(path, seconds))
    print(f"an exchange of {REGISTERS} registers takes {over_s * 1000:.2f} ms over its wire time and quiet gap,")
    print(f"  {(over_s - bare_over_s) * 1000:.2f} ms more than that of a bare loop on this machine now")
    beside = busy / bare_busy
    print(f"every: fastest uses {busy:.1%} of what the wire time allows, {beside:.1%} of what the bare loop does")
    print(
        f"{len(DEAD)} of {INSTRUMENTS} dead: longest interval of the others {fares.longest_s:.2f} s of {PERIOD_S:g} s,"
    )
    print(f"  {fares.missed} of their {fares.polls} polls missed; {fares.probes} probes of the dead,")
    print(
        f"  {fares.probes_known} of them in the second half: {fares.probes_known * TIMEOUT_S / seconds * 2:.1%} of it"
    )
    # on a busy machine even the bare loop is late: what the line adds is what counts
    kept = over_s - max(0.0, bare_over_s) <= OVER_MOST_S and busy >= BUSY_LEAST * min(1.0, bare_busy)
    return 0 if kept and not fares.missed and fares.longest_s <= PERIOD_S + TIMEOUT_S + CLOCK_S else 1


if __name__ == "__main__":
    sys.exit(main())
