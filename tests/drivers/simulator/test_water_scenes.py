"""Reservoir, sewage, well: what rain, town and pump do there."""

from itertools import pairwise

import pytest

from drivers.contract import Flag
from drivers.simulator.drinking_water_source import DrinkingWaterSource
from drivers.simulator.groundwater_well import GroundwaterWell
from drivers.simulator.wastewater_plant import WastewaterPlant
from drivers.simulator.water_physics import solubility_mg_l
from tests.drivers.simulator.shipped import DAY_S, MIDNIGHT, hour, played

FORTNIGHT = range(MIDNIGHT, MIDNIGHT + 14 * DAY_S, 1800)


def test_the_town_draws_most_in_the_morning_and_least_at_night() -> None:
    source = played("drinking_water_source")
    night, morning, evening = (source.number("treatment", "outflow", hour(at)) for at in (3.5, 8, 20))
    assert morning > 1.7 * night
    assert evening > 1.4 * night


def test_rain_muddies_raw_water_at_once_and_treated_water_hours_later() -> None:
    source = played("drinking_water_source")
    scene = source.scene(DrinkingWaterSource)
    muddy = max(FORTNIGHT, key=scene.mud)
    assert scene.mud(muddy) > 0.3
    assert scene.raw_turbidity(muddy) > 15
    clear = min(FORTNIGHT, key=scene.mud)
    assert (
        source.number("treatment", "turbidity", muddy + 14_400) > source.number("treatment", "turbidity", clear) + 0.15
    )
    assert source.number("treatment", "chlorine", muddy + 14_400) < source.number("treatment", "chlorine", clear)
    assert all(source.number("treatment", "turbidity", at) < 5 for at in FORTNIGHT)


def test_rain_fills_the_reservoir() -> None:
    source = played("drinking_water_source")
    rain = max(source.of("rain", days=14), key=lambda one: float(one.data["strength"] or 0))
    before, after = (source.number("level", "pressure", at) for at in (rain.from_s, rain.until_s + 28_800))
    assert after > before + 0.05
    levels = [source.number("level", "pressure", MIDNIGHT + at) for at in range(0, DAY_S, 10)]
    assert max(abs(after - before) for before, after in pairwise(levels)) < 0.001, "a millimetre in ten seconds"


def test_what_the_probe_shows_belongs_together() -> None:
    source = played("drinking_water_source")
    for at in FORTNIGHT[::40]:
        oxygen, heat = source.number("sonde", "do", at), source.number("sonde", "temperature", at)
        assert 70 < 100 * oxygen / solubility_mg_l(heat) < 120
        # mS·ohm: what conducts well resists little; 0.65 mg/L for each uS/cm at 25 °C
        assert 1e6 / source.number("sonde", "resistivity", at) == pytest.approx(
            source.number("sonde", "tds", at) / 0.00065 * (1 + 0.019 * (heat - 25)), rel=1e-6
        )
        ph, potential = source.number("sonde", "ph", at), source.number("sonde", "ph_potential", at)
        assert (potential < 0) == (ph > 7)
        assert source.number("level", "temperature", at) < heat


def test_the_probe_says_which_parameters_it_shows() -> None:
    source = played("drinking_water_source")
    assert [source.value("sonde", f"{name}_parameter", hour(1)) for name in ("do", "tds", "ph")] == [20, 13, 17]
    assert [source.value("sonde", f"{name}_quality", hour(1)) for name in ("do", "temperature", "ph")] == [0, 0, 0]


def test_sewage_follows_the_town_and_the_blowers_follow_the_sewage() -> None:
    plant = played("wastewater_plant")
    night, noon = hour(5), hour(11.5)
    assert plant.number("flow", "flow", noon) > 1.2 * plant.number("flow", "flow", night)
    assert plant.number("blowers", "power", noon) > 1.4 * plant.number("blowers", "power", night)
    assert plant.number("oxygen", "do", noon) < plant.number("oxygen", "do", night)


def test_rain_doubles_the_flow_and_dilutes_what_is_in_it() -> None:
    plant = played("wastewater_plant")
    scene = plant.scene(WastewaterPlant)
    wet = max(FORTNIGHT, key=scene.wet)
    dry = next(at for day in range(1, 14) if scene.wet(at := wet + day * DAY_S) < 0.02)
    assert plant.number("flow", "flow", wet) > plant.number("flow", "flow", dry) + 400 * scene.wet(wet) / 0.5
    assert plant.number("oxygen", "temperature", wet) < plant.number("oxygen", "temperature", dry)
    last_dry, last_wet = (plant.number("analysers", "total_nitrogen", at + 3 * 3600) for at in (dry, wet))
    assert last_wet < last_dry


def test_the_total_is_what_flowed() -> None:
    """Two parts: whole cubic metres and what is behind the point."""
    plant = played("wastewater_plant")

    def total(at: float) -> float:
        whole, rest = plant.number("flow", "total", at), plant.number("flow", "total_decimals", at)
        assert whole == int(whole)
        assert 0 <= rest < 1
        return whole + rest

    flowed = sum(plant.number("flow", "flow", MIDNIGHT + at) * 60 / 3600 for at in range(30, DAY_S, 60))
    assert total(MIDNIGHT + DAY_S) - total(MIDNIGHT) == pytest.approx(flowed, rel=0.02)
    assert plant.number("flow", "velocity", hour(9)) * 0.42 * 3600 == pytest.approx(
        plant.number("flow", "flow", hour(9)), rel=1e-6
    )


def test_a_batch_is_told_with_the_result_that_is_shown_after_it() -> None:
    for name, instrument, most in (("wastewater_plant", "analysers", 13), ("water_station", "analysers", 7)):
        site = played(name)
        batches = [one for one in site.of("batch") if one.instrument == instrument]
        assert most - 1 <= len(batches) <= most
        for one in batches:
            for quantity, wanted in one.data.items():
                assert site.number(instrument, quantity, one.until_s + 1) == wanted
                assert site.number(instrument, quantity, one.until_s - 1) != wanted


def test_the_state_word_says_that_a_sample_is_in_work_or_that_it_calibrates() -> None:
    plant = played("wastewater_plant")
    batch = plant.of("batch")[2]
    (calibration,) = plant.of("calibration")
    state = [
        plant.value("analysers", "state", at)
        for at in (batch.from_s - 1, batch.from_s, batch.until_s, calibration.from_s, calibration.until_s)
    ]
    assert state == [0, 8, 0, 1, 0]
    assert plant.flag("analysers", calibration.from_s) is Flag.CALIBRATION
    assert plant.flag("flow", calibration.from_s) is Flag.NORMAL


def test_the_neighbours_pump_draws_the_well_down_and_it_recovers() -> None:
    well = played("groundwater_well")
    scene = well.scene(GroundwaterWell)
    pumping = next(one for one in well.of("pumping", days=10) if one.from_s > MIDNIGHT)
    before, lowest = scene.drawdown_m(pumping.from_s), scene.drawdown_m(pumping.until_s)
    assert lowest > before + 0.15
    assert scene.drawdown_m(pumping.until_s + 14_400) < lowest - 0.08
    level = [well.number("level", "pressure", pumping.from_s + at) for at in range(0, 7200, 60)]
    assert level[0] - level[-1] > 0.1


def test_groundwater_moves_slowly_and_keeps_its_temperature() -> None:
    well = played("groundwater_well")
    levels = [well.number("level", "pressure", at) for at in range(MIDNIGHT, MIDNIGHT + 30 * DAY_S, 3600)]
    assert 0.1 < max(levels) - min(levels) < 3
    heat = [well.number("level", "temperature", at) for at in range(MIDNIGHT, MIDNIGHT + 30 * DAY_S, 86_400)]
    assert max(heat) - min(heat) < 0.1
    minutes = [well.number("level", "pressure", MIDNIGHT + at) for at in range(0, DAY_S, 60)]
    assert max(abs(after - before) for before, after in pairwise(minutes)) < 0.02
