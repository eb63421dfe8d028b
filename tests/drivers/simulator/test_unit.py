"""A unit's answers, by the worked examples of the Modbus Application Protocol V1.1b3 §6."""

import pytest

from drivers.simulator.unit import Memory, packed_bits, unpacked_bits


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def unit_of_the_standard() -> Memory:
    coils = dict(enumerate(unpacked_bits(hexed("CD 6B 05"), 19), 0x13))
    discrete = dict(enumerate(unpacked_bits(hexed("AC DB 35"), 22), 0xC4))
    return Memory(
        {
            1: coils | {0xAC: 0},
            2: discrete,
            3: {1: 0, 2: 0, 3: 0xFE, 4: 0xCD, 5: 1, 6: 3, 7: 0xD, 8: 0xFF, 0x6B: 0x22B, 0x6C: 0, 0x6D: 0x64},
            4: {8: 10},
        },
        identity={0: "Company identification", 1: "Product code XX", 2: "V2.11"},
    )


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("01 0013 0013", "01 03 CD 6B 05"),
        ("02 00C4 0016", "02 03 AC DB 35"),
        ("03 006B 0003", "03 06 022B 0000 0064"),
        ("04 0008 0001", "04 02 000A"),
        ("05 00AC FF00", "05 00AC FF00"),
        ("06 0001 0003", "06 0001 0003"),
        ("0F 0013 000A 02 CD01", "0F 0013 000A"),
        ("10 0001 0002 04 000A 0102", "10 0001 0002"),
        ("17 0003 0006 0006 0003 06 00FF 00FF 00FF", "17 0C 00FE 00CD 0001 00FF 00FF 00FF"),
    ],
)
def test_unit_answers_as_the_standard_shows(request_: str, response: str) -> None:
    assert unit_of_the_standard().answer(hexed(request_)).hex() == hexed(response).hex()


def test_mask_write_follows_the_formula_of_the_standard() -> None:
    unit = Memory({3: {4: 0x12}})
    assert unit.answer(hexed("16 0004 00F2 0025")) == hexed("16 0004 00F2 0025")
    assert unit.answer(hexed("03 0004 0001")) == hexed("03 02 0017")


def test_identity_names_the_maker() -> None:
    answer = unit_of_the_standard().answer(hexed("2B 0E 01 00"))
    assert answer.startswith(hexed("2B 0E 01 01 00 00 03 00 16") + b"Company identification")
    assert answer.endswith(b"\x02\x05V2.11")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("14 0000", 1),
        ("2B 0D 01 00", 1),
        ("04 0007 0001", 2),
        ("04 0008 0002", 2),
        ("06 0009 0003", 2),
        ("03 0001 0000", 3),
        ("03 0001 007E", 3),
        ("01 0013 07D1", 3),
        ("05 0013 1234", 3),
        ("10 0001 0002 03 000A 01", 3),
    ],
)
def test_unit_refuses_with_the_code_of_the_standard(request_: str, code: int) -> None:
    request = hexed(request_)
    assert unit_of_the_standard().answer(request) == bytes([request[0] | 0x80, code])


def test_a_refused_write_changes_nothing() -> None:
    unit = Memory({3: {0: 1, 1: 2}})
    assert unit.answer(hexed("10 0001 0002 04 000A 0102")) == hexed("90 02")
    assert unit.answer(hexed("03 0000 0002")) == hexed("03 04 0001 0002")


def test_bits_survive_packing() -> None:
    bits = (1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1)
    assert unpacked_bits(packed_bits(bits), len(bits)) == bits
