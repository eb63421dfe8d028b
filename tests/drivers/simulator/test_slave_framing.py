"""The slave's half of the framings: whole frames only, whatever surrounds them, byte by byte."""

import pytest

from drivers.simulator.slave_framing import FRAMINGS, AsciiFraming, Question, RtuFraming, TcpFraming

# TUF-2000F manual p. 21: read registers 1-10
RTU_READ = bytes.fromhex("01 03 00 00 00 0A C5 CD")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_a_slave_frames_is_found_byte_by_byte(framing: str) -> None:
    pdus = [bytes.fromhex(text) for text in ("0300000001", "1000010002 04 000A0102", "0f0013000a02cd01", "2b0e0100")]
    sender, receiver = FRAMINGS[framing](), FRAMINGS[framing]()
    stream = b"".join(sender.frame(17, pdu, tag) for tag, pdu in enumerate(pdus))
    found = [question for byte in stream for question in receiver.questions(bytes([byte]))]
    assert [(question.unit, question.pdu) for question in found] == [(17, pdu) for pdu in pdus]
    assert [question.tag for question in found] == ([0, 1, 2, 3] if framing == "tcp" else [0] * 4)


def test_rtu_finds_a_request_behind_noise() -> None:
    for noise in (b"\x00", b"\xff\x03", b"\x01\x03\x00\x00", b"\xfe" * 40):
        framing = RtuFraming()
        assert list(framing.questions(noise + RTU_READ)) == [Question(1, RTU_READ[1:-2])]


BEGUN = bytes.fromhex("01 10 00 00 00 7B F6")  # a write of 123 registers that never comes


def test_silence_ends_what_noise_began() -> None:
    framing = RtuFraming()
    assert list(framing.questions(BEGUN)) == []
    framing.forget()
    assert [list(framing.questions(bytes([byte]))) for byte in RTU_READ][-1] == [Question(1, RTU_READ[1:-2])]


@pytest.mark.parametrize("pieces", [1, 2, len(RTU_READ)])
def test_a_whole_request_is_heard_whatever_another_protocol_has_begun(pieces: int) -> None:
    framing = RtuFraming()
    assert list(framing.questions(BEGUN)) == []
    size = len(RTU_READ) // pieces
    found = [one for at in range(0, len(RTU_READ), size) for one in framing.questions(RTU_READ[at : at + size])]
    assert found == [Question(1, RTU_READ[1:-2])]
    assert list(framing.questions(RTU_READ)) == [Question(1, RTU_READ[1:-2])]  # and nothing is left of the other


def test_rtu_ignores_a_request_with_a_wrong_crc() -> None:
    framing = RtuFraming()
    for at in range(len(RTU_READ)):
        broken = bytearray(RTU_READ)
        broken[at] ^= 0x10
        assert list(framing.questions(bytes(broken))) == []
        framing.forget()
    assert list(framing.questions(RTU_READ)) == [Question(1, RTU_READ[1:-2])]


def test_ascii_needs_its_checksum() -> None:
    framing = AsciiFraming()
    # Modbus over serial line V1.02: LRC is the two's complement of the sum of the bytes
    assert list(framing.questions(b":010300000001FB\r\n")) == [Question(1, bytes.fromhex("0300000001"))]
    assert list(framing.questions(b":010300000001FC\r\n:zz\r\n:\r\n")) == []


def test_tcp_refuses_what_is_no_header() -> None:
    for header in ("0001 0001 0006 01", "0001 0000 0001 01", "0001 0000 FFFF 01"):
        with pytest.raises(ValueError, match="no Modbus TCP header"):
            list(TcpFraming().questions(bytes.fromhex(header)))
