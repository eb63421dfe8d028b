"""Whole sites at simulated endpoints, read by a master that is as plain as can be."""

import asyncio
import os
import struct
import termios
import time
import tty
from typing import Any

import pytest

from drivers.contract import Flag, Value
from drivers.modbus.crc import crc16
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator import Truth, simulate
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.modbus_instrument import ModbusInstrument


def meter(line: str, address: int, **options: Any) -> InstrumentSpec:
    temperature = {"id": "temperature", "unit": "°C", "address": 4, "type": "float32", "order": "CDAB"}
    level = {"id": "level", "unit": "m", "address": 6, "type": "int16", "scale": 0.001}
    points = tuple(ModbusPoint.model_validate({"table": "input", **keys}) for keys in (temperature, level))
    return InstrumentSpec(
        id=f"meter-{address}", line=line, protocol="modbus", profile=None, address=address, every_s=1.0,
        timeout_s=1.0, points=points, options=ModbusOptions.model_validate(options),
    )  # fmt: skip


async def ask_tcp(line: LineSpec, unit: int, pdu: str) -> bytes:
    """The reply PDU of one Modbus TCP request."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(line.host, line.port)
        body = bytes([unit]) + bytes.fromhex(pdu)
        writer.write(b"\x12\x34\0\0" + len(body).to_bytes(2) + body)
        header = await reader.readexactly(7)
        reply = await reader.readexactly(int.from_bytes(header[4:6]) - 1)
        writer.close()
        await writer.wait_closed()
    assert header[:4] == b"\x12\x34\0\0"
    assert header[6] == unit
    return reply


async def ask_rtu(path: str, unit: int, pdu: str, length: int) -> tuple[bytes, float]:
    """`length` bytes of answer to one RTU request, and the seconds from the request to the last of them."""
    loop = asyncio.get_running_loop()
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port, termios.TCSANOW)
    got, whole = bytearray(), loop.create_future()

    def readable() -> None:
        got.extend(os.read(port, 512))
        if len(got) >= length and not whole.done():
            whole.set_result(loop.time())

    loop.add_reader(port, readable)
    try:
        body = bytes([unit]) + bytes.fromhex(pdu)
        start = loop.time()
        os.write(port, body + crc16(body).to_bytes(2, "little"))
        async with asyncio.timeout(10):
            took_s = await whole - start
        return bytes(got), took_s
    finally:
        loop.remove_reader(port)
        os.close(port)


def decoded(pdu: bytes) -> tuple[float, int]:
    """The meter's two values from its reply to `04 0004 0003`."""
    low, high, level = struct.unpack(">HHh", pdu[2:8])
    return struct.unpack(">f", struct.pack(">HH", high, low))[0], level


async def test_a_tcp_line_is_served_on_loopback_and_the_truth_is_what_was_served() -> None:
    truth = Truth()
    lines = {"plc": LineSpec(name="plc", kind="tcp", host="192.0.2.1", port=502)}
    async with simulate(lines, [meter("plc", 1), meter("plc", 2)], seed=4, truth=truth) as moved:
        assert moved["plc"].host == "127.0.0.1"
        first, second = [decoded(await ask_tcp(moved["plc"], unit, "04 0004 0003")) for unit in (1, 2)]
    assert first != second
    for unit, (temperature, level) in ((1, first), (2, second)):
        [(ts_ms, served)] = truth.served(f"meter-{unit}", "temperature")
        assert served == pytest.approx(temperature, rel=1e-7)
        assert truth.between(f"meter-{unit}", "level", ts_ms, ts_ms) == [level / 1000]


async def test_a_unit_that_is_not_there_stays_silent_and_its_neighbour_answers() -> None:
    lines = {"plc": LineSpec(name="plc", kind="tcp", host="192.0.2.1", port=502)}
    async with simulate(lines, [meter("plc", 2)], think_s=0) as moved:
        reader, writer = await asyncio.open_connection(moved["plc"].host, moved["plc"].port)
        for unit in (9, 2):
            writer.write(bytes.fromhex(f"00{unit:02x} 0000 0006 {unit:02x} 04 0004 0003"))
        async with asyncio.timeout(10):
            assert (await reader.readexactly(2)) == b"\x00\x02"
        writer.close()
        await writer.wait_closed()


async def test_a_serial_line_takes_its_wire_time_and_hardly_more() -> None:
    lines = [LineSpec(name="bus", kind="serial", path="/dev/ttyUSB9", baudrate=9600)]
    async with simulate(lines, [meter("bus", 7)], think_s=0.0) as moved:
        path = moved["bus"].path
        assert path is not None
        assert path.startswith("/dev/")
        answers = [await ask_rtu(path, 7, "04 0004 0003", 11) for _ in range(5)]
    wire_s = (8 + 3.5 + 11) * 10 / 9600
    assert all(crc16(frame) == 0 and frame[:3] == b"\x07\x04\x06" for frame, _ in answers)
    assert min(took_s for _, took_s in answers) >= wire_s - 0.001
    # one of five on time is enough on a busy machine
    assert min(took_s for _, took_s in answers) < 1.5 * wire_s


async def test_closing_a_site_frees_its_ports_and_lets_readers_notice() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    lines = [
        LineSpec(name="bus", kind="serial", path="/dev/ttyUSB9"),
        LineSpec(name="plc", kind="tcp", host="192.0.2.1", port=502),
        LineSpec(name="udp", kind="udp", host="192.0.2.1", port=502),
    ]
    async with simulate(lines, [meter("bus", 7)]) as moved:
        path = moved["bus"].path
        assert path is not None
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    assert os.read(port, 1) == b""
    os.close(port)
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_a_protocol_that_nothing_simulates_is_named() -> None:
    spec = meter("bus", 7).model_copy(update={"protocol": "morse"})
    with pytest.raises(LookupError, match="meter-7: no simulator speaks morse"):
        async with simulate([LineSpec(name="bus", kind="serial", path="/dev/ttyUSB9")], [spec]):
            pass


def _zero(t_s: float) -> Value:
    return 0


def _normal(t_s: float) -> Flag:
    return Flag.NORMAL


@pytest.mark.parametrize(
    ("rule", "condition", "register", "status"),
    [
        ({"table": "holding", "address": 9, "codes": {0: "N", 1: "C"}}, Flag.NORMAL, 3, 0),
        ({"table": "holding", "address": 9, "codes": {0: "N", 1: "C"}}, Flag.CALIBRATION, 3, 1),
        ({"table": "holding", "address": 9, "codes": {2: "N"}, "other": "D", "mask": 0xFF00}, Flag.NORMAL, 3, 0x0200),
        ({"table": "discrete", "address": 9, "flag": "C"}, Flag.CALIBRATION, 2, 1),
        ({"table": "discrete", "address": 9, "flag": "C"}, Flag.NORMAL, 2, 0),
        ({"table": "discrete", "address": 9, "flag": "D", "when": False}, Flag.NORMAL, 2, 1),
        ({"table": "input", "address": 9, "bit": 4, "flag": "D"}, Flag.FAULT, 4, 16),
    ],
)
def test_status_registers_say_the_condition(rule: dict[str, Any], condition: Flag, register: int, status: int) -> None:
    spec = meter("l", 1, flags=[rule])
    unit = ModbusInstrument(spec, Behaviour((_zero, _zero), lambda t_s: condition))
    assert unit.tables[register][9] == status


def test_registers_that_must_not_be_read_are_refused_and_odd_reads_too() -> None:
    spec = meter("l", 1, forbidden=[{"table": "input", "address": 6}], even_start=True, registers_per_request=2)
    unit = ModbusInstrument(spec, Behaviour((_zero, _zero), _normal))
    assert unit.answer(bytes.fromhex("04 0004 0002"))[0] == 4
    assert unit.answer(bytes.fromhex("04 0006 0001")) == b"\x84\x02"
    assert unit.answer(bytes.fromhex("04 0005 0001")) == b"\x84\x02"
    assert unit.answer(bytes.fromhex("04 0004 0003")) == b"\x84\x03"


def test_a_written_register_keeps_what_was_written() -> None:
    now = time.time()
    point = ModbusPoint.model_validate({"id": "set", "table": "holding", "address": 0, "type": "uint16"})
    spec = meter("l", 1).model_copy(update={"points": (point,)})
    unit = ModbusInstrument(spec, Behaviour((_zero,), _normal), now=lambda: now)
    assert unit.answer(bytes.fromhex("06 0000 0007")) == bytes.fromhex("06 0000 0007")
    now += 60
    assert unit.answer(bytes.fromhex("03 0000 0001")) == bytes.fromhex("03 02 0007")


def test_values_are_renewed_only_with_the_instruments_own_cycle() -> None:
    now = 1000.0
    spec = meter("l", 1).model_copy(
        update={"points": (ModbusPoint.model_validate({"id": "n", "table": "input", "address": 0, "type": "uint32"}),)}
    )
    unit = ModbusInstrument(spec, Behaviour((lambda t_s: int(t_s * 10),), _normal), now=lambda: now, update_s=1.0)
    seen = []
    for step in (0.0, 0.4, 0.5, 0.2, -500.0):
        now += step
        seen.append(int.from_bytes(unit.answer(bytes.fromhex("04 0000 0002"))[2:]))
    assert seen == [10000, 10000, 10000, 10011, 5011]
