"""The outlet of the shipped boiler house: numbers in, regulated numbers out, worked by hand."""

from pathlib import Path

import pytest

from drivers.contract import Sample, Value
from gateway.pipeline.pipeline import Pipeline
from gateway.processing import pipeline_of
from gateway.reading import Reading
from gateway.settings import load

SITE = Path(__file__).parents[2] / "config" / "sites" / "boiler_house.yaml"
START = 1_764_000_000_000


def read(pipeline: Pipeline, instrument: str, at_ms: int, values: dict[str, Value]) -> list[Reading]:
    points = {spec.id: tuple(point.id for point in spec.points) for spec in load(SITE).instruments}[instrument]
    sample = Sample(tuple(values.get(point, 0.0) for point in points))
    return pipeline.passed(Reading(instrument, points, START + at_ms, 0, sample, 1000 + at_ms / 1000)).readings


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of(load(SITE))


def test_outlet_of_the_boiler_house_gives_corrected_concentrations_flow_and_mass(pipeline: Pipeline) -> None:
    """136.5 °C: (273 + 136.5)/273 = 1.5; moisture 10 %; oxygen 11 %: (21 - 9)/(21 - 11) = 1.2.

    dust 6 wet: 6 · 1.5 / 0.9 = 10 dry, 12 corrected; so2 20: 24; nox 40: 48.
    flow: 3600 · 1.77 m2 · 10 m/s = 63720 m3/h wet; / 1.5 · 0.9 = 38232 dry; so2 20 · 38232 · 1e-6 = 0.76464 kg/h.
    """
    read(pipeline, "so2-analyser", 0, {"so2": 20.0})
    values: dict[str, Value] = {
        "nox": 40.0, "o2": 11.0, "dust": 6.0, "temperature": 136.5, "pressure": 0.0, "humidity": 10.0, "velocity": 10.0,
    }  # fmt: skip
    _, stack = read(pipeline, "cems", 1000, values)
    made = dict(zip(stack.points, stack.sample.values, strict=True))
    assert stack.sample.flags == {}
    assert made == pytest.approx(
        {
            "o2": 11, "so2_dry": 20, "nox_dry": 40, "dust_dry": 10, "so2_zs": 24, "nox_zs": 48, "dust_zs": 12,
            "flow": 38_232, "so2_mass": 0.76464, "nox_mass": 1.52928, "dust_mass": 0.38232,
        }
    )  # fmt: skip


def test_open_bypass_is_an_event_from_the_first_sample(pipeline: Pipeline) -> None:
    passed = pipeline.passed(Reading("damper", ("di1",), START, 0, Sample((True,))))
    assert [(event.kind, event.level, event.data["limit"]) for event in passed.events] == [
        ("limit.exceeded", "alarm", "bypass"),
    ]
