"""Loads of HJ 212-2017 D.1 and classes of GB 3838-2002, worked by hand."""

import pytest

from gateway.domain import water


@pytest.mark.parametrize(("flow", "seconds", "volume"), [(100, 5, 0.5), (0, 5, 0), (1000, 1, 1)])
def test_slice_of_flow(flow: float, seconds: float, volume: float) -> None:
    """100 L/s for 5 s are 500 L."""
    assert water.slice_volume(flow, seconds) == pytest.approx(volume)


@pytest.mark.parametrize(("volume", "seconds", "flow"), [(60, 600, 100), (360, 3600, 100), (8640, 86400, 100)])
def test_mean_flow_of_ten_minutes_an_hour_and_a_day(volume: float, seconds: float, flow: float) -> None:
    assert water.mean_flow(volume, seconds) == pytest.approx(flow)


@pytest.mark.parametrize(("concentration", "flow", "rate"), [(50, 100, 18), (0, 100, 0), (0.5, 20, 0.036)])
def test_load_rate(concentration: float, flow: float, rate: float) -> None:
    """50 mg/L · 100 L/s = 5 g/s = 18 kg/h."""
    assert water.load_rate(concentration, flow) == pytest.approx(rate)


@pytest.mark.parametrize(("parts", "mean"), [([(50, 360), (20, 720)], 30), ([(50, 10)], 50), ([(0, 5), (60, 1)], 10)])
def test_weighted_mean_is_mass_by_volume(parts: list[tuple[float, float]], mean: float) -> None:
    """50 mg/L in 360 m3 and 20 mg/L in 720 m3: 18 + 14.4 kg in 1080 m3 = 30 mg/L."""
    mass = sum(water.load(concentration, volume) for concentration, volume in parts)
    assert water.weighted_mean(mass, sum(volume for _, volume in parts)) == pytest.approx(mean)


GOOD = {
    "ph": 7.5,
    "dissolved_oxygen": 8.0,
    "permanganate_index": 1.5,
    "ammonia_nitrogen": 0.1,
    "total_phosphorus": 0.02,
}


@pytest.mark.parametrize(
    ("changed", "name", "deciding"),
    [
        ({}, "I", tuple(GOOD)),
        ({"permanganate_index": 2.0}, "I", tuple(GOOD)),
        ({"permanganate_index": 2.01}, "II", ("permanganate_index",)),
        ({"ammonia_nitrogen": 1.0, "permanganate_index": 4.0}, "III", ("ammonia_nitrogen",)),
        ({"ammonia_nitrogen": 1.0, "permanganate_index": 6.0}, "III", ("permanganate_index", "ammonia_nitrogen")),
        ({"total_phosphorus": 0.3}, "IV", ("total_phosphorus",)),
        ({"dissolved_oxygen": 7.5}, "I", tuple(GOOD)),
        ({"dissolved_oxygen": 7.49}, "II", ("dissolved_oxygen",)),
        ({"dissolved_oxygen": 2.0}, "V", ("dissolved_oxygen",)),
        ({"dissolved_oxygen": 1.9}, "below V", ("dissolved_oxygen",)),
        ({"ammonia_nitrogen": 2.01}, "below V", ("ammonia_nitrogen",)),
        ({"ph": 9.0}, "I", tuple(GOOD)),
        ({"ph": 9.01}, "below V", ("ph",)),
        ({"total_nitrogen": 1.2}, "IV", ("total_nitrogen",)),
        ({"cod": 15.0}, "I", (*GOOD, "cod")),
        ({"bod5": 6.5}, "V", ("bod5",)),
    ],
)
def test_class_is_that_of_the_worst_factor(changed: dict[str, float], name: str, deciding: tuple[str, ...]) -> None:
    found = water.water_class({**GOOD, **changed})
    assert found is not None
    assert (found.name, found.deciding) == (name, deciding)


@pytest.mark.parametrize(
    ("phosphorus", "river", "lake"), [(0.02, "I", "II"), (0.1, "II", "IV"), (0.21, "IV", "below V")]
)
def test_phosphorus_is_judged_more_strictly_in_lakes(phosphorus: float, river: str, lake: str) -> None:
    sample = {"total_phosphorus": phosphorus}
    names = [one.name for one in (water.water_class(sample), water.water_class(sample, lake=True)) if one is not None]
    assert names == [river, lake]


def test_sample_without_a_factor_has_no_class() -> None:
    assert water.water_class({}) is None
