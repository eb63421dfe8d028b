"""The sample sites, simulated: every point of every instrument is served, within its range."""

import struct
import time
from pathlib import Path

import pytest

from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.simulator import Truth, simulate
from drivers.simulator.behaviour import behaviour
from drivers.simulator.kinds import scenes
from drivers.simulator.modbus_instrument import ModbusInstrument
from gateway.settings import load

SITES = Path(__file__).parents[3] / "config" / "sites"


@pytest.mark.parametrize("name", ["petrol_station", "boiler_house", "water_station"])
async def test_shipped_sites_serve_every_point_of_every_instrument(name: str) -> None:
    site = load(SITES / f"{name}.yaml")
    places = scenes(site.instruments, 1, 0)
    for instrument in site.instruments:
        truth = Truth()
        day = behaviour(instrument, places, 1)
        unit = ModbusInstrument(instrument, day, truth)
        values = day.at(time.time())
        for point, value in zip(instrument.points, values, strict=True):
            assert isinstance(point, ModbusPoint)
            assert isinstance(instrument.options, ModbusOptions)
            assert value is not None
            assert point.range is None or point.range[0] <= value <= point.range[1], f"{instrument.id}.{point.id}"
            function = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}[point.table]
            count = point.count + (instrument.options.even_start and point.count % 2)
            reply = unit.answer(struct.pack(">BHH", function, point.address, count))
            assert reply[0] == function, f"{instrument.id}.{point.id}: {reply.hex()}"
            assert truth.served(instrument.id, point.id), f"{instrument.id}.{point.id}"
    async with simulate(site.lines, site.instruments) as moved:
        assert {name: line.kind for name, line in moved.items()} == {
            name: line.kind for name, line in site.lines.items()
        }
