"""Registers as values: every type and order against a second, slow and obvious implementation."""

import math
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.contract import Flag, Value
from drivers.modbus.lane import Marks
from drivers.modbus.source import ModbusPoint, spellings
from drivers.modbus.words import decoder

NUMBERS = {
    "int16": ">h", "uint16": ">H", "float16": ">e", "int32": ">i", "uint32": ">I", "float32": ">f",
    "int64": ">q", "uint64": ">Q", "float64": ">d",
}  # fmt: skip


def point(**keys: Any) -> ModbusPoint:
    return ModbusPoint.model_validate({"id": "x", "table": "holding", "address": 0, **keys})


def decode(points: list[ModbusPoint], payload: bytes, order: str = "ABCD") -> tuple[list[Value], Marks]:
    """Values and marks in the order of the points."""
    made = decoder(list(enumerate(points)), points[0].table, 0, order)
    found, marks = made.decode(payload)
    values: list[Value] = [None] * len(points)
    for at, value in zip(made.members, found, strict=True):
        values[at] = value
    return values, {made.members[at]: mark for at, mark in marks.items()}


def one(payload: str | bytes, **keys: Any) -> tuple[Value, tuple[Flag, str] | None]:
    data = bytes.fromhex(payload) if isinstance(payload, str) else payload
    values, marks = decode([point(**keys)], data)
    return values[0], marks.get(0)


def on_the_wire(natural: bytes, order: str) -> bytes:
    """Big-endian bytes rearranged letter by letter, as the spelling of the order says."""
    words = {"AB": "ABCD", "BA": "BADC"}.get(order, order)
    if len(words) == 8 or len(natural) == 2:
        letters = words[: len(natural)] if len(natural) == 8 else {"ABCD": "AB", "CDAB": "AB"}.get(words, "BA")
        return bytes(natural["ABCDEFGH".index(letter)] for letter in letters)
    pairs = [natural[at : at + 2] for at in range(0, len(natural), 2)]
    if words in ("CDAB", "DCBA"):
        pairs.reverse()
    return b"".join(pair[::-1] if words in ("BADC", "DCBA") else pair for pair in pairs)


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "41 44 F5 C3"), ("CDAB", "F5 C3 41 44"), ("BADC", "44 41 C3 F5"), ("DCBA", "C3 F5 44 41")],
)
def test_float_of_the_docstring_is_the_same_in_every_order(order: str, wire: str) -> None:
    assert one(wire, type="float32", order=order) == (12.31, None)


def test_turbidity_of_the_ysi_manual() -> None:
    assert one("42 9E 46 C2", type="float32") == (79.1382, None)


def test_noise_of_the_sonbest_manual_has_no_binary_noise() -> None:
    assert one("02 18", type="uint16", scale=0.1) == (53.6, None)


@pytest.mark.parametrize("kind", NUMBERS)
@given(data=st.data())
def test_numbers_in_every_order_are_what_struct_says(kind: str, data: st.DataObject) -> None:
    size = struct.calcsize(NUMBERS[kind])
    order = data.draw(st.sampled_from(spellings(kind, size // 2)))
    natural = data.draw(st.binary(min_size=size, max_size=size))
    value, mark = one(on_the_wire(natural, order), type=kind, order=order)
    wanted = struct.unpack(NUMBERS[kind], natural)[0]
    if not math.isfinite(wanted):
        assert value is None
        assert mark is not None
        assert mark[0] is Flag.FAULT
        return
    assert mark is None
    assert struct.pack(NUMBERS[kind], value) == natural  # -0.0 included
    assert type(value) is type(wanted)


@given(st.binary(min_size=250, max_size=250), st.data())
def test_block_of_mixed_points_is_each_point_alone(payload: bytes, data: st.DataObject) -> None:
    kinds = ["int16", "uint16", "int32", "float32", "float64", "uint64", "bits", "bool", "float16", "bcd16"]
    points = []
    for number in range(data.draw(st.integers(1, 30))):
        kind = data.draw(st.sampled_from(kinds))
        keys: dict[str, Any] = {"id": f"p{number}", "type": kind, "address": data.draw(st.integers(0, 120))}
        if kind in ("int16", "uint16", "int32", "float32"):
            keys["scale"] = data.draw(st.sampled_from([1, 0.1, 10, 0.25]))
            keys["range"] = data.draw(st.sampled_from([None, (-100, 100)]))
        keys["order"] = data.draw(st.sampled_from([None, "ABCD", "CDAB", "BADC", "DCBA"]))
        points.append(point(**keys))
    order = data.draw(st.sampled_from(["ABCD", "CDAB"]))
    values, marks = decode(points, payload, order)
    for at, each in enumerate(points):
        alone = each.model_copy(update={"address": 0})
        cells = payload[2 * each.address :][: 2 * each.count]
        value, mark = decode([alone], cells, order)
        assert (repr(value[0]), mark.get(0)) == (repr(values[at]), marks.get(at))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=62))
@example([1e7, 1.5])
@example([16777216.0, 0.5])
@example([3.4028234663852886e38, 0.1])
@example([1.401298464324817e-45, -0.0])
@example([2.0**-96, 0.25])
def test_float32_is_the_shortest_text_of_its_bytes(numbers: list[float]) -> None:
    points = [point(id=f"p{at}", address=2 * at, type="float32") for at in range(len(numbers))]
    payload = struct.pack(f">{len(numbers)}f", *numbers)
    made = decoder(list(enumerate(points)), "holding", 0, "ABCD")
    for _ in range(2):  # what is remembered of the first must not change the second
        values, marks = made.decode(payload)
        assert not marks
        assert struct.pack(f">{len(numbers)}f", *values) == payload
        for value in values:
            assert isinstance(value, float)
            assert digits(value) <= shortest_by_trying(value)


def digits(value: float) -> int:
    """Significant digits of the shortest text."""
    mantissa = repr(abs(value)).split("e")[0].replace(".", "").strip("0")
    return len(mantissa) or 1


def shortest_by_trying(value: float) -> int:
    """Fewest digits of any decimal, rounded to nearest or to one beside it, that is the same float32."""
    wanted = struct.pack(">f", value)
    exact = struct.unpack(">f", wanted)[0]
    for count in range(1, 10):
        text = f"{abs(exact):.{count - 1}e}"
        mantissa, exponent = text.split("e")
        middle = int(mantissa.replace(".", ""))
        for number in (middle - 1, middle, middle + 1):
            candidate = math.copysign(float(f"{max(number, 0)}e{int(exponent) - count + 1}"), exact)
            try:
                if struct.pack(">f", candidate) == wanted:
                    return count
            except OverflowError:
                continue
    raise AssertionError(value)


@pytest.mark.parametrize(
    ("payload", "keys", "value"),
    [
        ("00 E7", {"type": "uint16", "scale": 0.1}, 23.1),
        ("FF 19", {"type": "int16", "scale": 0.1}, -23.1),
        ("00 64", {"type": "uint16", "scale": 0.01, "offset": -40}, -39.0),
        ("00 07", {"type": "uint16", "scale": 0.1, "offset": 0.3}, 1.0),
        ("00 03", {"type": "uint16", "scale": 10}, 30),
        ("00 03", {"type": "uint16", "offset": -5}, -2),
        ("00 01 86 A0", {"type": "uint32", "scale": 0.001}, 100.0),
        ("FF FF FF FF FF FF FF FF", {"type": "uint64"}, 18446744073709551615),
        ("FF FF FF FF FF FF FF FF", {"type": "uint64", "scale": 10}, 184467440737095516150),
        ("FF FF FF FF FF FF FF FE", {"type": "uint64", "scale": 0.5}, 9223372036854775807),
        ("00 00 00 00 00 00 00 E7", {"type": "uint64", "scale": 0.1}, 23.1),
        ("7F FF FF FF FF FF FF FF", {"type": "int64"}, 9223372036854775807),
        ("3E 99 99 9A", {"type": "float32", "scale": 0.1}, 0.03),
        ("41 44 F5 C3", {"type": "float32", "scale": 0.001, "offset": 1}, 1.01231),
        ("12 34", {"type": "bcd16"}, 1234),
        ("12 34 56 78", {"type": "bcd32", "scale": 0.01}, 123456.78),
        ("56 78 12 34", {"type": "bcd32", "order": "CDAB"}, 12345678),
        ("34 12", {"type": "bcd16", "order": "BA"}, 1234),
        ("2E 66", {"type": "float16"}, 0.1),
        ("80 00 00 00", {"type": "float32"}, -0.0),
        ("A1 02", {"type": "uint16", "mask": 0x00FF}, 2),
        ("A1 02", {"type": "uint16", "mask": 0xFF00}, 0xA1),
        ("A1 02", {"type": "bits"}, 0xA102),
        ("00 01 00 02", {"type": "bits", "length": 2}, 0x10002),
        ("00 01 00 02 00 03", {"type": "bits", "length": 3}, 0x100020003),
        ("00 08", {"bit": 3}, True),
        ("FF F7", {"bit": 3}, False),
        ("00 02", {"type": "bool"}, True),
        ("00 01", {"type": "uint16", "states": {0: "off", 1: "on"}}, "on"),
        ("41 42 43 20 00 00", {"type": "string", "length": 3}, "ABC"),
        ("42 41 20 43", {"type": "string", "length": 2, "order": "BA"}, "ABC"),
        ("C2 B5 67 00", {"type": "string", "length": 2}, "µg"),
        ("01 F4", {"type": "uint16", "reads": "ppb", "unit": "mg/m3", "molar_mass": 64}, 500 * 64 / 22.4 / 1000),
        ("00 D4", {"type": "uint16", "reads": "°F", "unit": "°C"}, 100.0),
        ("03 E8", {"type": "uint16", "scale": 0.1, "reads": "mbar", "unit": "kPa"}, 10.0),
    ],
)
def test_value_is_exactly_what_it_stands_for(payload: str, keys: dict[str, Any], value: Value) -> None:
    found, mark = one(payload, **keys)
    assert (repr(found), mark) == (repr(value), None)


@given(st.integers(0, 65535), st.integers(-9999, 9999), st.integers(0, 4), st.integers(-999, 999))
def test_scaled_integer_is_the_decimal_that_arithmetic_on_paper_gives(
    raw: int, mantissa: int, decimals: int, offset: int
) -> None:
    from fractions import Fraction

    scale = mantissa / 10**decimals
    if scale == 0:
        return
    found, _ = one(raw.to_bytes(2, "big"), type="uint16", scale=scale, offset=offset / 10)
    assert found == float(Fraction(raw) * Fraction(mantissa, 10**decimals) + Fraction(offset, 10))


@pytest.mark.parametrize(
    ("payload", "keys", "why"),
    [
        ("7F C0 00 00", {"type": "float32"}, "invalid: not a number"),
        ("FF FF FF FF", {"type": "float32", "scale": 2}, "invalid: not a number"),
        ("FF 80 00 00", {"type": "float32"}, "invalid: infinite"),
        ("7F F0 00 00 00 00 00 00", {"type": "float64"}, "invalid: infinite"),
        ("7C 00", {"type": "float16"}, "invalid: infinite"),
        ("80 00", {"type": "uint16", "invalid": [0x8000], "scale": 0.1}, "invalid: 32768 is the instrument's mark"),
        ("80 00", {"type": "int16", "invalid": [-32768]}, "invalid: -32768 is the instrument's mark"),
        ("C6 1C 3F 9A", {"type": "float32", "invalid": [-9999.9]}, "invalid: -9999.9 is the instrument's mark"),
        ("FF FF FF FF FF FF FF FF", {"type": "uint64", "invalid": [2**64 - 1]}, "invalid: 18446744073709551615 is"),
        ("99 99", {"type": "bcd16", "invalid": [9999]}, "invalid: 9999 is the instrument's mark"),
        ("12 3A", {"type": "bcd16"}, "invalid: BCD digits 123a"),
        ("FF FE 00 00", {"type": "string", "length": 2}, "invalid: no text: ff fe 00 00"),
        ("41 00 42 00", {"type": "string", "length": 2}, "invalid: no text: 41 00 42 00"),
        ("00 07", {"type": "uint16", "states": {0: "off", 1: "on"}}, "invalid: code 7 is none of 0, 1"),
    ],
)
def test_what_is_no_value_is_null_with_flag_d(payload: str, keys: dict[str, Any], why: str) -> None:
    value, mark = one(payload, **keys)
    assert value is None
    assert mark is not None
    assert mark[0] is Flag.FAULT
    assert mark[1].startswith(why)


@pytest.mark.parametrize("kind", ["uint16", "int16", "float32"])
def test_value_beyond_its_range_is_kept_and_flagged(kind: str) -> None:
    payload = {"uint16": "01 F5", "int16": "01 F5", "float32": "43 FA 80 00"}[kind]
    value, mark = one(payload, type=kind, range=(0, 500), unit="mg/m3")
    assert (value, mark) == (501, (Flag.OUT_OF_RANGE, "range: 501 is above 500 mg/m3"))
    assert one(payload, type=kind, range=(0, 501)) == (501, None)
    assert one(payload, type=kind, range=(502, 600), below="F") == (501, (Flag.STOPPED, "range: 501 is below 502"))


def test_bad_value_spoils_none_of_its_neighbours() -> None:
    points = [point(id=f"p{at}", address=2 * at, type="float32", range=(0, 10)) for at in range(4)]
    payload = struct.pack(">4f", 1.1, math.nan, 11.5, 0.25)
    values, marks = decode(points, payload)
    assert values == [1.1, None, 11.5, 0.25]
    assert {at: flag for at, (flag, _) in marks.items()} == {1: Flag.FAULT, 2: Flag.OUT_OF_RANGE}


def test_bits_of_one_register_and_the_register_itself() -> None:
    points = [point(id=f"b{bit}", address=1, bit=bit) for bit in range(16)]
    points += [point(id="all", address=1, type="uint16"), point(id="wide", address=0, type="uint32")]
    values, marks = decode(points, bytes.fromhex("00 01 A5 5A"))
    assert values == [bool(0xA55A >> bit & 1) for bit in range(16)] + [0xA55A, 0x1A55A]
    assert not marks


def test_coils_of_the_standard_are_bools() -> None:
    """Modbus Application Protocol V1.1b3 §6.1: coils 20 to 38 as CD 6B 05."""
    made = decoder([(at, point(id=f"c{at}", table="coil", address=19 + at)) for at in range(19)], "coil", 19, "ABCD")
    values, marks = made.decode(bytes.fromhex("CD 6B 05"))
    assert "".join("01"[bool(value)] for value in values) == "1011001111010110101"
    assert all(type(value) is bool for value in values)
    assert not marks


def test_conversion_without_a_unit_is_refused_when_the_decoder_is_built() -> None:
    with pytest.raises(ValueError, match="x reads ppb but has no unit"):
        one("00 00", type="uint16", reads="ppb")
