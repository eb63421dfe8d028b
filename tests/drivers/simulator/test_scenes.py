"""The simulated days: what an operator expects to see, and the same for the same seed."""

from itertools import pairwise
from typing import Any

import pytest

from drivers.contract import Flag
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec
from drivers.simulator.behaviour import behaviour
from drivers.simulator.boiler_house import BoilerHouse
from drivers.simulator.kinds import scenes
from drivers.simulator.petrol_station import PetrolStation
from drivers.simulator.water_station import WaterStation

MIDNIGHT = 1_764_000_000 - 1_764_000_000 % 86_400  # UTC, a Monday in November


def instrument(name: str, *points: dict[str, Any]) -> InstrumentSpec:
    """With `points` at rising addresses."""
    made = tuple(
        ModbusPoint.model_validate({"table": "holding", "address": 2 * at, "type": "float32", **keys})
        for at, keys in enumerate(points)
    )
    return InstrumentSpec(
        id=name, line="l", protocol="modbus", profile=None, address=1, every_s=5.0, timeout_s=1.0, points=made,
        options=ModbusOptions(),
    )  # fmt: skip


DISPENSERS = [
    instrument(name, *({"id": f"n{nozzle}_fuel", "quantity": "fuel_pulses", "type": "uint16"} for nozzle in (1, 2)))
    for name in ("dispenser-1", "dispenser-2")
]


def test_every_nozzle_has_fuellings_of_its_own_by_day() -> None:
    station = PetrolStation(DISPENSERS, seed=5, utc_offset_s=0)
    ends = {
        nozzle: {station.last_fuelling(nozzle, MIDNIGHT + at).end_s for at in range(8 * 3600, 10 * 3600, 30)}
        for nozzle in ("dispenser-1 n1", "dispenser-1 n2", "dispenser-2 n1", "dispenser-2 n2")
    }
    assert all(10 < len(times) < 45 for times in ends.values())
    assert len(set().union(*ends.values())) == sum(map(len, ends.values()))


def test_a_fuelling_is_plausible_and_stands_until_the_next_one() -> None:
    station = PetrolStation(DISPENSERS, seed=5, utc_offset_s=0)
    for at in range(0, 86_400, 613):
        fuelling = station.last_fuelling("dispenser-1 n1", MIDNIGHT + at)
        assert fuelling.end_s <= MIDNIGHT + at
        assert 8 <= fuelling.litres <= 55
        assert 28 <= fuelling.litres / fuelling.seconds * 60 <= 40
        assert 0.9 < fuelling.vapour_litres / fuelling.litres < 1.3


def test_drawing_fuel_lowers_the_tanks_pressure_within_its_valves_limits() -> None:
    station = PetrolStation(DISPENSERS, seed=5, utc_offset_s=0)
    seconds = range(MIDNIGHT + 8 * 3600, MIDNIGHT + 20 * 3600, 20)
    assert all(-1500 < station.tank_pressure_pa(at) < 3000 for at in seconds)
    nobody = PetrolStation([], seed=5, utc_offset_s=0)
    drawing = [at for at in seconds if min(station.running(at - back) for back in (0, 2.5, 5, 7.5))]
    assert drawing
    assert all(station.tank_pressure_pa(at) < nobody.tank_pressure_pa(at) - 60 for at in drawing)


def test_the_boiler_starts_runs_and_stops_once_a_day() -> None:
    boiler = BoilerHouse(seed=2, utc_offset_s=0)
    loads = [boiler.load(MIDNIGHT + at) for at in range(0, 86_400, 60)]
    assert loads[0] == loads[3 * 60] == 0
    assert min(loads[6 * 60 : 22 * 60]) > 0.5
    changes = sum((before == 0) != (after == 0) for before, after in pairwise(loads))
    assert changes == 2


def test_oxygen_falls_and_nitrogen_oxides_rise_when_the_boiler_burns() -> None:
    boiler = BoilerHouse(seed=2, utc_offset_s=0)
    cems = instrument("cems", {"id": "o2", "quantity": "o2_dry"}, {"id": "nox", "quantity": "nox"})
    day = behaviour(cems, [boiler], 2)
    rest, burning = day.at(MIDNIGHT + 3600), day.at(MIDNIGHT + 12 * 3600)
    assert rest[0] == pytest.approx(20.9, abs=0.1)
    assert rest[1] == pytest.approx(0, abs=0.5)
    assert isinstance(burning[0], float)
    assert isinstance(burning[1], float)
    assert 5 < burning[0] < 12
    assert 50 < burning[1] < 200


def test_analysers_calibrate_at_two_in_the_night_of_their_own_time_zone() -> None:
    cems = instrument("cems", {"id": "so2", "quantity": "so2"})
    east = behaviour(cems, scenes([cems], 2, 8 * 3600), 2)
    flags = [east.condition(MIDNIGHT + at) for at in range(0, 86_400, 60)]
    assert flags.count(Flag.CALIBRATION) == 20
    assert flags.index(Flag.CALIBRATION) == 18 * 60  # 02:00 at UTC+8
    zero, span = (east.at(MIDNIGHT + 18 * 3600 + minute * 60)[0] for minute in (5, 15))
    assert isinstance(zero, float)
    assert isinstance(span, float)
    assert abs(zero) < 1
    assert abs(span - 240) < 1


def test_rain_muddies_and_dilutes_the_river() -> None:
    river = WaterStation(seed=3, utc_offset_s=0)
    probe = instrument("probe", {"id": "t", "quantity": "turbidity"}, {"id": "c", "quantity": "specific_conductivity"})
    week = range(MIDNIGHT, MIDNIGHT + 7 * 86_400, 900)
    wettest, driest = max(week, key=river.wet), min(week, key=river.wet)
    assert river.wet(wettest) > 0.3
    wet, dry = (behaviour(probe, [river], 3).at(at) for at in (wettest, driest))
    assert isinstance(wet[0], float)
    assert isinstance(dry[0], float)
    assert wet[0] > 3 * dry[0]
    assert isinstance(wet[1], float)
    assert isinstance(dry[1], float)
    assert wet[1] < 0.95 * dry[1]


def test_a_batch_analyser_keeps_its_result_for_four_hours() -> None:
    analyser = instrument("a", {"id": "nh3n", "quantity": "ammonia_nitrogen"})
    day = behaviour(analyser, scenes([analyser], 1, 0), 1)
    assert len({day.at(MIDNIGHT + at)[0] for at in range(0, 86_400, 60)}) == 6


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    first, again, other = (behaviour(DISPENSERS[0], scenes(DISPENSERS, seed, 0), seed) for seed in (1, 1, 2))
    times = [MIDNIGHT + at for at in range(0, 86_400, 600)]
    assert [first.at(at) for at in times] == [again.at(at) for at in times]
    assert [first.at(at) for at in times] != [other.at(at) for at in times]


def test_an_instrument_that_measures_less_than_a_river_is_not_shown_the_river() -> None:
    """A weir's flow meter of 400 L/s, and a total in litres that 32 bits could not hold."""
    weir = instrument(
        "weir",
        {"id": "flow", "quantity": "water_flow", "unit": "L/s", "range": [0, 400]},
        {"id": "total", "quantity": "water_volume", "unit": "L", "type": "uint32"},
        {"id": "level", "quantity": "water_level", "unit": "m"},
    )
    day = behaviour(weir, scenes([weir], 1, 0), 1)
    for at in range(MIDNIGHT, MIDNIGHT + 86_400, 3600):
        flow, total, level = day.at(at)
        assert isinstance(flow, float)
        assert isinstance(total, float)
        assert isinstance(level, float)
        assert 0 <= flow <= 400
        assert 0 < total < 2**32
        assert level > 1.5
