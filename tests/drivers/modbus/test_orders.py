"""Every type and order of unknown registers: the right one is among them, and its profile line means the same."""

import pytest

from drivers.modbus.orders import ORDERS, TYPES, meanings, plausible
from drivers.modbus.source import ModbusPoint
from drivers.modbus.words import decoder
from gateway.settings.document import parse

SHUFFLES = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}


@pytest.mark.parametrize("order", SHUFFLES)
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_float_is_found_in_every_order_and_one_register_off(order: str, shift: int) -> None:
    straight = bytes.fromhex("4144f5c3")
    wire = bytes(straight[place] for place in SHUFFLES[order])
    data = bytearray(12)  # registers 9 to 14, asked for 10
    data[2 * (1 + shift) : 2 * (1 + shift) + 4] = wire
    found = [one for one in meanings("input", 10, 9, bytes(data)) if one.value == pytest.approx(12.31, abs=1e-6)]
    assert [(one.shift, one.address, one.type, one.order) for one in found] == [(shift, 10 + shift, "float32", order)]
    keys = parse(found[0].line, "line").plain()
    point = ModbusPoint.model_validate(keys)
    values, _ = decoder([(0, point)], "input", point.address, "ABCD").decode(wire)
    assert values[0] == pytest.approx(12.31, abs=1e-6)


def test_every_type_and_order_is_tried_once_at_each_place() -> None:
    found = [(one.address, one.type, one.order) for one in meanings("holding", 10, 9, bytes(range(16, 28)))]
    assert len(found) == len(set(found))
    assert {kind for _, kind, _ in found} == {kind for kinds in TYPES.values() for kind in kinds} - {"bcd16"} | {
        "bcd16"
    }
    assert {order for _, _, order in found} == {order for orders in ORDERS.values() for order in orders}


def test_range_leaves_out_what_cannot_be_meant() -> None:
    assert plausible(12.25, 0, 500)
    assert not plausible(501, 0, 500)
    assert not plausible(2.2e-41, 0, 500), "a denormal is the wrong order of something else"
    assert not plausible(float("nan"), float("-inf"), float("inf"))
    assert plausible(0.0, 0, 500)
