"""Checks, limits, thinning, watched parameters and contacts: what they tell, and that no value ever changes."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import Flag, Sample, Value
from gateway.domain.steps import StepKeys
from gateway.domain.windows import WindowKeys
from gateway.pipeline.flagging import flagged
from gateway.pipeline.pipeline import Passed, Pipeline
from gateway.pipeline.window_values import Windowed
from gateway.reading import Event, Reading

ZONE = ZoneInfo("Asia/Shanghai")
START = 1_764_000_000_000
S, MINUTE, HOUR = 1000, 60_000, 3_600_000


def keys(**more: Any) -> StepKeys:
    return StepKeys.model_validate(more, by_alias=True)


def pipeline(
    instrument: str = "cems", windows: WindowKeys | None = None, every_ms: int = 5000, **more: Any
) -> Pipeline:
    wanted = {instrument: Windowed(windows, ("so2",), every_ms)} if windows else {}
    return Pipeline(ZONE, wanted, {instrument: keys(**more)})


def reading(at_ms: int, so2: Value = 10.0, flag: str = "N", instrument: str = "cems", point: str = "so2") -> Reading:
    flags = {} if flag == "N" else {0: Flag(flag)}
    why = {} if flag == "N" else {0: "timeout: x"}
    return Reading(instrument, (point, "other"), START + at_ms + 50, 50, Sample((so2, 1.0), flags, why))


def told(events: list[Event]) -> list[tuple[str, Any]]:
    return [(event.kind, event.data) for event in events]


def only(passed: Passed) -> Reading:
    (one,) = passed.readings
    return one


# -- checks


def test_stuck_value_is_flagged_from_its_time_on_until_it_moves_and_never_altered() -> None:
    one = pipeline(checks={"so2": {"stuck": "60s"}})
    seen = [one.passed(reading(at * 20 * S)) for at in range(5)]
    assert [only(passed).sample.flags for passed in seen] == [{}, {}, {}, {0: Flag.FAULT}, {0: Flag.FAULT}]
    assert {only(passed).sample.values for passed in seen} == {(10.0, 1.0)}
    assert only(seen[4]).sample.why == {0: "stuck: 10 for 80 s"}
    assert told(seen[3].events) == [("check.stuck", {"value": 10.0, "since": START})]
    assert seen[4].events == []
    moved = one.passed(reading(100 * S, 10.1))
    assert only(moved).sample.flags == {}
    assert told(moved.events) == [("check.moved", {"value": 10.0, "from": START, "to": START + 100 * S})]


def test_flagged_sample_keeps_the_instruments_own_time() -> None:
    reading = Reading("one", ("a",), 5000, 0, Sample((1.0,), at_ms=4321))
    assert flagged(reading, [(0, Flag.FAULT, "stuck: for an hour")]).sample == Sample(
        (1.0,), {0: Flag.FAULT}, {0: "stuck: for an hour"}, at_ms=4321
    )


def test_missing_values_neither_move_a_stuck_one_nor_count_as_one() -> None:
    one = pipeline(checks={"so2": {"stuck": "60s"}})
    one.passed(reading(0))
    assert only(one.passed(reading(30 * S, None, "B"))).sample.flags == {0: Flag.COMMUNICATION}
    assert only(one.passed(reading(60 * S))).sample.flags == {0: Flag.FAULT}


@pytest.mark.parametrize(("value", "flagged"), [(110.0, False), (110.5, True), (-90.5, True), (-90.0, False)])
def test_jump_beyond_the_plausible_is_flagged_once_and_the_value_kept(value: float, flagged: bool) -> None:
    one = pipeline(checks={"so2": {"jump": 100}})
    one.passed(reading(0))
    jumped, after = one.passed(reading(5 * S, value)), one.passed(reading(10 * S, value))
    assert only(jumped).sample.values[0] == value
    assert (only(jumped).sample.flags == {0: Flag.FAULT}) is flagged
    assert [event.kind for event in jumped.events] == ["check.jumped"] * flagged
    assert only(after).sample.flags == {}


def test_samples_far_apart_are_not_compared() -> None:
    one = pipeline(checks={"so2": {"jump": 100, "jump_within": "10s"}})
    one.passed(reading(0))
    assert only(one.passed(reading(11 * S, 500.0))).sample.flags == {}


def test_check_may_only_tell_and_a_worse_flag_stays() -> None:
    one = pipeline(checks={"so2": {"stuck": "10s", "stuck_flag": "N", "jump": 5, "jump_flag": "M"}})
    one.passed(reading(0))
    quiet = one.passed(reading(20 * S))
    assert only(quiet).sample.flags == {}
    assert [event.kind for event in quiet.events] == ["check.stuck"]
    worse = one.passed(reading(25 * S, 99.0, "T"))
    assert only(worse).sample.flags == {0: Flag.OUT_OF_RANGE}


# -- limits


def steps_of(one: Pipeline, values: list[tuple[int, Value, str]]) -> list[tuple[str, Any]]:
    return [event for at, value, flag in values for event in told(one.passed(reading(at, value, flag)).events)]


def test_crossing_and_its_end_are_events_with_hysteresis() -> None:
    one = pipeline(limits=[{"point": "so2", "above": 35, "clear": 30, "why": "GB 13271"}])
    events = steps_of(
        one, [(0, 35.0, "N"), (5 * S, 35.1, "N"), (10 * S, 50.0, "N"), (15 * S, 31.0, "N"), (20 * S, 30.0, "N")]
    )
    assert events == [
        ("limit.exceeded", {"limit": "so2", "value": 35.1, "since": START + 5 * S, "above": 35.0, "why": "GB 13271"}),
        (
            "limit.cleared",
            {"limit": "so2", "value": 30.0, "from": START + 5 * S, "to": START + 20 * S, "worst": 50.0, "above": 35.0,
             "why": "GB 13271"},
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("seconds", "events"), [(59, 0), (60, 1), (61, 1)])
def test_delay_must_be_over_before_a_crossing_is_told(seconds: int, events: int) -> None:
    one = pipeline(limits=[{"point": "so2", "above": 35, "delay": "60s"}])
    assert len(steps_of(one, [(0, 40.0, "N"), (seconds * S, 40.0, "N")])) == events


def test_good_value_within_the_delay_begins_it_anew_and_flagged_ones_neither_begin_nor_end_it() -> None:
    one = pipeline(limits=[{"point": "so2", "above": 35, "delay": "60s"}])
    assert steps_of(one, [(0, 40.0, "N"), (30 * S, 20.0, "N"), (40 * S, 40.0, "N"), (90 * S, 40.0, "N")]) == []
    events = steps_of(one, [(95 * S, None, "B"), (97 * S, 1.0, "C"), (100 * S, 40.0, "N")])
    assert [kind for kind, _ in events] == ["limit.exceeded"]


def test_lower_limit_and_level() -> None:
    one = pipeline(limits=[{"point": "so2", "below": 6, "clear": 6.5, "level": "warning"}])
    events = [event for value in (6.0, 5.9, 6.2, 6.5) for event in one.passed(reading(int(value * 10), value)).events]
    assert [(event.kind, event.level) for event in events] == [("limit.exceeded", "warning"), ("limit.cleared", "info")]


def test_limit_of_a_window_judges_valid_means_and_is_revised_with_them() -> None:
    one = pipeline(
        windows=WindowKeys.model_validate({"system": "general", "periods": ["1m"], "grace": "0s"}),
        limits=[{"point": "so2", "above": 35, "of": "1m"}],
    )
    for number in range(12):
        one.entered(reading(number * 5 * S, 40.0))
    for number in range(12):
        one.entered(reading(MINUTE + number * 5 * S, 100.0, "C"))  # not valid: judged neither way
    _, events = one.due(START + 2 * MINUTE)
    assert told(events) == [
        (
            "limit.exceeded",
            {"limit": "so2.1m", "value": 40.0, "since": START, "above": 35.0, "start": START, "rev": 0, "of": "1m"},
        ),
    ]
    for number in range(12):
        one.entered(reading(number * 5 * S + 1, 20.0))
    _, events = one.due(START + 2 * MINUTE + S)
    assert told(events) == [
        (
            "limit.revised",
            {"limit": "so2.1m", "value": 30.0, "exceeded": False, "above": 35.0, "start": START, "rev": 1, "of": "1m"},
        ),
    ]


# -- deadband


def test_poll_that_says_nothing_new_stays_out_and_the_heartbeat_comes() -> None:
    one = pipeline(deadband={"points": {"so2": 0.5}, "heartbeat": "60s"})
    values = [10.0, 10.5, 9.5, 10.6, 10.6]
    passed = [one.passed(reading(at * 5 * S, value)) for at, value in enumerate(values)]
    assert [len(each.readings) for each in passed] == [1, 0, 0, 1, 0]
    assert [len(each.unchanged) for each in passed] == [0, 1, 1, 0, 1]
    assert len(one.passed(reading(15 * S + 59 * S, 10.6)).readings) == 0
    assert len(one.passed(reading(15 * S + 60 * S, 10.6)).readings) == 1


def test_nulls_and_changed_flags_are_always_told() -> None:
    one = pipeline(deadband={"points": {"so2": 0.5}})
    rows = [(0, 10.0, "N"), (5, 10.0, "C"), (10, 10.0, "C"), (15, None, "B"), (20, None, "B")]
    assert [len(one.passed(reading(at * S, value, flag)).readings) for at, value, flag in rows] == [1, 1, 0, 1, 1]


def test_nothing_is_thinned_where_it_is_not_wanted() -> None:
    one = pipeline(deadband={})
    assert [len(one.passed(reading(at), thin=False).readings) for at in (0, 5)] == [1, 1]
    assert len(one.passed(reading(10)).readings) == 1  # the first that may be thinned is the first to compare with


def test_true_is_not_one_within_a_deadband() -> None:
    one = pipeline(deadband={"points": {"so2": 5}})
    assert [len(one.passed(reading(at, value)).readings) for at, value in ((0, False), (1, True))] == [1, 1]


# -- watched parameters


def test_change_of_a_parameter_is_told_with_both_values_also_across_a_restart() -> None:
    one = pipeline(watch=["so2"])
    assert one.passed(reading(0, 500.0)).events == []
    assert one.passed(reading(1, None, "B")).events == []
    again = pipeline(watch=["so2"])
    again.restore(one.state())
    (event,) = again.passed(reading(2, 250.0)).events
    assert (event.kind, event.point, event.level, event.data) == (
        "parameter.changed", "so2", "warning", {"from": 500.0, "to": 250.0},
    )  # fmt: skip
    assert again.passed(reading(3, 250.0)).events == []


# -- contacts


def test_contact_of_another_instrument_marks_as_long_as_it_is_closed() -> None:
    one = Pipeline(ZONE, {}, {"cems": keys(marks=[{"when": "door/so2", "flag": "M", "who": "cabinet door"}])})
    assert only(one.passed(reading(0))).sample.flags == {}
    (opened,) = one.passed(reading(1, True, instrument="door")).events
    assert (opened.kind, opened.instrument, opened.data) == (
        "mark.set", "cems", {"flag": "M", "who": "cabinet door", "until": None},
    )  # fmt: skip
    marked = only(one.passed(reading(2, None, "B")))
    assert marked.sample.flags == {0: Flag.COMMUNICATION, 1: Flag.MAINTENANCE}
    assert marked.sample.why[1] == "marked: cabinet door"
    one.passed(reading(3, None, "B", instrument="door"))  # the contact itself is not known: it stays
    assert only(one.passed(reading(4))).sample.flags == {0: Flag.MAINTENANCE, 1: Flag.MAINTENANCE}
    (closed,) = one.passed(reading(5, False, instrument="door")).events
    assert (closed.kind, closed.data["since"]) == ("mark.ended", opened.ts_ms)
    assert only(one.passed(reading(6))).sample.flags == {}


def test_status_register_marks_single_points_of_its_own_instrument_but_not_itself() -> None:
    one = pipeline(marks=[{"when": "cems/so2", "equals": [1, 2], "flag": "C"}])
    assert only(one.passed(reading(0, 2))).sample.flags == {1: Flag.CALIBRATION}
    assert only(one.passed(reading(1, True))).sample.flags == {}, "true is not 1"


def test_open_contact_and_exceeded_limit_are_neither_told_twice_nor_forgotten_across_a_restart() -> None:
    wanted: dict[str, Any] = {
        "marks": [{"when": "cems/so2", "equals": [50.0], "flag": "C", "points": ["so2"]}],
        "limits": [{"point": "other", "below": 2}],
        "checks": {"other": {"stuck": "10s"}},
    }
    one = pipeline(**wanted)
    first = [event for at in (0, 10 * S) for event in one.passed(reading(at, 50.0)).events]
    assert [event.kind for event in first] == ["mark.set", "limit.exceeded", "check.stuck"]
    again = pipeline(**wanted)
    again.restore(one.state())
    assert again.passed(reading(20 * S, 50.0)).events == []
    assert [event.kind for event in again.passed(reading(30 * S, 1.0)).events] == ["mark.ended"]


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"v":1}', b'{"v":1,"instruments":{"cems":{"checks":[1]}}}'])
def test_what_is_no_kept_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="no kept state"):
        pipeline(checks={"so2": {"jump": 1}}).restore(state)


def test_instrument_without_steps_is_not_of_the_pipeline() -> None:
    one = pipeline(watch=["so2"])
    assert "cems" in one
    assert "other" not in one


@pytest.mark.parametrize(("db", "kinds"), [(60.0, []), (60.1, ["limit.exceeded"])])
def test_limit_of_the_day_level_judges_an_area_of_class_2(db: float, kinds: list[str]) -> None:
    windows = WindowKeys.model_validate({"system": "noise", "periods": ["1d"], "levels": ["so2"]})
    limits = [{"point": "so2", "of": "1d", "value": "ld", "above": 60, "why": "GB 3096 class 2"}]
    one = pipeline(windows=windows, every_ms=30_000, limits=limits)
    for minute in range(24 * 60):
        one.entered(reading(minute * MINUTE, db if 360 <= minute < 22 * 60 else 40.0))
        one.entered(reading(minute * MINUTE + 30 * S, 40.0 if not 360 <= minute < 22 * 60 else db))
    _, events = one.due(START + 24 * HOUR + 5 * S)
    assert [event.kind for event in events] == kinds
    assert all(event.data["limit"] == "so2.1d.ld" for event in events)
