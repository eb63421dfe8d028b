"""A simulated day of every shipped site is asked the same questions."""

import math
import random
import re
from functools import cache
from itertools import pairwise

import pytest

from drivers.contract import Value
from drivers.simulator import happening
from drivers.simulator.happening import Happening
from tests.drivers.simulator.shipped import DAY_S, MIDNIGHT, NAMES, play, played

SCENES = {
    "boiler_house": ["BoilerHouse"],
    "cement_plant": ["CementPlant"],
    "drinking_water_source": ["DrinkingWaterSource"],
    "groundwater_well": ["GroundwaterWell"],
    "hazardous_waste_scale": ["HazardousWasteScale"],
    "heating_network": ["HeatingNetwork"],
    "key_energy_user": ["KeyEnergyUser"],
    "noise_station": ["NoiseStation"],
    "petrol_station": ["PetrolStation"],
    "radiation_source": ["RadiationSource"],
    "traffic_air_station": ["TrafficAirStation"],
    "wastewater_plant": ["WastewaterPlant"],
    "water_station": ["WaterStation"],
}
COUNTS = {"water_volume", "volume", "active_energy", "heat_energy", "steam_mass", "rain"}
JUMPS = {
    # what changes at once in reality, too: results of a batch, records, switches, vehicles, sources, loads, motors
    "fuel_pulses", "vapour_pulses", "fuelling_time", "weight", "noise", "dose_rate", "count_rate", "cod", "contact",
    "ammonia_nitrogen", "total_nitrogen", "total_phosphorus", "permanganate_index", "state", "alarm", "damper_open",
    "active_power", "current", "power_factor", "water_volume", "signal_quality", "tank_pressure", "raw_count",
}  # fmt: skip
TIMES = [MIDNIGHT + at for at in range(0, DAY_S, 1800)]


@cache
def day(name: str) -> dict[tuple[str, str], list[Value]]:
    """Every point of the site at TIMES."""
    here = played(name)
    rows = {one.id: [here.acting[one.id].at(t_s) for t_s in TIMES] for one in here.instruments}
    return {
        (one.id, point.id): [row[index] for row in rows[one.id]]
        for one in here.instruments
        for index, point in enumerate(one.points)
    }


def test_each_site_has_the_scene_of_its_kind_and_no_other() -> None:
    assert {name: [type(scene).__name__ for scene in played(name).places] for name in NAMES} == SCENES


@pytest.mark.parametrize("name", NAMES)
def test_values_are_there_finite_and_within_the_range_of_their_instrument(name: str) -> None:
    here = played(name)
    ranges = {(one.id, point.id): point.range for one in here.instruments for point in one.points}
    for place, values in day(name).items():
        limits = ranges[place]
        for value in values:
            assert value is not None, place
            if not isinstance(value, str):
                assert math.isfinite(value), place
                # 3 t is what the scale can bear; somebody puts more on it now and then
                overload = place == ("scale", "weight") and value > 3000
                assert limits is None or limits[0] <= value <= limits[1] or overload, f"{place}: {value}"


@pytest.mark.parametrize("name", NAMES)
def test_counters_rise_by_day_and_never_fall(name: str) -> None:
    here = played(name)
    kinds = {(one.id, point.id): point.quantity for one in here.instruments for point in one.points}
    for place, values in day(name).items():
        still = any(word in place[1] for word in ("export", "decimals"))
        if kinds[place] in COUNTS and not still:
            numbers = [float(value or 0) for value in values]
            assert all(before <= after for before, after in pairwise(numbers)), place
            assert numbers[-1] > numbers[0] or kinds[place] == "rain", place


@pytest.mark.parametrize("name", NAMES)
def test_any_instant_can_be_asked_without_history_and_gives_the_same(name: str) -> None:
    first, second = played(name), play(name)
    times = random.Random(5).sample(TIMES, 6)
    for one in first.instruments:
        asked = {t_s: first.acting[one.id].at(t_s) for t_s in times}
        for t_s in sorted(times):
            assert second.acting[one.id].at(t_s) == asked[t_s], one.id


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_is_another_day(name: str) -> None:
    first, second = played(name), play(name, seed=4)
    at = MIDNIGHT + 40_000
    assert [first.acting[one.id].at(at) for one in first.instruments] != [
        second.acting[one.id].at(at) for one in second.instruments
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_smooth_in_reality_is_smooth_from_poll_to_poll(name: str) -> None:
    """No step of more than a quarter of the day's spread; what may jump is named above, calibrations are left out."""
    here = played(name)
    values = day(name)
    calibrations = [one for one in here.happenings() if one.kind == "calibration"]
    for one in here.instruments:
        for index, point in enumerate(one.points):
            numbers = [value for value in values[one.id, point.id] if isinstance(value, int | float)]
            if point.quantity in JUMPS or not numbers or isinstance(numbers[0], bool):
                continue
            spread = max(numbers) - min(numbers)
            curve = here.acting[one.id].curves[index]
            for t_s in TIMES[::3]:
                near = any(span.from_s - 60 <= t_s <= span.until_s + 60 for span in calibrations)
                before, after = curve(t_s), curve(t_s + min(one.every_s, 10))
                assert isinstance(before, int | float)
                assert isinstance(after, int | float)
                turned = point.quantity == "wind_direction" and abs(after - before) > 300  # over north
                assert near or turned or abs(after - before) <= 0.25 * spread, f"{one.id}/{point.id} at {t_s}"


def named(one: Happening) -> tuple[str, str | None, float]:
    return (one.kind, one.instrument, one.from_s)


@pytest.mark.parametrize("name", NAMES)
def test_happenings_are_the_same_however_the_day_is_cut(name: str) -> None:
    here = played(name)
    whole = here.happenings()
    assert [named(one) for one in whole] == sorted((named(one) for one in whole), key=lambda key: key[2])
    assert all(one.from_s < MIDNIGHT + DAY_S and one.until_s > MIDNIGHT for one in whole)
    pieces = [one for at in range(24) for one in here.happenings(MIDNIGHT + at * 3600, MIDNIGHT + (at + 1) * 3600)]
    assert {named(one) for one in pieces} == {named(one) for one in whole}
    assert len({named(one) for one in whole}) == len(whole), "each once"


@pytest.mark.parametrize("name", NAMES)
def test_happenings_are_of_documented_kinds_and_of_instruments_that_stand_here(name: str) -> None:
    cells = re.findall(r"^\| (`.+?) \|", happening.__doc__ or "", re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", " ".join(cells)))
    here = played(name)
    ids = {one.id for one in here.instruments}
    found = here.happenings(until_s=MIDNIGHT + 3 * DAY_S)
    assert found
    assert {one.kind for one in found} <= documented
    assert {one.instrument for one in found} <= ids | {None}
    assert all(one.from_s < one.until_s for one in found)
