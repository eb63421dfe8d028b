"""Recorded Modbus traffic answers reads that were never made, and never better than the line did then."""

import pytest

from drivers.contract import Request
from drivers.errors import FieldError, LineDown, NoReply, Refused
from drivers.line.transcript import Piece, read
from drivers.modbus import codec
from drivers.modbus.codec import Framing, Timing
from drivers.modbus.crc import crc16
from drivers.modbus.recorded import RecordedLine


def rtu(text: str) -> str:
    frame = bytes.fromhex(text)
    return (frame + crc16(frame).to_bytes(2, "little")).hex(" ")


def pieces(*lines: str) -> tuple[Piece, ...]:
    return read(f"{number}.0 {line}" for number, line in enumerate(lines)).pieces


def ask(unit: int, function: int, address: int, count: int, framing: Framing = "rtu") -> Request:
    return codec.request(codec.read(unit, function, address, count), framing, Timing(1.0))


async def answer(line: RecordedLine, upto: int, request: Request) -> bytes:
    line.show(0, upto)
    return await line.exchange(request)


async def test_one_read_is_put_together_from_several() -> None:
    recorded = pieces(
        f">> {rtu('01 03 0000 0002')}", f"<< {rtu('01 03 04 0001 0002')}",
        f">> {rtu('01 03 0002 0001')}", f"<< {rtu('01 03 02 0003')}",
    )  # fmt: skip
    line = RecordedLine("bus", recorded, "rtu")
    assert await answer(line, 4, ask(1, 3, 1, 2)) == bytes.fromhex("0002 0003")
    with pytest.raises(LineDown, match="no such request"):
        await line.exchange(ask(1, 3, 3, 1))
    with pytest.raises(LineDown, match="no such request"):
        await line.exchange(ask(2, 3, 1, 1))
    with pytest.raises(LineDown, match="no such request"):
        await line.exchange(ask(1, 4, 1, 1))


async def test_bits_keep_their_places() -> None:
    recorded = pieces(f">> {rtu('01 02 0000 000A')}", f"<< {rtu('01 02 02 05 02')}")
    line = RecordedLine("bus", recorded, "rtu")
    assert await answer(line, 2, ask(1, 2, 2, 8)) == bytes([0b1000_0001])


async def test_answer_that_came_after_the_poll_had_ended_is_no_answer() -> None:
    late = f"<< {rtu('01 03 02 0007')}"
    recorded = pieces(f">> {rtu('01 03 0000 0001')}", '== a {"values":{}}', late, f">> {rtu('01 03 0000 0001')}")
    line = RecordedLine("bus", recorded, "rtu")
    with pytest.raises(NoReply):
        await answer(line, 1, ask(1, 3, 0, 1))


async def test_wrong_crc_and_refusal_are_what_they_were() -> None:
    spoilt = bytearray.fromhex(rtu("01 03 02 0007"))
    spoilt[-1] ^= 1
    recorded = pieces(
        f">> {rtu('01 03 0000 0001')}", f"<< {spoilt.hex(' ')}",
        f">> {rtu('01 03 0005 0001')}", f"<< {rtu('01 83 02')}",
    )  # fmt: skip
    line = RecordedLine("bus", recorded, "rtu")
    line.show(0, 4)
    with pytest.raises(FieldError, match="CRC"):
        await line.exchange(ask(1, 3, 0, 1))
    with pytest.raises(Refused, match="illegal data address"):
        await line.exchange(ask(1, 3, 5, 1))


async def test_modbus_tcp_answers_are_matched_by_their_number_not_their_order() -> None:
    recorded = pieces(
        ">> 0001 0000 0006 01 03 0000 0001", ">> 0002 0000 0006 01 03 0001 0001",
        "<< 0002 0000 0005 01 03 02 00BB 0001 0000", "<< 0005 01 03 02 00AA",
    )  # fmt: skip
    line = RecordedLine("plc", recorded, "tcp")
    assert await answer(line, 4, ask(1, 3, 0, 2, "tcp")) == bytes.fromhex("00AA 00BB")
