"""Function 43/14: the standard's worked example, byte by byte, in both framings."""

import pytest

from drivers.contract import Whole
from drivers.errors import BadReply, Refused
from drivers.modbus.codec import Framing
from drivers.modbus.crc import crc16
from drivers.modbus.identity import objects, request

# V1.1b3 §6.21, "Basic device identification"
EXAMPLE = (
    bytes.fromhex("2b 0e 01 01 00 00 03 00 16") + b"Company identification" + b"\x01\x0f" + b"Product code XX"
    + b"\x02\x05" + b"V2.11"
)  # fmt: skip


def framed(pdu: bytes, framing: Framing, unit: int = 7) -> bytes:
    body = bytes([unit]) + pdu
    if framing == "rtu":
        return body + crc16(body).to_bytes(2, "little")
    return b"\0\0\0\0" + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_example_of_the_standard_is_whole_at_its_last_byte_and_not_before(framing: Framing) -> None:
    asked = request(7, framing, 1.0)
    assert asked is not None
    assert framed(bytes.fromhex("2b 0e 01 00"), framing) == asked.frame
    answer = framed(EXAMPLE, framing)
    assert all(asked.receive(answer[:upto]) is None for upto in range(len(answer)))
    whole = asked.receive(answer)
    assert isinstance(whole, Whole)
    assert objects(whole.payload) == {
        "maker": "Company identification", "model": "Product code XX", "revision": "V2.11",
    }  # fmt: skip


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_what_is_no_identity_is_no_identity(framing: Framing) -> None:
    asked = request(7, framing, 1.0)
    assert asked is not None
    with pytest.raises(Refused):
        asked.receive(framed(b"\xab\x01", framing))
    with pytest.raises(BadReply):
        asked.receive(framed(EXAMPLE, framing, unit=8))
    if framing == "rtu":
        with pytest.raises(BadReply, match="CRC"):
            asked.receive(framed(EXAMPLE, framing)[:-1] + b"\0")


def test_cut_and_binary_objects_are_left_out() -> None:
    assert objects(EXAMPLE[:20]) == {"maker": "Company ide"}
    assert objects(bytes.fromhex("2b 0e 01 01 00 00 01 00 02 01 02")) == {}
    assert request(7, "ascii", 1.0) is None
