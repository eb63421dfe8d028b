"""Heating loop, works, source, store: what is one there."""

import pytest

from drivers.simulator.hazardous_waste_scale import HazardousWasteScale
from drivers.simulator.heating_network import HeatingNetwork
from drivers.simulator.key_energy_user import KeyEnergyUser
from drivers.simulator.radiation_source import RadiationSource
from tests.drivers.simulator.shipped import DAY_S, MIDNIGHT, hour, played

SATURDAY, SUNDAY = MIDNIGHT + 4 * DAY_S, MIDNIGHT + 5 * DAY_S
WATER = 983.2 * 4.185  # kJ/m3 K at 60 °C


def test_heat_is_conserved_from_the_substation_to_the_houses() -> None:
    loop = played("heating_network")
    for at in range(MIDNIGHT, MIDNIGHT + DAY_S, 7200):
        flow, supply, back = (
            loop.number("heat-meter", point, at) for point in ("flow", "supply_temperature", "return_temperature")
        )
        given = flow * WATER * (supply - back) / 3600
        # GJ/h on this meter
        assert loop.number("heat-meter", "heat_flow", at) / 3.6 * 1000 == pytest.approx(given, rel=1e-6)
        houses = ("house-1", "house-2")
        taken = sum(loop.number(house, "power", at) for house in houses)
        assert 0.02 < (given - taken) / given < 0.2
        assert sum(loop.number(house, "flow", at) for house in houses) == pytest.approx(flow, rel=1e-6)
        for house in houses:
            assert loop.number(house, "supply_temperature", at) < supply
            assert loop.number(house, "return_temperature", at) > back
            difference = loop.number(house, "difference", at)
            assert loop.number(house, "flow", at) * WATER * difference / 3600 == pytest.approx(
                loop.number(house, "power", at), rel=1e-6
            )


def test_meters_of_heat_and_water_count_what_flows() -> None:
    loop = played("heating_network")
    for house in ("house-1", "house-2"):
        heat = sum(loop.number(house, "power", MIDNIGHT + at) * 600 / 1e6 for at in range(300, DAY_S, 600))
        volume = sum(loop.number(house, "flow", MIDNIGHT + at) * 600 / 3600 for at in range(300, DAY_S, 600))
        counted = [
            loop.number(house, point, MIDNIGHT + DAY_S) - loop.number(house, point, MIDNIGHT)
            for point in ("heat", "volume")
        ]
        assert counted == [pytest.approx(heat, rel=0.02), pytest.approx(volume, rel=0.02)]


def test_nights_are_set_back_and_rooms_feel_it_later() -> None:
    loop = played("heating_network")
    night = next(one for one in loop.of("night_setback", days=2) if one.from_s > MIDNIGHT)
    before, inside = (
        loop.number("heat-meter", "supply_temperature", at) for at in (night.from_s - 60, night.from_s + 7200)
    )
    assert inside < before - 2
    rooms = ("room-1-101", "room-1-601", "room-2-101")
    for room in rooms:
        evening, morning = (loop.number(room, "temperature", at) for at in (night.from_s, night.until_s))
        assert 0.2 < evening - morning < 2.5
    assert len({round(loop.number(room, "temperature", hour(12)), 1) for room in rooms}) == 3, "rooms differ"


def test_the_colder_it_is_the_warmer_is_the_supply() -> None:
    scene = played("heating_network").scene(HeatingNetwork)
    noons = [MIDNIGHT + day * DAY_S + 12 * 3600 for day in range(60)]
    cold, warm = (pick(noons, key=lambda at: scene._weather.temperature_c(at - 3600)) for pick in (min, max))
    assert scene.supply_c(cold) > scene.supply_c(warm) + 5
    assert scene.given_kw(cold) > 1.5 * scene.given_kw(warm)


def test_shifts_make_power_steam_and_water_and_sunday_rests() -> None:
    works = played("key_energy_user")
    (shift,) = works.of("production")
    assert shift.until_s - shift.from_s > 15 * 3600
    for instrument, point in (("production", "power"), ("steam", "flow"), ("water", "flow"), ("fan", "power")):
        working, sunday = (works.number(instrument, point, at) for at in (hour(14), SUNDAY + 14 * 3600))
        assert working > 5 * sunday, instrument


def test_the_furnace_makes_the_days_demand_in_its_first_hour() -> None:
    scene = played("key_energy_user").scene(KeyEnergyUser)
    (shift,) = played("key_energy_user").of("production")
    quarters = {
        at: sum(scene.power_w("production", at + s) for s in range(0, 900, 60)) / 15
        for at in range(int(shift.from_s), int(shift.until_s), 900)
    }
    assert max(quarters, key=lambda at: quarters[at]) - shift.from_s < 5400


def test_phases_currents_and_power_of_a_meter_belong_together() -> None:
    works = played("key_energy_user")
    for at in (hour(3), hour(9), hour(21)):
        phases = [works.number("production", f"power_{phase}", at) for phase in (1, 2, 3)]
        assert sum(phases) == pytest.approx(works.number("production", "power", at), rel=1e-6)
        factor = works.number("production", "power_factor", at)
        for phase, power in enumerate(phases, 1):
            apparent = works.number("production", f"voltage_{phase}", at) * works.number(
                "production", f"current_{phase}", at
            )
            assert apparent * factor == pytest.approx(power, rel=1e-6)


def test_energy_is_what_the_power_came_to() -> None:
    works = played("key_energy_user")
    for meter, point, unit in (("production", "energy_import", 1000), ("fan", "energy", 1)):
        used = sum(works.number(meter, "power", MIDNIGHT + at) / unit * 300 / 3600 for at in range(150, DAY_S, 300))
        counted = works.number(meter, point, MIDNIGHT + DAY_S) - works.number(meter, point, MIDNIGHT)
        assert counted == pytest.approx(used, rel=0.06)


def test_the_treatment_runs_with_the_production_but_for_what_is_told() -> None:
    works = played("key_energy_user")
    untreated = works.of("untreated", days=14)
    assert len(untreated) > 1
    for one in untreated:
        middle = (one.from_s + one.until_s) / 2
        assert works.number("production", "power", middle) > 5000
        assert works.number("treatment", "power", middle) < 500
    for at in range(MIDNIGHT, MIDNIGHT + 14 * DAY_S, 600):
        if works.number("production", "power", at) > 5000 and not any(
            one.from_s - 60 < at < one.until_s + 60 for one in untreated
        ):
            assert works.number("treatment", "power", at) > 500, at


def test_a_source_out_of_its_shield_shows_in_the_store_at_the_fence_and_on_the_lamp() -> None:
    store = played("radiation_source")
    scene = store.scene(RadiationSource)
    moves = store.of("source_moved", days=3)
    for move in moves:
        middle = (move.from_s + move.until_s) / 2
        assert store.number("dose-store", "dose_rate", middle) > 20_000
        fence = float(move.data["fence"] or 0)
        assert store.number("dose-fence", "dose_rate", middle) == pytest.approx(fence + 90, abs=60)
        assert store.value("door", "di1", move.from_s) is True
        assert (store.value("door", "di2", middle), store.value("door", "di2", move.from_s - 1)) == (True, False)
        ratio = store.number("dose-store", "count_rate", middle) / store.number("dose-store", "dose_rate", middle)
        assert ratio == pytest.approx(0.55)
    assert scene.out(hour(3)) == 0


def test_the_lamp_burns_as_told() -> None:
    store = played("radiation_source")
    for alarm in store.of("alarm", days=3):
        times = (alarm.from_s - 6, alarm.from_s + 6, alarm.until_s - 6, alarm.until_s + 6)
        assert [store.value("door", "di2", at) for at in times] == [False, True, True, False]


def test_rain_brings_radons_daughters_down_and_they_decay() -> None:
    store = played("radiation_source")
    scene = store.scene(RadiationSource)
    rain = max(store.of("rain", days=14), key=lambda one: float(one.data["strength"] or 0))
    assert scene.out(rain.until_s) == scene.out(rain.from_s - 60) == 0, "nobody is at the source"
    assert scene.fence_ngy_h(rain.until_s) > scene.fence_ngy_h(rain.from_s - 60) + 8
    assert scene._weather.rain.wet(rain.until_s + 14_400, 600, 2600, 3) < 0.05


def test_a_pallet_is_put_on_swings_rests_and_is_taken_off() -> None:
    scale = played("hazardous_waste_scale")
    for one in scale.of("weighing"):
        kg = float(one.data["kg"] or 0)
        resting = [scale.number("scale", "weight", one.from_s + at) for at in (0, 5, (one.until_s - one.from_s) - 0.1)]
        assert resting == [pytest.approx(kg, abs=0.1)] * 3
        assert scale.number("scale", "weight", one.until_s + 10) == pytest.approx(0, abs=0.1)
        assert scale.number("scale", "weight", one.from_s - 6) == pytest.approx(0, abs=0.1)
        state = [
            scale.value("scale", "state", at)
            for at in (one.from_s - 6, one.from_s - 1, one.from_s + 1, one.until_s + 1)
        ]
        over = 2 * (kg > 3000)
        assert state[0] == 0
        assert state[2] == over
        assert [int(word or 0) & 1 for word in state] == [0, 1, 0, 1]


def test_the_door_is_open_around_each_weighing_and_the_store_smells_after_it() -> None:
    scale = played("hazardous_waste_scale")
    scene = scale.scene(HazardousWasteScale)
    weighings, doors = scale.of("weighing"), scale.of("door_open")
    assert len(weighings) == len(doors)
    for one, door in zip(weighings, doors, strict=True):
        assert door.from_s < one.from_s < one.until_s < door.until_s
        assert [scale.value("door", "di1", at) for at in (door.from_s - 1, one.from_s, door.until_s)] == [
            False,
            True,
            False,
        ]
        assert scene.vapour_ppm(one.until_s) > 25
    assert scale.value("door", "di1", hour(2)) is False
    assert not [one for one in scale.happenings(SUNDAY, SUNDAY + DAY_S) if one.kind == "weighing"]


def test_one_gas_shows_in_three_ways() -> None:
    scale = played("hazardous_waste_scale")
    for at in range(int(hour(7)), int(hour(18)), 900):
        ppm = scale.number("vapour", "concentration", at)
        assert scale.number("vapour", "raw", at) == round(410 + 2.4 * ppm)
        assert scale.number("lel", "lel", at) == pytest.approx(ppm / 120)
    assert [scale.value("lel", point, hour(1)) for point in ("sensor_type", "alarm_level_1", "alarm_level_2")] == [
        2,
        20,
        40,
    ]
