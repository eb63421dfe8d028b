"""Calculated instruments: values, flags that come with their inputs, and what happens without one."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.contract import Flag, Sample, Value
from gateway.domain.expression import parse
from gateway.domain.functions import FUNCTIONS
from gateway.domain.steps import StepKeys
from gateway.pipeline.derived import Derivation, Formula
from gateway.pipeline.pipeline import Pipeline
from gateway.reading import Reading

START = 1_764_000_000_000


def stack(**steps: Any) -> Pipeline:
    formulas = tuple(
        Formula(name, parse(text, FUNCTIONS), limits)
        for name, text, limits in (
            ("so2_dry", "dry(so2, moisture)", None),
            ("so2_zs", "oxygen_corrected(so2_dry, o2, reference)", (0.0, 100.0)),
            ("running", "o2 < 19", None),
        )
    )
    inputs = {"so2": ("analyser", "so2"), "o2": ("cems", "o2"), "moisture": ("cems", "moisture")}
    derivation = Derivation("stack", "cems", inputs, {"reference": 9.0}, formulas, 30_000)
    return Pipeline(
        ZoneInfo("UTC"), {}, {"stack": StepKeys.model_validate(steps, by_alias=True)} if steps else {}, [derivation]
    )


def analyser(at_ms: int, so2: Value = 27.0, flag: str = "N") -> Reading:
    flags, why = ({}, {}) if flag == "N" else ({0: Flag(flag)}, {0: "crc: 00"})
    return Reading("analyser", ("so2",), START + at_ms, 0, Sample((so2,), flags, why), 100 + at_ms / 1000)


def cems(at_ms: int, o2: Value = 11.0, moisture: Value = 10.0, flags: dict[int, Flag] | None = None) -> Reading:
    why = dict.fromkeys(flags or {}, "marked: li.wei")
    return Reading(
        "cems", ("o2", "moisture"), START + at_ms, 7, Sample((o2, moisture), flags or {}, why), 100 + at_ms / 1000
    )


def made(one: Pipeline, *readings: Reading) -> Reading:
    (_, result) = [one.passed(reading) for reading in readings][-1].readings
    return result


def test_values_are_calculated_one_from_the_other_with_the_stamp_of_the_poll_they_go_with() -> None:
    """27 / 0.9 = 30; 30 · (21 - 9)/(21 - 11) = 36."""
    result = made(stack(), analyser(0), cems(5000))
    assert (result.instrument, result.points) == ("stack", ("so2_dry", "so2_zs", "running"))
    assert result.sample.values == (30.0, 36.0, True)
    assert result.sample.flags == {}
    assert (result.ts_ms, result.lag_ms, result.monotonic_s) == (START + 5000, 7, 105.0)


def test_only_polls_of_the_instrument_it_goes_with_make_a_sample() -> None:
    assert [reading.instrument for reading in stack().passed(analyser(0)).readings] == ["analyser"]


def test_missing_input_makes_nulls_with_its_own_flag_and_reason_of_what_needs_it_alone() -> None:
    result = made(stack(), analyser(0, None, "B"), cems(5000))
    assert result.sample.values == (None, None, True)
    assert result.sample.flags == {0: Flag.COMMUNICATION, 1: Flag.COMMUNICATION}
    assert result.sample.why[1] == "crc: 00"


def test_doubtful_input_makes_a_value_with_the_worst_of_the_flags() -> None:
    result = made(stack(), analyser(0, 27.0, "T"), cems(5000, flags={0: Flag.CALIBRATION}))
    assert result.sample.values[1] == 36.0
    assert result.sample.flags == {0: Flag.OUT_OF_RANGE, 1: Flag.OUT_OF_RANGE, 2: Flag.CALIBRATION}
    assert result.sample.why[0] == "crc: 00 (analyser/so2)"


def test_input_that_is_too_old_or_never_came_is_no_value() -> None:
    assert made(stack(), analyser(0), cems(30_000)).sample.values[0] == 30.0
    old = made(stack(), analyser(0), cems(30_001))
    assert (old.sample.values[0], old.sample.why[0]) == (None, "invalid: analyser/so2 is 30.001 s old")
    never = made(stack(), cems(0))
    assert never.sample.why[0] == "invalid: nothing was read of analyser/so2 yet"


def test_step_of_the_wall_clock_makes_no_input_old() -> None:
    late = analyser(0)
    stepped = Reading("cems", ("o2", "moisture"), START + 7_200_000, 0, Sample((11.0, 10.0)), 101.0)
    assert made(stack(), late, stepped).sample.values[0] == 30.0


def test_value_beyond_its_plausible_range_is_kept_and_flagged() -> None:
    """30 · 12/(21 - 19.9) is far above 100, the range of this point."""
    result = made(stack(), analyser(0), cems(5000, 19.9))
    assert result.sample.values[1] == pytest.approx(30 * 12 / 1.1)
    assert result.sample.flags == {1: Flag.OUT_OF_RANGE}


@pytest.mark.parametrize("o2", [20.0, 20.9, 21.0])
def test_oxygen_at_the_guard_gives_no_corrected_value_and_says_so(o2: float) -> None:
    result = made(stack(), analyser(0), cems(5000, o2))
    assert (result.sample.values[1], result.sample.flags) == (None, {1: Flag.FAULT})
    assert result.sample.why[1].startswith(f"invalid: so2_zs: oxygen of {o2:g} % is at or above the guard")


def test_text_where_a_number_is_wanted_is_a_fault() -> None:
    assert made(stack(), analyser(0, "calibrating"), cems(0)).sample.flags[0] == Flag.FAULT


def test_steps_of_a_calculated_instrument_work_as_of_any_other() -> None:
    one = stack(limits=[{"point": "so2_zs", "above": 35}])
    one.passed(analyser(0))
    assert [event.kind for event in one.passed(cems(5000)).events] == ["limit.exceeded"]
