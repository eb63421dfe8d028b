"""The driver on a line played by hand: every expected value or its reason, by no more exchanges than needed."""

import asyncio
import struct
from collections.abc import Hashable
from typing import Any

import pytest

from drivers.contract import Flag, Request, Whole
from drivers.errors import BadReply, FieldError, LineDown, NoReply
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.modbus.wire import Wire
from drivers.modbus.writing import WriteRefused
from drivers.profile import InstrumentSpec, LineSpec
from tests.fakes.rows import Rows

TCP = LineSpec(name="l", kind="tcp", host="192.0.2.1", port=502, in_flight=4)
TIMEOUT = "timeout: no answer in 1.0 s"


class Instrument(Rows):
    """A line with one Modbus TCP unit on it: registers and coils in a dict, faults by hand."""

    def __init__(self, in_flight: int = 1) -> None:
        self.name, self.in_flight, self.generation = "l", in_flight, 1
        self.registers = {address: address * 3 for address in range(1000)}
        self.coils = dict.fromkeys(range(1000), False)
        self.refuses: dict[int, int] = {}
        """Address -> exception code."""
        self.fails: FieldError | None = None
        self.fails_at: set[int] = set()
        """First addresses of reads that bring `fails`."""
        self.asked: list[tuple[int, int, int]] = []
        self.under_way = self.most_under_way = 0

    def ready_at(self, unit: Hashable) -> float:
        return 0.0

    async def exchange(self, request: Request) -> bytes:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        unit, function, address, count = struct.unpack(">BBHH", request.frame[6:12])
        self.asked.append((function, address, count))
        if self.fails is not None and (not self.fails_at or address in self.fails_at):
            raise self.fails
        pdu = self.answer(function, address, count, request.frame[12:])
        verdict = request.receive(b"\0\0\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu)
        assert isinstance(verdict, Whole)
        return verdict.payload

    def answer(self, function: int, address: int, count: int, rest: bytes) -> bytes:
        if function in (5, 6):
            (self.coils if function == 5 else self.registers)[address] = bool(count) if function == 5 else count
            return struct.pack(">BHH", function, address, count)
        for cell in range(address, address + count):
            if cell in self.refuses:
                return bytes([function | 0x80, self.refuses[cell]])
        if function == 16:
            for at in range(count):
                self.registers[address + at] = int.from_bytes(rest[1 + 2 * at : 3 + 2 * at], "big")
            return struct.pack(">BHH", function, address, count)
        if function in (1, 2):
            bits = sum(self.coils[address + at] << at for at in range(count))
            data = bits.to_bytes((count + 7) // 8, "little")
        else:
            data = b"".join(self.registers[address + at].to_bytes(2, "big") for at in range(count))
        return bytes([function, len(data)]) + data


def point(name: str, address: int, kind: str | None = "uint16", table: str = "holding", **keys: Any) -> ModbusPoint:
    return ModbusPoint.model_validate({"id": name, "table": table, "address": address, "type": kind} | keys)


def driver(line: Instrument, points: list[ModbusPoint], **options: Any) -> ModbusDriver:
    spec = InstrumentSpec(
        id="i", line="l", protocol="modbus", profile=None, address=7, every_s=1, timeout_s=1.0, points=tuple(points),
        options=ModbusOptions.model_validate(options),
    )  # fmt: skip
    return ModbusDriver(spec, line, TCP)


SPREAD = [point("a", 0), point("b", 100), point("c", 200), point("d", 300)]


async def test_values_come_in_the_order_of_the_points_whatever_the_plan() -> None:
    line = Instrument()
    made = driver(line, [point("z", 200), point("c", 4, None, "coil"), point("a", 0), point("b", 1, scale=0.1)])
    sample = await made.poll()
    assert made.points == ("z", "c", "a", "b")
    assert (sample.values, sample.flags, sample.why, sample.result) == ((600, False, 0, 0.3), {}, {}, "ok")
    assert line.asked == [(1, 4, 1), (3, 0, 2), (3, 200, 1)]


async def test_first_silence_ends_the_poll_and_gives_the_rest_the_same_reason() -> None:
    line = Instrument()
    line.fails, line.fails_at = NoReply("no answer in 1.0 s"), {100}
    sample = await driver(line, SPREAD).poll()
    assert sample.values == (0, None, None, None)
    assert sample.flags == dict.fromkeys((1, 2, 3), Flag.COMMUNICATION)
    assert sample.why == dict.fromkeys((1, 2, 3), TIMEOUT)
    assert sample.result == "timeout"
    assert len(line.asked) == 2


@pytest.mark.parametrize(
    ("error", "result"), [(LineDown("no port"), "line"), (BadReply("CRC"), "crc"), (NoReply("no answer"), "timeout")]
)
async def test_result_is_the_class_of_what_went_wrong(error: FieldError, result: str) -> None:
    line = Instrument()
    line.fails = error
    sample = await driver(line, SPREAD).poll()
    assert sample.result == result
    assert set(sample.why.values()) == {error.why}
    assert len(line.asked) == 1


async def test_gateway_that_tells_of_a_silent_unit_counts_as_silence() -> None:
    line = Instrument()
    line.refuses = {0: 11}
    sample = await driver(line, SPREAD).poll()
    assert sample.result == "timeout"
    assert set(sample.why.values()) == {"exception: 11 gateway target device failed to respond"}
    assert len(line.asked) == 1


async def test_busy_instrument_loses_this_block_in_this_poll_only() -> None:
    line = Instrument()
    made = driver(line, SPREAD)
    line.refuses = {100: 6}
    sample = await made.poll()
    assert (sample.values, sample.result) == ((0, None, 600, 900), "exception")
    assert sample.why == {1: "exception: 6 server device busy"}
    line.refuses = {}
    assert (await made.poll()).values == (0, 300, 600, 900)


async def test_refused_register_is_found_in_the_same_poll_and_left_out_after() -> None:
    line = Instrument()
    line.refuses = {5: 2}
    made = driver(line, [point(f"p{at}", at) for at in range(10)])
    sample = await made.poll()
    assert sample.values == (0, 3, 6, 9, 12, None, 18, 21, 24, 27)
    assert sample.why == {5: "excluded: holding 5 answered exception: 2 illegal data address"}
    assert sample.flags == {5: Flag.COMMUNICATION}
    line.asked.clear()
    assert await made.poll() == sample
    assert line.asked == [(3, 0, 5), (3, 6, 4)]
    assert made.excluded == {"p5": "excluded: holding 5 answered exception: 2 illegal data address"}


async def test_excluded_register_comes_back_after_reconnection_or_on_command() -> None:
    for again in ("generation", "command"):
        line = Instrument()
        line.refuses = {5: 2}
        made = driver(line, [point(f"p{at}", at) for at in range(10)])
        await made.poll()
        line.refuses = {}
        assert (await made.poll()).values[5] is None
        if again == "generation":
            line.generation += 1
        else:
            made.retry_excluded()
        assert (await made.poll()).values == tuple(range(0, 30, 3))
        line.asked.clear()
        assert (await made.poll()).values == tuple(range(0, 30, 3))
        assert line.asked == [(3, 0, 10)]


async def test_extra_reads_of_one_poll_are_bounded() -> None:
    line = Instrument()
    line.refuses = dict.fromkeys(range(0, 100, 2), 2)
    made = driver(line, [point(f"p{at}", at) for at in range(100)], response="50ms")
    counts = []
    for _ in range(40):
        line.asked.clear()
        await made.poll()
        counts.append(len(line.asked))
    assert counts[0] <= 1 + 0.5 / 0.05 + 2
    assert all(later <= max(counts[:at]) + 10 for at, later in enumerate(counts) if at)
    assert (await made.poll()).values == tuple(None if at % 2 == 0 else at * 3 for at in range(100))


async def test_numbered_line_has_several_requests_under_way_up_to_the_limit() -> None:
    line = Instrument(in_flight=4)
    points = [point(f"p{at}", at * 50) for at in range(10)]
    assert (await driver(line, points).poll()).values == tuple(at * 150 for at in range(10))
    assert line.most_under_way == 4
    line.most_under_way = 0
    await driver(line, points, in_flight=2).poll()
    assert line.most_under_way == 2


async def test_silence_on_a_numbered_line_ends_the_poll_after_what_is_under_way() -> None:
    line = Instrument(in_flight=2)
    line.fails, line.fails_at = NoReply("no answer in 1.0 s"), {100}
    sample = await driver(line, SPREAD).poll()
    assert sample.values == (0, None, None, None)
    assert len(line.asked) == 2


async def test_error_that_is_no_field_error_is_not_swallowed() -> None:
    class Broken(Instrument):
        async def exchange(self, request: Request) -> bytes:
            raise ZeroDivisionError

    for in_flight in (1, 4):
        with pytest.raises(ZeroDivisionError):
            await driver(Broken(in_flight), SPREAD).poll()


async def test_status_is_not_in_the_feed_but_its_flags_are() -> None:
    line = Instrument()
    line.coils[15] = True
    rule = {"table": "discrete", "address": 15, "flag": "D", "why": "invalid concentration", "points": ["a"]}
    sample = await driver(line, [point("a", 1), point("b", 2)], flags=[rule]).poll()
    assert (sample.values, sample.flags) == ((3, 6), {0: Flag.FAULT})
    assert sample.why == {0: "status: invalid concentration"}


async def test_read_asks_only_for_what_it_needs_and_its_status() -> None:
    line = Instrument()
    rule = {"table": "discrete", "address": 15, "flag": "D", "points": ["c"]}
    made = driver(line, [*SPREAD, point("bad", 301, range=(0, 1))], flags=[rule])
    found = await made.read(["c", "bad"])
    assert found == {"c": (600, Flag.NORMAL, ""), "bad": (903, Flag.OUT_OF_RANGE, "range: 903 is above 1")}
    assert [function for function, _, _ in line.asked] == [2, 3, 3]


class TestWrite:
    points = (
        point("speed", 10, "uint16", scale=0.1, writable=[0, 50]),
        point("level", 20, "float32", order="CDAB", writable=[-5, 5]),
        point("pump", 4, None, "coil", writable=True),
        point("mode", 30, states={0: "manual", 1: "automatic"}, writable=[0, 1]),
        point("fixed", 40),
        point("digits", 50, "bcd16", writable=[0, 9999]),
    )

    @pytest.mark.parametrize(
        ("name", "value", "asked", "registers"),
        [
            ("speed", 23.1, (6, 10, 231), {10: 231}),
            ("level", 1.1, (16, 20, 2), {20: 0xCCCD, 21: 0x3F8C}),
            ("mode", "automatic", (6, 30, 1), {30: 1}),
            ("digits", 1234, (6, 50, 0x1234), {50: 0x1234}),
        ],
    )
    async def test_write_is_read_back(
        self, name: str, value: Any, asked: tuple[int, int, int], registers: dict[int, int]
    ) -> None:
        line = Instrument()
        assert await driver(line, list(self.points)).write(name, value) == value
        assert line.asked[0] == asked
        assert {address: line.registers[address] for address in registers} == registers

    async def test_coil_is_written_by_function_5_or_15(self) -> None:
        line = Instrument()
        assert await driver(line, list(self.points)).write("pump", True) is True
        assert line.asked[0] == (5, 4, 0xFF00)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("fixed", 1, "fixed is not writable"),
            ("speed", 50.1, "may be written from 0 to 50, not 50.1"),
            ("speed", -0.1, "may be written from 0 to 50"),
            ("speed", 0.15, "lies between two values"),
            ("speed", float("nan"), "takes a number"),
            ("speed", True, "takes a number"),
            ("speed", "5", "takes a number"),
            ("pump", 1, "takes true or false"),
            ("mode", "off", "takes manual, automatic"),
        ],
    )
    async def test_what_may_not_be_written_sends_nothing(self, name: str, value: Any, words: str) -> None:
        line = Instrument()
        with pytest.raises(WriteRefused, match=words):
            await driver(line, list(self.points)).write(name, value)
        assert not line.asked

    async def test_instrument_that_keeps_another_value_is_told(self) -> None:
        line = Instrument()
        made = driver(line, list(self.points))
        usual = line.answer

        def limited(function: int, address: int, count: int, rest: bytes) -> bytes:
            pdu = usual(function, address, count, rest)
            line.registers[10] = min(line.registers[10], 200)
            return pdu

        line.answer = limited  # type: ignore[method-assign]
        with pytest.raises(BadReply, match=r"23.1 was written to speed, but it reads 20.0") as bad:
            await made.write("speed", 23.1)
        assert bad.value.fault == "readback"


class TestMeasuredResponse:
    """On a serial line a gap is worth reading as long as it takes less time than another request."""

    SERIAL = LineSpec(name="l", kind="serial", path="/dev/bus", baudrate=9600, framing="tcp")
    POINTS = (point("a", 0), point("b", 17))

    def driven(self, line: Instrument, thinks_s: float | None, **options: Any) -> ModbusDriver:
        line.response_s = {7: thinks_s} if thinks_s is not None else {}  # type: ignore[attr-defined]
        spec = InstrumentSpec(
            id="i", line="l", protocol="modbus", profile=None, address=7, every_s=1, timeout_s=1.0, points=self.POINTS,
            options=ModbusOptions.model_validate(options),
        )  # fmt: skip
        return ModbusDriver(spec, line, self.SERIAL)

    async def reads(self, line: Instrument, made: ModbusDriver, polls: int) -> list[int]:
        counts = []
        for _ in range(polls):
            line.asked.clear()
            assert (await made.poll()).values == (0, 51)
            counts.append(len(line.asked))
        return counts

    async def test_quick_unit_is_asked_in_two_reads_once_that_is_known(self) -> None:
        line = Instrument()
        made = self.driven(line, 0.001)
        assert await self.reads(line, made, 20) == [1] * 16 + [2] * 4
        assert [block.count for block in made.plan.blocks] == [1, 1]

    async def test_usual_unit_keeps_its_plan(self) -> None:
        for thinks_s in (0.015, None):
            line = Instrument()
            assert await self.reads(line, self.driven(line, thinks_s), 20) == [1] * 20

    async def test_profile_that_knows_the_time_is_believed(self) -> None:
        line = Instrument()
        assert await self.reads(line, self.driven(line, 0.001, response="20ms"), 20) == [1] * 20

    async def test_what_was_learnt_of_refused_registers_is_kept(self) -> None:
        line = Instrument()
        line.refuses = {5: 2}  # lies in the gap
        made = self.driven(line, 0.2)
        await made.poll()
        assert await self.reads(line, made, 20) == [2] * 20

    async def test_unit_too_slow_for_its_plan_is_asked_for_less_at_once(self) -> None:
        line = Instrument()
        line.response_s = {7: 0.7}  # type: ignore[attr-defined]
        points = tuple(point(f"p{at}", at) for at in range(100))
        spec = InstrumentSpec(
            id="i", line="l", protocol="modbus", profile=None, address=7, every_s=1, timeout_s=1.0, points=points,
            options=ModbusOptions(),
        )  # fmt: skip
        made = ModbusDriver(spec, line, self.SERIAL)
        for _ in range(17):
            assert (await made.poll()).values == tuple(range(0, 300, 3))
        wire = Wire.of(self.SERIAL)
        assert all(wire.reply_s(block.data_bytes, 0.7) < 1.0 for block in made.plan.blocks)
        assert len(made.plan.blocks) > 1
