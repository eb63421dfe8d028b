"""The well of the shipped groundwater site: registers in, height of the water table out, worked by hand."""

from pathlib import Path

import pytest

from drivers.contract import Flag
from drivers.modbus.source import ModbusPoint
from drivers.modbus.words import decoder
from gateway.settings import load

SITE = Path(__file__).parents[2] / "config" / "sites" / "groundwater_well.yaml"


@pytest.mark.parametrize(
    ("pascal", "metres", "flag"),
    [
        (98_067, 22.4, None),  # 10 m of water above the probe, which hangs at 12.40 m
        (49_033, 17.4, None),
        (0, 12.4, None),  # the water stands at the probe
        (-23_535, 10.0, None),  # the lowest that is plausible there
        (-23_537, 9.9999, Flag.OUT_OF_RANGE),  # 2 Pa less: kept, and flagged
        (270_664, 40.0002, Flag.OUT_OF_RANGE),
    ],
)
def test_pressure_above_the_probe_is_the_height_of_the_water_table(
    pascal: int, metres: float, flag: Flag | None
) -> None:
    """Metres of water = Pa / 9806.65; the site adds the height at which the probe hangs."""
    (level,) = [spec for spec in load(SITE).instruments if spec.id == "level"]
    points = [(at, one) for at, one in enumerate(level.points) if isinstance(one, ModbusPoint)]
    place, point = next((at, one) for at, one in points if one.quantity == "water_level")
    made = decoder([(place, point)], point.table, point.address, "ABCD")
    values, marks = made.decode(pascal.to_bytes(4, signed=True))
    assert values[0] == pytest.approx(metres, abs=2e-4)
    assert [mark[0] for mark in marks.values()] == ([flag] if flag is not None else [])
