"""Ozone over eight hours, demand, batch analysers, classes of water: each with its edges."""

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from drivers.contract import Flag, Sample, Value
from gateway.domain.expression import parse
from gateway.domain.steps import StepKeys
from gateway.pipeline.derived import Derivation, Formula
from gateway.pipeline.pipeline import Pipeline
from gateway.pipeline.rolling import Rollings
from gateway.reading import Event, Reading, Window

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = 1_764_000_000_000
S, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


def keys(**more: Any) -> StepKeys:
    return StepKeys.model_validate(more, by_alias=True)


def again(one: Pipeline, other: Pipeline) -> Pipeline:
    """`other`, going on from the state of `one`."""
    other.restore(one.state())
    return other


# -- rolling means


def hour(number: int, mean: float | None, period: str = "1h", length: int = HOUR, rev: int = 0) -> Window:
    flag = "N" if mean is not None else "B"
    return Window("air", period, MIDNIGHT + number * length, rev, {"o3": {"mean": mean, "flag": flag}})


def ozone(**more: Any) -> Rollings:
    return Rollings("air", keys(rolling=[{"point": "o3", **more}]).rolling or (), ZONE)


def told(one: Rollings, *windows: Window) -> list[tuple[str, dict[str, Any]]]:
    return [(event.kind, dict(event.data)) for window in windows for event in one.look(window, 0)]


@pytest.mark.parametrize(
    ("means", "mean", "valid"),
    [
        ([10, 20, 30, 40, 50, 60, 70, 80], 45.0, 8),
        ([None, None, 30, 40, 50, 60, 70, 80], 55.0, 6),
        ([None, None, None, 40, 50, 60, 70, 80], None, 5),
    ],
)
def test_eight_hours_of_ozone_want_six_valid_ones(means: list[float | None], mean: float | None, valid: int) -> None:
    events = told(ozone(), *(hour(number, value) for number, value in enumerate(means)))
    kind, last = events[-1]
    assert (kind, last["mean"], last["valid"]) == ("window.rolling", mean, valid)
    assert (last["start"], last["end"], last["count"]) == (MIDNIGHT, MIDNIGHT + 8 * HOUR, 8)


def test_revised_hour_revises_the_spans_that_have_it() -> None:
    one = ozone()
    told(one, *(hour(number, 10.0) for number in range(10)))
    events = told(one, hour(1, 90.0, rev=1))
    assert {data["end"]: data["mean"] for _, data in events} == pytest.approx(
        {MIDNIGHT + end * HOUR: 20.0 if end >= 8 else (10.0 * (end - 1) + 90) / end for end in range(6, 10)}
    )
    assert told(one, hour(1, 90.0, rev=2)) == []


def test_highest_eight_hours_of_a_day_lie_within_it() -> None:
    """The highest hours, before 3 o'clock, belong to spans of the day before but for the one from 0 to 8."""
    one = ozone()
    values = [100.0] * 3 + [20.0] * 9 + [60.0] * 8 + [20.0] * 4
    events = told(one, hour(-1, 300.0), *(hour(number, value) for number, value in enumerate(values)), hour(24, 5.0))
    (peak,) = [data for kind, data in events if kind == "window.peak" and data["day"] == "2025-11-25"]
    assert (peak["peak"], peak["start"], peak["spans"]) == (60.0, MIDNIGHT + 12 * HOUR, 17)


def test_demand_of_an_electricity_meter_is_the_highest_quarter_of_an_hour() -> None:
    one = ozone(of="15m", count=1, least=1, id="demand")
    quarter = 15 * MINUTE
    rows = [hour(number, 80.0 if number == 40 else 50.0, "15m", quarter) for number in range(97)]
    (event,) = [data for kind, data in told(one, *rows)]
    assert (event["name"], event["peak"], event["start"], event["day"]) == (
        "demand", 80.0, MIDNIGHT + 40 * quarter, "2025-11-25",
    )  # fmt: skip


def test_rolling_means_go_on_across_a_restart() -> None:
    one = ozone()
    told(one, *(hour(number, 40.0) for number in range(7)))
    other = ozone()
    other.restore(orjson.loads(orjson.dumps(one.state())))
    (event,) = told(other, hour(7, 80.0))
    assert event[1]["mean"] == 45.0


def test_rule_that_can_never_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="never valid"):
        keys(rolling=[{"point": "o3", "count": 2}])


# -- batch analysers


def analyser(at_ms: int, cod: Value, state: Value = 0, flag: str = "N") -> Reading:
    flags = {} if flag == "N" else {0: Flag(flag)}
    why = {} if flag == "N" else {0: "x"}
    return Reading("cod", ("cod", "state"), MIDNIGHT + at_ms, 0, Sample((cod, state), flags, why), 1000 + at_ms / 1000)


def results(one: Pipeline, *readings: Reading) -> list[Event]:
    return [event for reading in readings for event in one.passed(reading).events if event.kind == "batch.result"]


def test_result_is_told_once_with_the_time_of_its_sample_also_across_a_restart() -> None:
    def made() -> Pipeline:
        return Pipeline(ZONE, {}, {"cod": keys(batch={"points": ["cod"], "state": "state", "measuring": [1, 2]})})

    one = made()
    assert results(one, analyser(0, 30.0), analyser(MINUTE, 30.0, 1), analyser(2 * MINUTE, 30.0, 2)) == []
    one = again(one, made())
    (event,) = results(one, analyser(3 * MINUTE, 30.0, None), analyser(40 * MINUTE, 30.0), analyser(41 * MINUTE, 30.0))
    assert event.data == {"values": {"cod": 30.0}, "flags": {}, "sampled": MIDNIGHT + MINUTE}, "the same value is new"


def test_without_a_state_a_changed_value_is_a_result_with_its_flag() -> None:
    one = Pipeline(ZONE, {}, {"cod": keys(batch={"points": ["cod"]})})
    events = results(one, analyser(0, 30.0), analyser(1, 30.0), analyser(2, None, flag="B"), analyser(3, 30.0))
    assert events == []
    (event,) = results(one, analyser(4, 31.0, flag="C"))
    assert event.data == {"values": {"cod": 31.0}, "flags": {"cod": "C"}}


def test_state_and_measuring_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        keys(batch={"points": ["cod"], "measuring": [1]})


def test_result_is_held_for_loads_until_the_next_one_but_not_for_ever() -> None:
    """COD 50 mg/L at 100 L/s: 18 kg/h, every 5 s, also while the analyser is silent or calibrates."""
    derivation = Derivation(
        "outlet", "flow", {"c": ("cod", "cod"), "q": ("flow", "q")}, {},
        (Formula("load", parse("c * q * 3600 * 1e-6")),), 30_000, {"c": 5 * HOUR},
    )  # fmt: skip
    one = Pipeline(ZONE, {}, {}, [derivation])

    def load(at_ms: int) -> tuple[Value, dict[int, Flag]]:
        flow = Reading("flow", ("q",), MIDNIGHT + at_ms, 0, Sample((100.0,)), 1000 + at_ms / 1000)
        made = one.passed(flow).readings[-1]
        return made.sample.values[0], dict(made.sample.flags)

    assert load(0) == (None, {0: Flag.COMMUNICATION})
    one.passed(analyser(5 * S, 50.0))
    assert load(10 * S) == (pytest.approx(18.0), {})
    one.passed(analyser(HOUR, 400.0, flag="C"))
    one.passed(analyser(2 * HOUR, None, flag="B"))
    assert load(5 * HOUR) == (pytest.approx(18.0), {})
    assert load(5 * HOUR + 6 * S) == (None, {0: Flag.COMMUNICATION})


# -- classes of water

FACTORS = {"permanganate_index": "codmn", "ammonia_nitrogen": "nh3", "dissolved_oxygen": "do"}


def section(**more: Any) -> Pipeline:
    return Pipeline(ZONE, {}, {"section": keys(water_class={"factors": FACTORS, **more})})


def sample(at_ms: int, codmn: Value = 3.0, nh3: Value = 0.4, do: Value = 8.0, flag: str = "N") -> Reading:
    flags = {} if flag == "N" else {1: Flag(flag)}
    why = {} if flag == "N" else {1: "x"}
    return Reading("section", ("codmn", "nh3", "do"), MIDNIGHT + at_ms, 0, Sample((codmn, nh3, do), flags, why))


def classes(one: Pipeline, *readings: Reading) -> list[dict[str, Any]]:
    return [dict(event.data) for reading in readings for event in one.passed(reading).events]


def test_class_is_told_every_four_hours_from_midnight_with_the_deciding_factor() -> None:
    one = section()
    events = classes(one, *(sample(hour * HOUR, codmn=5.0 if hour == 3 else 3.0) for hour in range(9)))
    assert [(event["from"], event["to"], event["class"]) for event in events] == [
        (MIDNIGHT, MIDNIGHT + 4 * HOUR, "III"),
        (MIDNIGHT + 4 * HOUR, MIDNIGHT + 8 * HOUR, "II"),
    ]
    assert events[0]["deciding"] == ["permanganate_index"]
    assert events[0]["factors"]["ammonia_nitrogen"] == {"value": 0.4, "class": "II"}


def test_doubtful_and_old_values_are_missing_from_the_sample() -> None:
    one = section(max_age="2h")
    rows = [sample(0), *(sample(at * HOUR, None, 9.9, 8.0, "C") for at in (1, 2, 3, 4))]
    (event,) = classes(one, *rows)
    assert (event["class"], event["missing"]) == ("I", ["permanganate_index", "ammonia_nitrogen"])


def test_sample_without_any_value_has_no_class() -> None:
    one = section()
    (event,) = classes(one, *(sample(at * HOUR, None, None, None) for at in range(5)))
    assert (event["class"], len(event["missing"])) == (None, 3)


@pytest.mark.parametrize(("target", "level", "exceeded"), [("II", "info", False), ("I", "warning", True)])
def test_worse_class_than_the_target_is_a_warning(target: str, level: str, exceeded: bool) -> None:
    one = section(target=target)
    one.passed(sample(0))
    (event,) = one.passed(sample(4 * HOUR)).events
    assert (event.level, event.data["exceeded"]) == (level, exceeded)


def test_cycle_goes_on_across_a_restart() -> None:
    one = section()
    one.passed(sample(HOUR))
    (event,) = classes(again(one, section()), sample(4 * HOUR, 1.0))
    assert (event["class"], event["from"]) == ("II", MIDNIGHT)
