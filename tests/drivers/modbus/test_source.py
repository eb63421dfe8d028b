"""The keys of points and options: what is taken, and what is refused in which words."""

from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from drivers import units
from drivers.modbus.source import ModbusOptions, ModbusPoint, from_modicon


@pytest.mark.parametrize(
    ("tag", "place"),
    [
        (40035, ("holding", 34)), (30001, ("input", 0)), (10016, ("discrete", 15)), (17, ("coil", 16)),
        ("00017", ("coil", 16)), ("000017", ("coil", 16)), ("010001", ("coil", 10000)), (9999, ("coil", 9998)),
        (400001, ("holding", 0)), (465536, ("holding", 65535)), (165536, ("discrete", 65535)),
        ("40001", ("holding", 0)),
    ],
)  # fmt: skip
def test_modicon_tag_is_table_and_wire_address(tag: int | str, place: tuple[str, int]) -> None:
    assert from_modicon(tag) == place


@pytest.mark.parametrize("tag", [0, 40000, 50001, 465537, 4000001, -1, "x", "4000", "４0001", ""])
def test_what_is_no_modicon_tag_is_refused(tag: int | str) -> None:
    with pytest.raises(ValueError, match="is no Modicon tag"):
        from_modicon(tag)


def test_modicon_fills_in_table_and_address_and_reads_back() -> None:
    point = ModbusPoint.model_validate({"id": "x", "modicon": 40035, "type": "float32"})
    assert (point.table, point.address) == ("holding", 34)
    assert ModbusPoint.model_validate(point.model_dump()) == point


def test_type_of_bits_need_not_be_said() -> None:
    coil = ModbusPoint.model_validate({"id": "x", "table": "coil", "address": 1})
    bit = ModbusPoint.model_validate({"id": "x", "table": "input", "address": 1, "bit": 3})
    assert (coil.type, bit.type, bit.is_bool) == ("bool", "bits", True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"modicon": 40035, "table": "input", "type": "int16"}, "modicon 40035 is holding 34, but table says input"),
        ({"modicon": 90000, "type": "int16"}, "90000 is no Modicon tag"),
        ({"table": "coil", "address": 0, "type": "int16"}, "table coil holds single bits"),
        ({"address": 65535, "type": "float32"}, "ends beyond 65535"),
        ({"address": 65536, "type": "int16"}, "less than or equal to 65535"),
        ({"address": 0}, "type"),
        ({"address": 0, "type": "string"}, "a string needs `length`"),
        ({"address": 0, "type": "int16", "length": 2}, "`length` is for string and bits"),
        ({"address": 0, "type": "bits", "length": 5}, "1 to 4 registers"),
        ({"address": 0, "bit": 16}, "wide enough"),
        ({"address": 0, "type": "int16", "bit": 1}, "unsigned type"),
        ({"address": 0, "type": "uint16", "mask": 0x10000}, "wide enough"),
        ({"address": 0, "type": "uint16", "mask": 1, "bit": 1}, "exclude each other"),
        ({"address": 0, "type": "float32", "order": "AB"}, "order AB does not fit float32: use ABCD CDAB BADC DCBA"),
        ({"address": 0, "type": "int16", "order": "ABCDEFGH"}, "does not fit"),
        ({"address": 0, "type": "float32", "states": {1: "on"}}, "`states` names the codes of a whole number"),
        ({"address": 0, "bit": 1, "scale": 2}, "scale, offset and reads are for numbers"),
        ({"address": 0, "type": "int16", "scale": 0}, "scale 0"),
        ({"address": 0, "type": "int16", "molar_mass": 64}, "say `reads`"),
        ({"address": 0, "type": "int16", "reads": "ppb", "unit": "mg/m3"}, "needs `molar_mass`"),
        ({"address": 0, "type": "int16", "reads": "ppb", "unit": "°C"}, "no conversion from 'ppb' to '°C'"),
        ({"address": 0, "type": "int16", "writable": True}, "`writable` needs its limits"),
        ({"address": 0, "type": "int16", "writable": [5, 1]}, "the lowest of"),
        ({"address": 0, "table": "input", "type": "int16", "writable": [1, 5]}, "cannot be written"),
        ({"address": 0, "bit": 1, "writable": True}, "parts of a register cannot be written"),
        ({"address": 0, "type": "int16", "adress": 1}, "Extra inputs"),
    ],
)
def test_contradiction_is_refused_in_words(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ModbusPoint.model_validate(
            {"id": "x", "table": "holding"} | keys if "modicon" not in keys else {"id": "x"} | keys
        )
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"registers_per_request": 126}, "less than or equal to 125"),
        ({"functions": {"input": 1}}, "input is read by 3 or 4, not 1"),
        ({"functions": {"coil": 3}}, "coil is read by 1 or 2, not 3"),
        ({"pause": 5}, "a duration with a unit"),
        ({"flags": [{"flag": "D"}]}, "say where the status is"),
        ({"flags": [{"table": "coil", "address": 1, "point": "x", "flag": "D"}]}, "say where the status is"),
        ({"flags": [{"table": "coil", "flag": "D"}]}, "say where the status is"),
        ({"flags": [{"table": "discrete", "address": 1, "codes": {0: "D"}}]}, "needs `flag`"),
        ({"flags": [{"table": "holding", "address": 1, "flag": "D"}]}, "needs `codes`"),
        ({"flags": [{"table": "discrete", "address": 1, "bit": 1, "flag": "D"}]}, "are for status registers"),
        ({"flags": [{"modicon": 30001, "bit": 1, "mask": 1, "flag": "D"}]}, "exclude each other"),
        ({"flags": [{"table": "discrete", "address": 1, "flag": "X"}]}, "Input should be 'N'"),
    ],
)
def test_wrong_option_is_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ModbusOptions.model_validate(options)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("source", "target", "factor", "offset"),
    [
        ("kPa", "kPa", 1, 0), ("mbar", "kPa", Fraction(1, 10), 0), ("°F", "°C", Fraction(5, 9), Fraction(-160, 9)),
        ("K", "°C", 1, Fraction(-27315, 100)), ("°C", "K", 1, Fraction(27315, 100)),
        ("L/min", "m3/h", Fraction(6, 100), 0),
        ("mm3", "m3", Fraction(1, 10**9), 0), ("GJ", "MJ", 1000, 0), ("psi", "Pa", Fraction("6894.757293168"), 0),
    ],
)  # fmt: skip
def test_units_are_converted_exactly(source: str, target: str, factor: Fraction, offset: Fraction) -> None:
    assert units.conversion(source, target) == (factor, offset)


def test_ppm_becomes_mass_concentration_as_in_hj_75() -> None:
    """HJ 75-2017: C = ppm x M / 22.4; SO2 2.857, NO as NO2 2.054, CO 1.25 mg/m3 per ppm."""
    found = [float(units.conversion("ppm", "mg/m3", mass)[0]) for mass in (64, 46, 28)]
    assert [round(factor, 3) for factor in found] == [2.857, 2.054, 1.25]
    assert units.conversion("ppb", "ug/m3", 64, 24.45) == (Fraction(6400, 2445), 0)
