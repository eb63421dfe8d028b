"""Messages in a stream: found, checked, and the same whether they come whole or byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.contract import Skip, Whole
from drivers.errors import BadReply
from drivers.text.codec import Framing, body, computed, sealed
from drivers.text.source import Checksum, TextOptions

NMEA = Checksum(kind="nmea")
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A"


def options(**more: object) -> TextOptions:
    return TextOptions.model_validate({"messages": [{"request": "?", "pattern": ".*"}], **more})


def messages(framing: Framing, data: bytes, step: int) -> list[bytes]:
    """What is found when the data comes in pieces of `step` bytes."""
    held, found = bytearray(), []
    for at in range(0, len(data), step):
        held += data[at : at + step]
        while held and (verdict := framing.cut(held)) is not None:
            if isinstance(verdict, Whole):
                found.append(verdict.payload)
                assert 0 < verdict.end <= len(held)
                del held[: verdict.end]
            else:
                assert 0 < verdict.upto <= len(held)
                del held[: verdict.upto]
    return found


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("xor", b"31"), ("sum", b"DD"), ("negative_sum", b"23"), ("crc16", b"4B37"), ("crc16_ccitt", b"29B1")],
)
def test_checksums_of_the_usual_check_text(kind: str, wanted: bytes) -> None:
    """ "123456789": CRC-16/MODBUS 4B37, CRC-16/CCITT-FALSE 29B1; xor, and sum 0x1DD, by hand."""
    assert computed(b"123456789", Checksum.model_validate({"kind": kind})) == wanted


def test_crc16_of_nothing_and_of_one_byte_is_what_the_definition_says() -> None:
    assert computed(b"", Checksum(kind="crc16")) == b"FFFF"
    assert computed(b"\x00", Checksum(kind="crc16")) == b"40BF"


def test_nmea_sentence_passes_and_every_single_changed_byte_is_refused() -> None:
    assert body(RMC, NMEA, "ascii").startswith("GPRMC,123519,A")
    for at in range(1, len(RMC)):
        changed = RMC[:at] + bytes([RMC[at] ^ 1]) + RMC[at + 1 :]
        with pytest.raises(BadReply):
            body(changed, NMEA, "ascii")


def test_checksum_stands_where_the_settings_say() -> None:
    """STX, text, one byte left out, binary CRC low byte first, one byte behind."""
    checksum = Checksum(kind="crc16", form="binary", low_first=True, first=1, between=1, behind=1)
    seal = computed(b"12.5", checksum)
    assert body(b"\x0212.5\x03" + seal + b"\x04", checksum, "latin-1") == "12.5"
    with pytest.raises(BadReply, match="should be"):
        body(b"\x0212.6\x03" + seal + b"\x04", checksum, "latin-1")
    with pytest.raises(BadReply, match="too short"):
        body(b"\x02", checksum, "latin-1")


def test_request_is_sealed_where_its_checksum_stands() -> None:
    assert sealed(b"$PMTK000*{checksum}\r\n", NMEA) == b"$PMTK000*32\r\n"
    assert sealed(b"\x02RD{checksum}\r", Checksum(kind="sum", first=1)) == b"\x02RD96\r"
    assert sealed(b"PLAIN\r", None) == b"PLAIN\r"


def test_bytes_that_are_no_text_are_refused_by_name() -> None:
    with pytest.raises(BadReply, match="no ascii text: ff fe") as caught:
        body(b"\xff\xfe", None, "ascii")
    assert caught.value.fault == "noise"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_message_cut_off_before_the_next_one_is_dropped_and_not_joined(step: int) -> None:
    framing = Framing(options(begins="$", ends="\r\n"))
    stream = b"xx$GPRMC,1235" + RMC + b"\r\n" + b"noise$" + RMC + b"\r\n"
    assert messages(framing, stream, step) == [RMC, RMC]


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_fixed_length_and_begin(step: int) -> None:
    framing = Framing(options(begins="\x02", length=5))
    assert messages(framing, b"zz\x02abcd\x02efgh\x02i", step) == [b"\x02abcd", b"\x02efgh"]


def test_input_without_an_end_is_bounded() -> None:
    framing = Framing(options(longest=64))
    held = bytearray()
    for _ in range(10_000):
        held += b"7"
        while isinstance(verdict := framing.cut(held), Skip):
            del held[: verdict.upto]
        assert len(held) <= 64 + 2


@given(st.binary(max_size=200), st.sampled_from([1, 3, 200]))
def test_garbage_gives_the_same_messages_in_any_pieces(data: bytes, step: int) -> None:
    for more in ({}, {"begins": "$"}, {"ends": "#"}, {"begins": "ab", "ends": "ba", "longest": 8}):
        framing = Framing(options(**more))
        assert messages(framing, data, step) == messages(framing, data, 1)


@given(st.binary(max_size=120), st.sampled_from(["xor", "sum", "negative_sum", "crc16", "crc16_ccitt", "nmea"]))
def test_garbage_ends_only_in_bad_reply(data: bytes, kind: str) -> None:
    for form in ("hex", "binary"):
        checksum = Checksum.model_validate({"kind": kind, "form": form, "first": 1, "behind": 1})
        try:
            body(data, checksum, "gb18030")
        except BadReply:
            continue


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ends": "\r", "length": 5}, "exclude each other"),
        ({"messages": [{"pattern": "("}]}, "no regular expression"),
        ({"messages": [{"pattern": "a"}, {"pattern": "b", "request": "?"}]}, "none has"),
        ({"messages": [{"pattern": "a"}], "length": 5}, "need `begins` or `checksum`"),
        ({"messages": [{"pattern": "a", "request": "Ω"}]}, "cannot be written in ascii"),
        ({"keep": "last"}, "speak unasked"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(more: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(**more)
