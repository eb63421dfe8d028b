"""HJ 212 frames and messages: the vectors pass, what is spoilt is refused by name, whole or byte by byte."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Skip, Whole
from drivers.errors import BadReply
from drivers.hj212 import sm4
from drivers.hj212.frame import Crc, Framing, check_digits, crc, framed
from drivers.hj212.message import parsed, split, written
from drivers.modbus.crc import crc16
from tests.drivers.hj212.vectors import MODBUS, RIGHT

FRAMES = [frame.encode() + b"\r\n" for frame in RIGHT]


def cut(
    data: bytes, kind: Crc = "hj212", step: int = 100_000, key: bytes | None = None
) -> tuple[list[bytes], list[str]]:
    """(DATA of every frame, faults) when the data comes in pieces of `step` bytes."""
    framing = Framing(kind, 4096, key)
    held, found, faults = bytearray(), [], []
    for at in range(0, len(data), step):
        held += data[at : at + step]
        while held and (verdict := framing.cut(held)) is not None:
            if isinstance(verdict, Whole):
                found.append(framing.opened(verdict.payload).data)
                del held[: verdict.end]
            else:
                assert 0 < verdict.upto <= len(held)
                faults += [verdict.fault] if verdict.fault else []
                del held[: verdict.upto]
        assert len(held) <= framing.longest + step
    return found, faults


def data_of(frame: str) -> bytes:
    return frame[6:-4].encode()


def test_crc_is_that_of_the_standard_in_both_of_its_forms() -> None:
    assert crc(b"123456789") == 0x2F80
    assert crc(b"") == 0xFFFF
    chance = random.Random(5)
    for _ in range(200):
        data = chance.randbytes(chance.randrange(60))
        register = 0xFFFF
        for byte in data:  # Annex A, word by word
            register = (register >> 8) ^ byte
            for _ in range(8):
                lowest = register & 1
                register >>= 1
                if lowest:
                    register ^= 0xA001
        assert crc(data) == register
    assert crc(b"123456789") != crc16(b"123456789")


@pytest.mark.parametrize("frame", RIGHT)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_vectors_pass(frame: str, step: int) -> None:
    assert cut(frame.encode() + b"\r\n", step=step) == ([data_of(frame)], [])


@pytest.mark.parametrize("frame", MODBUS)
def test_crc_of_modbus_passes_only_where_it_is_allowed(frame: str) -> None:
    data = frame.encode() + b"\r\n"
    assert cut(data)[0] == []
    assert "crc" in cut(data)[1]
    assert cut(data, "modbus") == ([data_of(frame)], [])
    assert cut(data, "either") == ([data_of(frame)], [])
    framing = Framing("either", 4096)
    assert framing.opened(data).oddities == ("modbus_crc",)
    assert [check_digits(data_of(one), "hj212") for one in MODBUS] == [b"C841", b"F9C1"]


@pytest.mark.parametrize("frame", RIGHT)
def test_frame_is_made_as_the_vectors_are(frame: str) -> None:
    assert framed(data_of(frame)) == frame.encode() + b"\r\n"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda frame: frame.replace(b"Rtd=28.6", b"Rtd=28.7"), "crc"),
        (lambda frame: frame[:100] + frame[101:], "broken"),
        (lambda frame: frame[:100] + b"\r\n" + frame[100:], "broken"),
        (lambda frame: b"##9999" + frame[6:], "length"),
        (lambda frame: b"##02x7" + frame[6:], "noise"),
        (lambda frame: frame[:-2] + b"xy", "broken"),
        (lambda frame: frame[:-6] + b"zzzz\r\n", "broken"),
    ],
)
@pytest.mark.parametrize("step", [1, 100_000])
def test_spoilt_frame_is_refused_by_name_and_the_next_one_found(spoil, fault: str, step: int) -> None:  # type: ignore[no-untyped-def]
    found, faults = cut(spoil(FRAMES[4]) + FRAMES[5], step=step)
    assert found == [data_of(RIGHT[5])]
    assert fault in faults


@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_stream_is_found_again_after_anything(step: int) -> None:
    chance = random.Random(3)
    stream = b"".join(
        chance.randbytes(9).replace(b"#", b"") + b"##" * chance.randrange(3) + frame for frame in FRAMES * 5
    )
    assert cut(stream, step=step)[0] == [data_of(frame) for frame in RIGHT * 5]


def test_frame_that_was_cut_off_keeps_nothing_waiting() -> None:
    """The next one is shorter than what is missing."""
    assert cut(FRAMES[4][:50] + b"\r\n" + FRAMES[0])[0] == [data_of(RIGHT[0])]


def test_frame_without_its_end_is_taken_when_the_next_begins() -> None:
    bare = RIGHT[4].encode()
    framing = Framing("hj212", 4096)
    assert framing.cut(bare) is None
    assert isinstance(framing.cut(bare + b"##"), Whole)
    assert framing.opened(bare).oddities == ("no_end",)


def test_lower_case_crc_is_accepted_and_counted() -> None:
    frame = RIGHT[2][:-4] + RIGHT[2][-4:].lower() + "\r\n"
    assert Framing("hj212", 4096).opened(frame.encode()).oddities == ("case",)


@given(st.binary(max_size=400), st.sampled_from([1, 5, 400]))
def test_garbage_gives_the_same_in_any_pieces(noise: bytes, step: int) -> None:
    stream = noise + FRAMES[3] + noise
    assert cut(stream, "either", step)[0] == cut(stream, "either", 1)[0]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_bad_reply(data: bytes) -> None:
    for area in (data, b"CN=1;MN=2;CP=&&" + data + b"&&", b"CN=1;MN=2;" + data + b"CP=&&a-Rtd=1&&"):
        try:
            parsed(area)
        except BadReply:
            continue


# -- messages -------------------------------------------------------------------------------------------


def items(area: str, head: str = "QN=1;ST=32;CN=2011;PW=1;MN=M;Flag=4;") -> tuple[dict[str, str], set[str], set[str]]:
    """(items that can be used, names that are doubtful, oddities) of one record."""
    message = parsed(f"{head}CP=&&{area}&&".encode())
    (record,) = message.records
    return (
        {name: text for name, text in record.items.items() if name not in record.doubtful},
        set(record.doubtful),
        set(message.oddities),
    )


RIGHT_ITEMS = {"DataTime": "20260706103000", "w01018-Rtd": "40.1", "w01018-Flag": "N", "w01001-Rtd": "7.1"}


@pytest.mark.parametrize(
    ("area", "odd"),
    [
        ("DataTime=20260706103000;w01018-Rtd=40.1,w01018-Flag=N;w01001-Rtd=7.1", set()),
        ("DataTime=20260706103000;w01018-Rtd=40.1;w01018-Flag=N;w01001-Rtd=7.1;", set()),
        (" DataTime=20260706103000; w01018-Rtd = 40.1, w01018-Flag=N;w01001-Rtd=7.1 ", {"spaces"}),
        ("DataTime=20260706103000;w01018-Rtd=40.1w01018-Flag=N;w01001-Rtd=7.1", {"comma"}),
        ("datatime=20260706103000;w01018-Rtd=40.1,w01018-Flag=N;w01001-Rtd=7.1", {"case"}),
    ],
)
def test_what_real_senders_write_is_understood_and_counted(area: str, odd: set[str]) -> None:
    assert items(area) == (RIGHT_ITEMS, set(), odd)


@pytest.mark.parametrize(
    ("area", "doubtful"),
    [
        ("w01001-Rtd=7,04;w01018-Rtd=1", {"w01001-Rtd"}),
        ("w01001-Rtd=7.1;w01001-Rtd=7.2", {"w01001-Rtd"}),
        ("w01001-Rtd=7.1,w01001-Flag=N;w01001-Flag=D", {"w01001-Flag"}),
    ],
)
def test_what_could_mean_two_things_is_doubtful(area: str, doubtful: set[str]) -> None:
    assert items(area)[1] == doubtful


def test_missing_comma_before_a_code_of_digits_is_not_guessed() -> None:
    """5.0101-Flag: 5.01 of 01, or 5.0 of 101?"""
    found, _, odd = items("01-Rtd=5.0101-Flag=N")
    assert found == {"01-Rtd": "5.0101-Flag=N"}
    assert odd == {"grammar"}


def test_text_between_slashes_may_hold_separators() -> None:
    assert items("i11001-Info=//valve 3; open, 90%//,i11001-Flag=N")[0] == {
        "i11001-Info": "//valve 3; open, 90%//",
        "i11001-Flag": "N",
    }


@pytest.mark.parametrize(
    ("head", "odd"),
    [
        ("MN=M;QN=1;ST=32;CN=2011;PW=1;Flag=4;", {"order"}),
        ("ST=32;CN=2011;PW=1;MN=M;", {"missing_field"}),
        ("qn=1;ST=32;cn=2011;PW=1;MN=M;FLAG=4;", {"case"}),
        ("QN=1;ST=32;CN=2011;PW=1;MN= M;Flag=4;X=1;", {"spaces", "unknown_field"}),
    ],
)
def test_heads_of_real_senders(head: str, odd: set[str]) -> None:
    assert items("a-Rtd=1", head)[2] == odd


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"QN=1;CN=2011;MN=M;CP=a-Rtd=1", "no CP"),
        (b"QN=1;CN=2011;CP=&&a-Rtd=1&&", "no MN"),
        (b"QN=1;MN=M;CP=&&a-Rtd=1&&", "no CN"),
        (b"CN=2011;MN=M;MN=N;CP=&&&&", "MN is M and N"),
    ],
)
def test_what_is_no_message_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(BadReply, match=said):
        parsed(data)


def test_several_times_in_one_message_are_several_records() -> None:
    message = parsed(b"CN=2061;MN=M;CP=&&DataTime=20260101000000;a-Avg=1;DataTime=20260101010000;a-Avg=2&&")
    assert [(record.time, record.items["a-Avg"]) for record in message.records] == [
        ("20260101000000", "1"),
        ("20260101010000", "2"),
    ]


def test_long_data_is_split_between_factors_and_each_part_says_its_time() -> None:
    groups = [[(f"w{number:05d}-Rtd", "1.5"), (f"w{number:05d}-Flag", "N")] for number in range(40)]
    areas = split(groups, "20260706103000", 200)
    assert all(len(area) <= 200 and area.startswith("DataTime=20260706103000;") for area in areas)
    back = [group for area in areas for group in area.split(";")[1:]]
    assert back == [",".join(f"{name}={text}" for name, text in group) for group in groups]
    with pytest.raises(ValueError, match="does not fit"):
        split(groups, "20260706103000", 40)


# -- SM4 (HJ 212-2025) ------------------------------------------------------------------------------------

KEY = b"0" * 16


def test_first_group_is_encrypted_as_computed_elsewhere() -> None:
    """ "DataTime=2024060" under sixteen 0x30 is 51d45d461a00cd12208e58cb32cb3adc."""
    hidden = sm4.hidden(b"QN=1;CP=&&DataTime=20240601&&", KEY)
    listed = ",".join(f"0x{byte:02X}" for byte in bytes.fromhex("51d45d461a00cd12208e58cb32cb3adc"))
    assert hidden == f"QN=1;CP=&&{{{listed}}}1&&".encode().replace(b"}1&&", b"}1&&")
    assert sm4.shown(hidden, KEY) == b"QN=1;CP=&&DataTime=20240601&&"


@given(st.text("abcDEF=;,.0123456789-", max_size=120))
def test_encrypted_data_reads_back_and_its_crc_is_that_of_the_plain_text(area: str) -> None:
    data = written({"QN": "1", "CN": "2011", "MN": "M"}, area)
    frame = framed(data, "hj212", KEY)
    assert frame[-6:-2] == check_digits(data, "hj212")
    assert cut(frame, key=KEY) == ([data], [])


def test_encrypted_frame_without_a_key_is_named_and_the_next_one_found() -> None:
    frame = framed(data_of(RIGHT[4]), "hj212", KEY)
    assert cut(frame + FRAMES[5]) == ([data_of(RIGHT[5])], ["encrypted"])


def test_wrong_key_is_a_wrong_crc() -> None:
    frame = framed(data_of(RIGHT[4]), "hj212", KEY)
    found, faults = cut(frame, key=b"1" * 16)
    assert found == []
    assert "crc" in faults


def test_skip_never_stands_still() -> None:
    framing = Framing("either", 64)
    for data in (b"#", b"##", b"###", b"##00", b"##0000", b"##0001a1234\r\n", b"\r\n", b"##9999"):
        verdict = framing.cut(data)
        assert verdict is None or not isinstance(verdict, Skip) or verdict.upto > 0
