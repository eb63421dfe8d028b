"""What one exchange costs: `python -m tests.benchmarks.exchange [--rounds 7] [--requests 4000]`.

CPU µs per request (125 registers, 1 and 50 connections) of the line with all its checks, of pymodbus's own client,
and of a bare asyncio request loop with a timeout, against the same slave in another process; µs per point of polls
of 62 float32 values. The three take turns in one run, so that a busy machine strikes them alike; medians of rounds.
Exit code 1 when the line costs more than 60 % of the client, or more than 1.3 times the bare loop.
"""

import argparse
import asyncio
import logging
import multiprocessing
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from drivers.catalogue import protocol
from drivers.line import FieldLine, open_line
from drivers.modbus import codec
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec

REGISTERS = 125
FLOATS = 62
MOST_OF_CLIENT, MOST_OF_BARE = 0.60, 1.30
ASK = struct.Struct(">HHHBBHH")
Read = Callable[[], Awaitable[object]]


class _Served(asyncio.Protocol):
    """A slave that costs next to nothing: any read brings the same registers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.data = struct.pack(">62f", *(1.5 * at for at in range(FLOATS))) + b"\0\0"

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 12):
            size = 2 * int.from_bytes(data[at + 10 : at + 12], "big")
            head = data[at : at + 4] + (3 + size).to_bytes(2, "big") + data[at + 6 : at + 8] + bytes([size])
            self.transport.write(head + self.data[:size])


def _serve(told: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Served, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class Bare(asyncio.Protocol):
    """As little as one can do and still know which answer belongs to which question."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.tag = 0
        self.input = b""
        self.waiting: dict[int, asyncio.Future[bytes]] = {}
        self.loop = asyncio.get_running_loop()

    async def read(self, address: int, count: int) -> bytes:
        """Registers' bytes."""
        async with asyncio.timeout(1):
            self.tag = (self.tag + 1) & 0xFFFF
            answer = self.waiting[self.tag] = self.loop.create_future()
            self.transport.write(ASK.pack(self.tag, 0, 6, 1, 3, address, count))
            return await answer

    def data_received(self, data: bytes) -> None:
        if self.input:
            data = self.input + data
        at = 0
        while len(data) - at >= 9:
            end = at + 6 + (data[at + 4] << 8 | data[at + 5])
            if end > len(data):
                break
            answer = self.waiting.pop(data[at] << 8 | data[at + 1], None)
            if answer is not None and not answer.done():
                answer.set_result(data[at + 9 : end])
            at = end
        self.input = data[at:]


class Contestants:
    """`connections` of each kind to one slave; every list has one call a connection."""

    def __init__(self, port: int, connections: int) -> None:
        self.port, self.connections = port, connections
        self.reads: dict[str, list[Read]] = {"line": [], "pymodbus": [], "bare": []}
        self.polls: dict[str, list[Read]] = {"line": [], "pymodbus": [], "bare": []}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Contestants":
        for _ in range(self.connections):
            await self._line()
            await self._pymodbus()
            await self._bare()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _line(self) -> None:
        spec = LineSpec(name="bench", kind="tcp", host="127.0.0.1", port=self.port)
        line: FieldLine = open_line(spec, protocol("modbus").tags(spec))
        keeper = asyncio.create_task(line.run())
        self._stack.callback(keeper.cancel)
        assert await line.wait_up(10)
        points = tuple(
            ModbusPoint.model_validate({"id": f"p{at}", "table": "holding", "address": 2 * at, "type": "float32"})
            for at in range(FLOATS)
        )
        instrument = InstrumentSpec(
            id="i", line="bench", protocol="modbus", profile=None, address=1, every_s=0.0, timeout_s=1.0,
            points=points, options=ModbusOptions(),
        )  # fmt: skip
        request = codec.request(codec.read(1, 3, 0, REGISTERS), "tcp", codec.Timing(1.0))
        driver = ModbusDriver(instrument, line, spec)
        assert len(await line.exchange(request)) == 2 * REGISTERS
        assert (await driver.poll()).values[:3] == (0.0, 1.5, 3.0)
        self.reads["line"].append(lambda: line.exchange(request))
        self.polls["line"].append(driver.poll)

    async def _pymodbus(self) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=self.port, retries=0, timeout=1)
        assert await client.connect()
        self._stack.callback(client.close)

        async def read() -> None:
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            assert not answer.isError()
            assert len(answer.registers) == REGISTERS

        async def poll() -> list[Any]:
            answer = await client.read_holding_registers(0, count=2 * FLOATS, device_id=1)
            found = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
            assert isinstance(found, list)
            return found

        self.reads["pymodbus"].append(read)
        self.polls["pymodbus"].append(poll)

    async def _bare(self) -> None:
        transport, bare = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", self.port)
        self._stack.callback(transport.close)
        decode = struct.Struct(f">{FLOATS}f").unpack

        async def poll() -> tuple[float, ...]:
            return decode(await bare.read(0, 2 * FLOATS))

        self.reads["bare"].append(lambda: bare.read(0, REGISTERS))
        self.polls["bare"].append(poll)


async def spent_us(calls: list[Read], requests: int) -> float:
    """CPU µs of this process per call, all connections asking at once."""
    each = max(1, requests // len(calls))

    async def ask(call: Read) -> None:
        for _ in range(each):
            await call()

    await asyncio.gather(*map(ask, calls))  # warm
    started_ns = time.process_time_ns()
    await asyncio.gather(*map(ask, calls))
    return (time.process_time_ns() - started_ns) / 1000 / (each * len(calls))


async def measured(
    port: int, connections: int, rounds: int, requests: int
) -> tuple[dict[str, float], dict[str, float]]:
    """µs per read and per poll of each contestant."""
    async with Contestants(port, connections) as kinds:
        found: list[dict[str, list[float]]] = []
        for calls in (kinds.reads, kinds.polls):
            taken: dict[str, list[float]] = {name: [] for name in calls}
            for turn in range(rounds):
                for name in sorted(calls, key=lambda name: (len(name) + turn) % 3):
                    taken[name].append(await spent_us(calls[name], requests))
            found.append(taken)
        reads, polls = ({name: median(values) for name, values in one.items()} for one in found)
        return reads, polls


def run(rounds: int, requests: int, connections: tuple[int, ...] = (1, 50)) -> dict[int, tuple[float, float]]:
    """Prints the figures; per number of connections the line's share of the client and of the bare loop."""
    logging.getLogger("fieldgate").setLevel(logging.ERROR)
    here, there = multiprocessing.Pipe()
    slave = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    slave.start()
    shares = {}
    try:
        port = here.recv()
        for number in connections:
            reads, polls = asyncio.run(measured(port, number, rounds, requests))
            shares[number] = reads["line"] / reads["pymodbus"], reads["line"] / reads["bare"]
            print(f"{number} connections, CPU µs per request of {REGISTERS} registers:", _told(reads))
            print(
                f"  the line costs {shares[number][0]:.0%} of the client, {shares[number][1]:.2f} times the bare loop"
            )
            print(f"  CPU µs per point, {FLOATS} float32 a poll:", _told({k: v / FLOATS for k, v in polls.items()}))
    finally:
        slave.terminate()
        slave.join()
    return shares


def _told(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" if value > 5 else f"{name} {value:.2f}" for name, value in figures.items())


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.exchange", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=4000)
    chosen = parser.parse_args()
    shares = run(chosen.rounds, chosen.requests)
    return 0 if all(client <= MOST_OF_CLIENT and bare <= MOST_OF_BARE for client, bare in shares.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
