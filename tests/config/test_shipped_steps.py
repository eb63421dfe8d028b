"""What the shipped sites make of numbers, worked by hand: loads, water class, balance, supervision, noise."""

from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Sample, Value
from gateway.pipeline.pipeline import Passed, Pipeline
from gateway.processing import pipeline_of
from gateway.reading import Reading
from gateway.settings import Site, load

FOLDER = Path(__file__).parents[2] / "config" / "sites"
MIDNIGHT = 1_764_000_000_000  # in Shanghai
S, MINUTE, HOUR = 1000, 60_000, 3_600_000


class Station:
    """A shipped site's pipeline, fed by hand."""

    def __init__(self, name: str) -> None:
        self.site: Site = load(FOLDER / f"{name}.yaml")
        self.pipeline: Pipeline = pipeline_of(self.site)
        self._points = {spec.id: tuple(point.id for point in spec.points) for spec in self.site.instruments}

    def read(self, instrument: str, at_ms: int, **values: Value) -> Passed:
        points = self._points[instrument]
        assert set(values) <= set(points), set(values) - set(points)
        sample = Sample(tuple(values.get(point, 0.0) for point in points))
        passed = self.pipeline.passed(Reading(instrument, points, MIDNIGHT + at_ms, 0, sample, 1000 + at_ms / 1000))
        for reading in passed.readings:
            self.pipeline.entered(reading)
        return passed


def values(passed: Passed) -> dict[str, Any]:
    """Of the calculated instrument, which comes last."""
    last = passed.readings[-1]
    return dict(zip(last.points, last.sample.values, strict=True))


def test_wastewater_is_weighted_by_its_flow() -> None:
    """Half an hour of COD 50 at 360 m3/h (100 L/s), half an hour of 20 at 720 (200 L/s): 16.2 kg in 540 m3, 30 mg/L;
    the plain mean would be 35."""
    plant = Station("wastewater_plant")
    for at in range(0, 3600, 2):
        if at % 60 == 0:
            cod = 50.0 if at < 1800 else 20.0
            plant.read("analysers", at * S, cod=cod, ammonia_nitrogen=1.0, total_phosphorus=0.2, total_nitrogen=8.0)
        passed = plant.read("flow", at * S, flow=360.0 if at < 1800 else 720.0)
    assert values(passed)["cod_load"] == pytest.approx(14.4)
    windows, _ = plant.pipeline.due(MIDNIGHT + HOUR + 5 * S)
    (hour,) = [window for window in windows if (window.instrument, window.period) == ("outlet", "1h")]
    assert hour.values["cod"]["mean"] == pytest.approx(30.0)
    assert hour.values["cod_load"]["total"] == pytest.approx(16.2)
    assert hour.values["flow"]["mean"] == pytest.approx(150.0)
    assert hour.values["ammonia_nitrogen"]["mean"] == pytest.approx(1.0)


def test_river_section_has_a_class_every_four_hours() -> None:
    river = Station("water_station")
    for at in (0, 4 * HOUR):
        river.read("oxygen", at, do=6.4)
        river.read("sonde", at, s2=7.8)
        passed = river.read(
            "analysers", at, permanganate_index=3.1, ammonia_nitrogen=1.2, total_phosphorus=0.08, state="waiting"
        )
    (event,) = [event for event in passed.events if event.kind == "water.class"]
    assert (event.data["class"], event.data["deciding"], event.data["exceeded"]) == ("IV", ["ammonia_nitrogen"], True)
    assert event.data["missing"] == []


def test_heating_network_tells_its_power_and_the_coldest_room() -> None:
    """36 m3/h, 30 K: 0.01 m3/s · 4114.7 kJ/m3 K · 30 K = 1234.4 kW."""
    network = Station("heating_network")
    for room, degrees in (("room-1-101", 21.0), ("room-1-601", 17.5), ("room-2-101", 20.0)):
        network.read(room, 0, temperature=degrees)
    made = values(network.read("heat-meter", S, flow=36.0, supply_temperature=85.0, return_temperature=55.0))
    assert (made["power"], made["spread"], made["coldest"]) == (pytest.approx(1234.4, abs=0.1), 30.0, 17.5)


@pytest.mark.parametrize(("production", "treatment", "told"), [(9000, 100, True), (9000, 900, False), (100, 0, False)])
def test_production_without_treatment_is_an_alarm_after_five_minutes(
    production: float, treatment: float, told: bool
) -> None:
    user = Station("key_energy_user")
    events = []
    for at in range(0, 6 * MINUTE, 5 * S):
        for name, power in (("production", production), ("treatment", treatment)):
            events += user.read(name, at, power=power).events
    assert [event.kind for event in events] == ["limit.exceeded"] * told
    assert all(event.ts_ms == MIDNIGHT + 5 * MINUTE for event in events)


def test_noise_in_strong_wind_does_not_count() -> None:
    station = Station("noise_station")
    for at in range(60):
        station.read("weather", at * S, wind_speed=5.1 if at >= 50 else 5.0)
        station.read("sound", at * S, la=90.0 if at >= 50 else 54.0)
    windows, _ = station.pipeline.due(MIDNIGHT + 2 * HOUR)
    (hour,) = [window for window in windows if (window.instrument, window.period) == ("environment", "1h")]
    assert (hour.values["la"]["valid"], hour.values["la"]["n"]) == (50, 60)
    assert hour.values["la"]["leq"] == pytest.approx(54.0)
