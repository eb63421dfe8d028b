"""Frames built and answers checked, with the worked examples of the standard and of instruments' manuals."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Request, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.modbus import codec, rtu
from drivers.modbus.ask import EXCEPTIONS
from drivers.modbus.crc import crc16, lrc

TIMING = codec.Timing(1.0)
FRAMINGS: tuple[codec.Framing, ...] = ("tcp", "rtu", "ascii")


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def wire(unit: int, pdu: bytes, framing: codec.Framing) -> bytes:
    """An answer as an instrument sends it, built without the code under test (bitwise CRC)."""
    body = bytes([unit]) + pdu
    if framing == "tcp":
        return b"\0\0\0\0" + len(body).to_bytes(2, "big") + body
    if framing == "ascii":
        return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"
    return body + bitwise_crc(body).to_bytes(2, "little")


def bitwise_crc(data: bytes) -> int:
    """CRC-16 exactly as the appendix of the serial line standard describes it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def events(request: Request, chunks: Iterator[bytes]) -> tuple[list[Skip], object]:
    """What a line sees: skips on the way and the end of the exchange, None if the input ran out."""
    held, skips = bytearray(), []
    for chunk in chunks:
        held += chunk
        while held:
            try:
                verdict = request.receive(held)
            except (BadReply, Refused) as error:
                return skips, (type(error), error.detail)
            if isinstance(verdict, Whole):
                return skips, verdict.payload
            if verdict is None:
                break
            assert 0 < verdict.upto <= len(held)
            skips.append(verdict)
            del held[: verdict.upto]
    return skips, None


def outcome(request: Request, data: bytes) -> tuple[list[Skip], object]:
    """The end of an exchange, which must be the same for any cutting of the input."""
    at_once = events(request, iter([data]))
    by_byte = events(request, (data[at : at + 1] for at in range(len(data))))
    assert by_byte[1] == at_once[1]
    assert sum(skip.upto for skip in by_byte[0]) >= sum(skip.upto for skip in at_once[0] if at_once[1] is not None)
    return at_once


def asking(ask: codec.Ask, framing: codec.Framing) -> Request:
    return codec.request(ask, framing, TIMING)


@pytest.mark.parametrize(
    ("ask", "frame"),
    [
        # TUF-2000F manual page 21: read registers 1 to 10
        (codec.read(1, 3, 0, 10), "01 03 00 00 00 0A C5 CD"),
        # SONBEST SM7901: noise level
        (codec.read(1, 3, 0, 1), "01 03 00 00 00 01 84 0A"),
        # Modbus Application Protocol V1.1b3 §6.1, 6.3, 6.5, 6.6, 6.11, 6.12; the PDUs are the standard's
        (codec.read(1, 1, 0x13, 19), "01 01 00 13 00 13 8C 02"),
        (codec.read(1, 3, 0x6B, 3), "01 03 00 6B 00 03 74 17"),
        (codec.write_coils(1, 0xAC, [True]), "01 05 00 AC FF 00 4C 1B"),
        (codec.write_registers(1, 1, b"\x00\x03"), "01 06 00 01 00 03 98 0B"),
    ],
)
def test_request_is_the_frame_of_the_manual(ask: codec.Ask, frame: str) -> None:
    assert codec.frame(ask, "rtu") == hexed(frame)
    assert codec.frame(ask, "tcp") == hexed("00 00 00 00 00 06") + hexed(frame)[:-2]


def test_multiple_writes_are_those_of_the_standard() -> None:
    bits = [bool(0xCD >> n & 1) for n in range(8)] + [True, False]
    assert codec.frame(codec.write_coils(1, 0x13, bits), "rtu")[1:-2] == hexed("0F 00 13 00 0A 02 CD 01")
    ask = codec.write_registers(1, 1, hexed("00 0A 01 02"))
    assert codec.frame(ask, "rtu")[1:-2] == hexed("10 00 01 00 02 04 00 0A 01 02")
    assert outcome(asking(ask, "rtu"), wire(1, hexed("10 00 01 00 02"), "rtu")) == ([], b"")


def test_ascii_request_ends_with_lrc_and_line_feed() -> None:
    assert codec.frame(codec.read(1, 3, 0, 10), "ascii") == b":01030000000AF2\r\n"


def test_noise_level_of_the_manual_is_received() -> None:
    assert outcome(asking(codec.read(1, 3, 0, 1), "rtu"), hexed("01 03 02 02 18 B9 2E")) == ([], hexed("02 18"))


@given(st.binary(min_size=2, max_size=600))
def test_checksums_are_those_of_the_standard(data: bytes) -> None:
    assert crc16(data) == bitwise_crc(data)
    assert crc16(data + crc16(data).to_bytes(2, "little")) == 0
    assert (sum(data) + lrc(data)) & 0xFF == 0


@pytest.mark.parametrize("framing", FRAMINGS)
class TestAnswer:
    ask = codec.read(7, 3, 100, 2)
    right = hexed("03 04 42 9E 46 C2")

    def test_right_answer_is_its_payload(self, framing: codec.Framing) -> None:
        request = asking(self.ask, framing)
        answer = wire(7, self.right, framing)
        assert outcome(request, answer) == ([], hexed("42 9E 46 C2"))
        assert request.reply_bytes == len(answer)

    @pytest.mark.parametrize("code", range(256))
    def test_exception_is_refused_with_its_code(self, framing: codec.Framing, code: int) -> None:
        with pytest.raises(Refused) as refused:
            asking(self.ask, framing).receive(wire(7, bytes([0x83, code]), framing))
        assert refused.value.code == code
        assert refused.value.why == f"exception: {code} {EXCEPTIONS.get(code, 'unknown')}"

    @pytest.mark.parametrize(
        ("pdu", "fault"),
        [
            ("04 04 42 9E 46 C2", "wrong_function"),
            ("06 00 64 00 02", "wrong_function"),
            ("84 02", "wrong_function"),
            ("03 02 42 9E", "wrong_count"),
            ("03 06 42 9E 46 C2 00 00", "wrong_count"),
            ("03 03 42 9E 46", "wrong_count"),
            ("03 00", "wrong_count"),
        ],
    )
    def test_what_is_not_the_answer_is_a_bad_reply(self, framing: codec.Framing, pdu: str, fault: str) -> None:
        request = asking(self.ask, framing)
        with pytest.raises(BadReply) as bad:
            request.receive(wire(7, hexed(pdu), framing))
        assert bad.value.fault == fault
        assert outcome(request, wire(7, hexed(pdu), framing))[1] == (BadReply, bad.value.detail)

    def test_frame_of_another_unit_is_skipped_and_named(self, framing: codec.Framing) -> None:
        other = wire(8, self.right, framing)
        data = other + wire(7, self.right, framing)
        assert outcome(asking(self.ask, framing), data) == (
            [Skip(len(other), "wrong_unit", 8)],
            hexed("42 9E 46 C2"),
        )

    def test_noise_before_the_answer_is_skipped(self, framing: codec.Framing) -> None:
        for noise in (b"\xff", b"\x07", b"\x07\x03", b"\x00\x55\xaa", b"\xfe" * 40):
            skips, end = outcome(asking(self.ask, framing), noise + wire(7, self.right, framing))
            if framing == "tcp" and end is None:
                continue  # what looks like a header is waited for: on TCP the line starts anew
            assert end == hexed("42 9E 46 C2")
            assert sum(skip.upto for skip in skips) == len(noise)
            assert {skip.fault for skip in skips} == {"noise"}

    def test_every_flipped_bit_is_noticed(self, framing: codec.Framing) -> None:
        answer = wire(7, self.right, framing)
        first = 2 if framing == "tcp" else 0  # the line compares the transaction id
        last = 9 if framing == "tcp" else len(answer)  # Modbus TCP leaves the data to TCP's checksum
        for at in range(first, last):
            for bit in range(8):
                broken = bytearray(answer)
                broken[at] ^= 1 << bit
                end = outcome(asking(self.ask, framing), bytes(broken))[1]
                if framing == "ascii" and end is not None and bytes(broken).upper() == answer:
                    continue  # a hex digit in lower case
                assert not isinstance(end, bytes), (at, bit)

    @given(data=st.data())
    def test_any_cutting_of_any_input_ends_the_same(self, framing: codec.Framing, data: st.DataObject) -> None:
        part = st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                [wire(7, self.right, framing), wire(8, self.right, framing), wire(7, b"\x83\x02", framing)]
            ),
            st.sampled_from([wire(7, self.right, framing)[:-1], wire(7, b"\x03\x02\x01\x02", framing)]),
            st.just(codec.frame(self.ask, framing)),
        )
        outcome(asking(self.ask, framing), b"".join(data.draw(st.lists(part, max_size=5))))


def test_wrong_crc_ends_the_exchange_and_says_both() -> None:
    with pytest.raises(BadReply, match="CRC 2EB8 received, 2EB9 is right"):
        asking(codec.read(1, 3, 0, 1), "rtu").receive(hexed("01 03 02 02 18 B8 2E"))


def test_echo_before_the_answer_is_named() -> None:
    ask = codec.read(1, 3, 0, 1)
    for framing in ("rtu", "ascii"):
        echo = codec.frame(ask, framing)
        skips, end = outcome(asking(ask, framing), echo + wire(1, hexed("03 02 02 18"), framing))
        assert (skips, end) == ([Skip(len(echo), "echo")], hexed("02 18"))


def test_answer_inside_the_data_of_a_longer_answer_is_not_taken() -> None:
    """The data of a right reply hold a whole exception frame of the same unit; it must not end the exchange."""
    inner = wire(1, b"\x83\x02", "rtu") + b"\x00"
    pdu = bytes([3, len(inner)]) + inner
    assert outcome(asking(codec.read(1, 3, 0, 3), "rtu"), wire(1, pdu, "rtu")) == ([], inner)


def test_babble_does_not_fill_the_memory() -> None:
    for framing in FRAMINGS:
        request = asking(codec.read(1, 3, 0, 1), framing)
        skips, end = outcome(request, b"\xff\xfe\xfd" * 2000)
        assert end is None
        assert 6000 - sum(skip.upto for skip in skips) <= 600


def test_babble_does_not_take_the_time_of_other_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checksum for every place, at every byte that comes in, would take longer than the bytes do on the wire."""
    sums: list[int] = []

    def counting(data: bytes) -> int:
        sums.append(len(data))
        return crc16(data)

    monkeypatch.setattr(rtu, "crc16", counting)
    request = asking(codec.read(1, 3, 0, 10), "rtu")
    babble = random.Random(1).randbytes(500)
    assert all(request.receive(babble[:size]) is None for size in range(1, 500))
    assert len(sums) < 499 * 500 / 2 * 0.05


@pytest.mark.parametrize(
    ("ask", "pdu"),
    [
        (codec.write_registers(1, 1, b"\x00\x03"), "06 00 01 00 04"),
        (codec.write_registers(1, 1, b"\x00\x03"), "06 00 02 00 03"),
        (codec.write_coils(1, 0xAC, [True]), "05 00 AC 00 00"),
        (codec.write_registers(1, 1, b"\x00\x03\x00\x04"), "10 00 01 00 01"),
    ],
)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_write_answered_with_another_address_or_value_is_bad(ask: codec.Ask, pdu: str, framing: codec.Framing) -> None:
    with pytest.raises(BadReply) as bad:
        asking(ask, framing).receive(wire(1, hexed(pdu), framing))
    assert bad.value.fault == "wrong_echo"


class TestTags:
    tags = codec.mbap.MbapTags()

    def test_stamp_puts_the_number_in_front(self) -> None:
        assert self.tags.stamp(codec.frame(codec.read(1, 3, 0, 10), "tcp"), 0x1234)[:4] == hexed("12 34 00 00")

    def test_split_finds_frames_one_after_another(self) -> None:
        two = hexed("12 34 00 00 00 03 01 83 02") + hexed("12 35 00 00 00 05 01 03 02 00 07")
        assert self.tags.split(two) == (9, 0x1234)
        assert self.tags.split(two[9:]) == (11, 0x1235)
        assert all(self.tags.split(two[:size]) is None for size in range(9))

    @pytest.mark.parametrize(
        "header",
        ["00 01 00 01 00 06", "00 01 00 00 00 00", "00 01 00 00 00 01", "00 01 00 00 FF FF", "00 01 01 00 00 06"],
    )
    def test_impossible_header_is_noise(self, header: str) -> None:
        found = self.tags.split(hexed(header) + bytes(20))
        assert isinstance(found, Skip)
        assert found.fault == "noise"
