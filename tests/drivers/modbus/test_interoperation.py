"""The driver over the real line against slaves that others wrote: every value is the one that is served."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.catalogue import protocol
from drivers.line import open_line
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from tests.peers.libmodbus import libmodbus_rtu, libmodbus_tcp
from tests.peers.npm import npm, why_not
from tests.peers.process import Tables
from tests.peers.pymodbustcp import pymodbustcp

FLOATS = [0.0, -0.0, 12.31, 79.1382, -1e-5, 3.4028235e38, 16777216.0, 0.1]
WORDS = [word for number in FLOATS for word in struct.unpack(">2H", struct.pack(">f", number))]
TABLES: Tables = {
    1: {address: address % 3 == 0 for address in range(51)},
    2: {address: address % 2 for address in range(24)},
    3: {address: (address * 7919) & 0xFFFF for address in range(300)} | {400: 0, 401: 0, 402: 0},
    4: dict(enumerate(WORDS)),
}


def all_points() -> list[ModbusPoint]:
    keys: list[dict[str, Any]] = [{"table": "coil", "address": address} for address in range(0, 40, 3)]
    keys += [{"table": "discrete", "address": address} for address in (23, 0, 9)]
    keys += [{"table": "holding", "address": address, "type": "uint16"} for address in range(299, -1, -1)]
    keys += [{"table": "holding", "address": address, "type": "uint64", "order": "CDAB"} for address in (4, 90)]
    keys += [{"table": "input", "address": 2 * at, "type": "float32"} for at in range(len(FLOATS))]
    keys += [
        {"id": "set", "table": "holding", "address": 400, "type": "float32", "order": "BADC", "writable": [-20, 20]}
    ]
    keys += [{"id": "count", "table": "holding", "address": 402, "type": "uint16", "writable": [0, 65535]}]
    keys += [{"id": "switch", "table": "coil", "address": 50, "writable": True}]
    return [ModbusPoint.model_validate({"id": f"p{at}"} | one) for at, one in enumerate(keys)]


def truth(point: ModbusPoint) -> object:
    cells = TABLES[{"coil": 1, "discrete": 2, "holding": 3, "input": 4}[point.table]]
    if point.type == "bool":
        return bool(cells[point.address])
    if point.id == "set":
        return 0.0
    if point.type == "float32":
        return FLOATS[point.address // 2]
    return sum(cells[point.address + at] << 16 * at for at in range(point.count))


@contextlib.asynccontextmanager
async def driven(
    line_spec: LineSpec, unit: int = 1, points: Sequence[ModbusPoint] | None = None, **options: Any
) -> AsyncIterator[ModbusDriver]:
    line = open_line(line_spec, protocol("modbus").tags(line_spec))
    task = asyncio.create_task(line.run())
    try:
        assert await line.wait_up(10)
        spec = InstrumentSpec(
            id="i", line="l", protocol="modbus", profile=None, address=unit, every_s=1, timeout_s=5,
            points=tuple(all_points() if points is None else points), options=ModbusOptions.model_validate(options),
        )  # fmt: skip
        driver = protocol("modbus").driver(spec, line, line_spec)
        assert isinstance(driver, ModbusDriver)
        yield driver
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def polled(driver: ModbusDriver) -> None:
    expected = tuple(map(repr, map(truth, all_points())))
    for _ in range(3):
        sample = await driver.poll()
        assert (tuple(map(repr, sample.values)), dict(sample.why), sample.result) == (expected, {}, "ok")


NEEDS_NPM = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
NPM = [pytest.param(partial(npm, name), id=name, marks=NEEDS_NPM) for name in ("modbus-serial", "jsmodbus")]


@pytest.mark.parametrize("slave", [libmodbus_tcp, pymodbustcp, *NPM])
@pytest.mark.parametrize("in_flight", [1, 4])
async def test_tcp_slave_of_others_gives_every_value(slave: Any, in_flight: int) -> None:
    with slave(TABLES) as running:
        spec = LineSpec(name="l", kind="tcp", host="127.0.0.1", port=running.port, in_flight=in_flight, timeout_s=5)
        async with driven(spec) as driver:
            await polled(driver)


async def test_rtu_slave_of_others_gives_every_value() -> None:
    with libmodbus_rtu({161: TABLES, 162: {3: {0: 9}}}) as bus:
        spec = LineSpec(name="l", kind="serial", path=bus.path, baudrate=115200, timeout_s=5)
        async with driven(spec, unit=161) as driver:
            await polled(driver)


@pytest.mark.parametrize("slave", [libmodbus_tcp, pymodbustcp, *NPM])
@pytest.mark.parametrize("writes", ["auto", "multiple"])
async def test_what_is_written_to_a_slave_of_others_is_there(slave: Any, writes: str) -> None:
    with slave(TABLES) as running:
        spec = LineSpec(name="l", kind="tcp", host="127.0.0.1", port=running.port, timeout_s=5)
        async with driven(spec, writes=writes) as driver:
            assert await driver.write("set", -12.31) == -12.31
            assert await driver.write("count", 65535) == 65535
            assert await driver.write("switch", True) is True
            assert await driver.write("switch", False) is False
            assert (await driver.read(["set"]))["set"][0] == -12.31


@contextlib.asynccontextmanager
async def pymodbus_server(kind: str, framer: FramerType) -> AsyncIterator[int]:
    """pymodbus's own server on loopback: holding registers 0 to 299 without 41 and 150 to 159."""
    holding = [SimData(first, values=[(at * 7919) & 0xFFFF for at in range(first, end)], datatype=DataType.REGISTERS)
               for first, end in ((0, 41), (42, 150), (160, 300))]  # fmt: skip
    device = SimDevice(1, holding)
    server: ModbusTcpServer | ModbusUdpServer
    if kind == "udp":
        server = ModbusUdpServer(device, framer=framer, address=("127.0.0.1", 0))
    else:
        server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        transport: Any = server.transport
        yield (transport.sockets[0] if kind == "tcp" else transport.get_extra_info("socket")).getsockname()[1]
    finally:
        await server.shutdown()


@pytest.mark.parametrize(
    ("kind", "framing"), [("tcp", "rtu"), ("tcp", "ascii"), ("tcp", "tcp"), ("udp", "tcp"), ("udp", "rtu")]
)
async def test_every_framing_on_every_transport_with_registers_that_are_refused(kind: str, framing: str) -> None:
    framer = {"rtu": FramerType.RTU, "ascii": FramerType.ASCII, "tcp": FramerType.SOCKET}[framing]
    wanted = [*range(0, 170, 3), 41, 150, 155]
    cells = [
        ModbusPoint.model_validate({"id": f"r{at}", "table": "holding", "address": at, "type": "uint16"})
        for at in wanted
    ]
    async with pymodbus_server(kind, framer) as port:
        spec = LineSpec.model_validate(
            {"name": "l", "kind": kind, "host": "127.0.0.1", "port": port, "framing": framing, "timeout_s": 5}
        )
        async with driven(spec, points=cells) as driver:
            for _ in range(12):
                sample = await driver.poll()
            missing = {at for at in wanted if at == 41 or 150 <= at < 160}
            assert sample.values == tuple(None if at in missing else (at * 7919) & 0xFFFF for at in wanted)
            assert set(driver.excluded) == {f"r{at}" for at in missing}
            assert sample.result == "ok"
