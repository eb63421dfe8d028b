"""Values into registers, by worked examples and by a decoder that is as plain as can be."""

import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Value
from drivers.modbus import words
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.simulator.registers import put, served

OPTIONS = ModbusOptions()


def point(**keys: Any) -> ModbusPoint:
    return ModbusPoint.model_validate({"id": "p", "table": "holding", "address": 0, **keys})


def written(value: Value, **keys: Any) -> str:
    memory: dict[int, dict[int, int]] = {}
    put(memory, point(**keys), value, OPTIONS)
    return " ".join(f"{word:04X}" for _, word in sorted(memory[3].items()))


@pytest.mark.parametrize(
    ("order", "registers"),
    [("ABCD", "4148 0000"), ("CDAB", "0000 4148"), ("BADC", "4841 0000"), ("DCBA", "0000 4841")],
)
def test_four_orders_of_twelve_and_a_half(order: str, registers: str) -> None:
    assert written(12.5, type="float32", order=order) == registers


@pytest.mark.parametrize(
    ("value", "keys", "registers"),
    [
        (79.1382, {"type": "float32"}, "429E 46C2"),  # IQ SensorNet manual p. 120
        (53.6, {"type": "uint16", "scale": 0.1}, "0218"),  # SM7901: 01 03 02 02 18 B9 2E
        (-2, {"type": "int16"}, "FFFE"),
        (-2, {"type": "int16", "order": "BA"}, "FEFF"),
        (-2, {"type": "int32"}, "FFFF FFFE"),
        (1 << 40, {"type": "uint64", "order": "GHEFCDAB"}, "0000 0000 0100 0000"),
        (1.0, {"type": "float64", "order": "HGFEDCBA"}, "0000 0000 0000 F03F"),
        (1.5, {"type": "float16"}, "3E00"),
        (1234, {"type": "bcd16"}, "1234"),
        (12345678, {"type": "bcd32", "order": "CDAB"}, "5678 1234"),
        ("AL2", {"type": "string", "length": 3}, "414C 3200 0000"),
        ("AL2", {"type": "string", "length": 2, "order": "BA"}, "4C41 0032"),
        (True, {"type": "bits", "bit": 3}, "0008"),
        (0xC0, {"type": "uint16", "mask": 0xFF00}, "C000"),
        ("automatic", {"type": "uint16", "states": {0: "manual", 7: "automatic"}}, "0007"),
        (2.2, {"type": "float32", "scale": 1000}, "3B10 2DE0"),  # 0.0022 kPa in the register
        (None, {"type": "uint16", "invalid": (65535,)}, "FFFF"),
        (1e9, {"type": "uint16"}, "FFFF"),
        (-1e9, {"type": "int16"}, "8000"),
    ],
)
def test_one_worked_value_of_each_type(value: Value, keys: dict[str, Any], registers: str) -> None:
    assert written(value, **keys) == registers


def test_missing_float_is_not_a_number() -> None:
    assert math.isnan(struct.unpack(">f", bytes.fromhex(written(None, type="float32")))[0])


def test_two_points_share_a_register() -> None:
    memory: dict[int, dict[int, int]] = {3: {0: 0xFFFF}}
    put(memory, point(type="uint16", mask=0x00FF), 0x12, OPTIONS)
    put(memory, point(type="uint16", mask=0xFF00), 0x34, OPTIONS)
    put(memory, point(type="bits", bit=0), True, OPTIONS)
    assert memory[3][0] == 0x3413


def test_registers_lie_where_the_instruments_function_reads_them() -> None:
    memory: dict[int, dict[int, int]] = {}
    options = ModbusOptions.model_validate({"functions": {"input": 3}})
    put(memory, point(table="input", address=9, type="uint16"), 5, options)
    put(memory, point(table="discrete", address=2), True, options)
    assert memory == {3: {9: 5}, 2: {2: 1}}


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from([1.0, 0.1, 0.01, 10.0, 0.001]), st.integers(-50, 50))
def test_what_is_served_of_an_integer_has_no_binary_noise(raw: int, scale: float, offset: int) -> None:
    keys = {"type": "int32", "scale": scale, "offset": float(offset)}
    value = served(point(**keys), raw * scale + offset)
    assert isinstance(value, int | float)
    exponent = {1.0: 0, 0.1: 1, 0.01: 2, 10.0: -1, 0.001: 3}[scale]
    decimal = f"{raw}e{-exponent}"
    if offset == 0:
        assert value == float(decimal)
    assert int(written(value, **keys).replace(" ", ""), 16) == raw % 2**32


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_what_is_served_of_a_float32_is_its_shortest_text(value: float) -> None:
    shown = served(point(type="float32"), value)
    assert isinstance(shown, float)
    assert struct.pack(">f", shown) == struct.pack(">f", value) or value == 0
    assert len(repr(shown)) <= len(repr(value))


def test_ppb_on_the_wire_is_what_the_conversion_says() -> None:
    so2 = point(type="float32", reads="ppb", unit="mg/m3", molar_mass=64.0)
    memory: dict[int, dict[int, int]] = {}
    put(memory, so2, 100.0, OPTIONS)
    ppb = struct.unpack(">f", bytes.fromhex("".join(f"{word:04X}" for _, word in sorted(memory[3].items()))))[0]
    assert ppb == pytest.approx(35_000)  # 100 mg/m3 x 22.4 / 64 ppm


NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bcd16": st.integers(0, 9999),
    "bcd32": st.integers(0, 99_999_999),
    "float16": st.floats(allow_nan=False, allow_infinity=False, width=16),
    "float32": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
}


@given(
    st.sampled_from(sorted(NUMBERS)).flatmap(lambda kind: st.tuples(st.just(kind), NUMBERS[kind])),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.sampled_from([1.0, 0.1, 0.001, 10.0, 2.5]),
    st.sampled_from([0.0, -40.0, 0.5]),
)
def test_a_driver_reads_what_is_served(number: tuple[str, float], order: str, scale: float, offset: float) -> None:
    kind, raw = number
    if kind == "float64":
        scale, offset = 1.0, 0.0  # beyond this, double precision has more than one right answer
    one = point(type=kind, order=order, scale=scale, offset=offset)
    exact = Fraction(raw) * Fraction(repr(scale)) + Fraction(repr(offset))
    value = int(exact) if exact.denominator == 1 else float(exact)
    memory: dict[int, dict[int, int]] = {}
    try:
        put(memory, one, value, OPTIONS)
    except OverflowError:
        return  # a scaled float beyond every float
    payload = b"".join(word.to_bytes(2) for _, word in sorted(memory[3].items()))
    (read,), marks = words.decoder([(0, one)], "holding", 0, "ABCD").decode(payload)
    expected = served(one, value)
    assert not marks
    if isinstance(expected, int):
        assert read == expected
    else:
        assert read == pytest.approx(expected, rel=1e-15, abs=1e-15 * (abs(raw) * scale + abs(offset)))
