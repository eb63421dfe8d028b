"""GB 20952-2020 rules A to G: each at its edges, across days, restarts and gaps."""

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from drivers.contract import Flag, Sample, Value
from gateway.domain.vapour_recovery import PRESETS, VapourKeys
from gateway.pipeline.vapour_recovery import VapourRecovery
from gateway.reading import Event, Reading

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = 1_764_000_000_000  # 2025-11-25 begins in Shanghai
S, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
NOZZLE = {
    "nozzle": "1", "fuel": "box/fuel", "vapour": "box/vapour", "seconds": "box/time",
    "fuel_litres": 0.01, "vapour_litres": 0.01,
}  # fmt: skip


def keys(**more: Any) -> VapourKeys:
    wanted = {"nozzles": [NOZZLE], "tank": "tank/p", "valve_positive_pa": 3000, "valve_negative_pa": -1500, **more}
    return VapourKeys.model_validate(wanted, by_alias=True)


def station(**more: Any) -> VapourRecovery:
    return VapourRecovery(keys(**more), ZONE, {"tank": 1000.0})


def again(one: VapourRecovery, **more: Any) -> VapourRecovery:
    """As after a restart."""
    other = station(**more)
    other.restore(orjson.loads(orjson.dumps(one.state())))
    return other


def box(at_ms: int, fuel: float, vapour: float, seconds: float = 60, flag: str = "N") -> Reading:
    """Litres, as pulses of 0.01 L."""
    flags, why = ({}, {}) if flag == "N" else ({0: Flag(flag)}, {0: "x"})
    sample = Sample((round(fuel * 100), round(vapour * 100), seconds), flags, why)
    return Reading("box", ("fuel", "vapour", "time"), MIDNIGHT + at_ms + 30, 30, sample)


def sensor(name: str, at_ms: int, value: Value, point: str = "p") -> Reading:
    if value is None:
        return Reading(name, (point,), MIDNIGHT + at_ms, 0, Sample.nothing(1, "timeout: no answer in 1.0 s"))
    return Reading(name, (point,), MIDNIGHT + at_ms, 0, Sample((value,)))


def fuellings(one: VapourRecovery, at_ms: int, *ratios: float) -> list[Event]:
    """So many fuellings of 20 L and a bit (so that counts differ), a minute apart."""
    events: list[Event] = []
    for number, ratio in enumerate(ratios):
        fuel = 20 + (at_ms // DAY) % 7 + number / 10
        events += one.look(box(at_ms + number * MINUTE, fuel, fuel * ratio))
    return events


def days(one: VapourRecovery, *ratios_of_days: tuple[float, ...], first: int = 0) -> list[dict[str, Any]]:
    """The judgement of each day, told a minute after its midnight."""
    told: list[dict[str, Any]] = []
    for number, ratios in enumerate(ratios_of_days, first):
        one.due(MIDNIGHT + number * DAY)
        fuellings(one, number * DAY + 8 * HOUR, *ratios)
        assert one.due(MIDNIGHT + (number + 1) * DAY + MINUTE - 1) == []
        events = one.due(MIDNIGHT + (number + 1) * DAY + MINUTE)
        told += [dict(event.data) for event in events if event.kind == "vapour.day"]
    return told


# -- fuelling records


def test_record_is_an_event_with_litres_ratio_and_speeds() -> None:
    """2778 and 2860 pulses of 0.01 L in 53 s: 27.78 L, 28.6 L, ratio 1.0295, 31.45 and 32.38 L/min."""
    one = station()
    assert one.look(box(0, 10, 10)) == []  # what stood there at the first start
    (event,) = one.look(box(5 * S, 27.78, 28.60, 53))
    assert (event.kind, event.instrument, event.level) == ("vapour.fuelling", "vapour-recovery", "info")
    assert event.data == pytest.approx(
        {
            "nozzle": "1", "fuel": 27.78, "vapour": 28.60, "ratio": 28.60 / 27.78, "seconds": 53.0,
            "fuel_speed": 60 * 27.78 / 53, "vapour_speed": 60 * 28.6 / 53, "judged": True, "outside": False,
            "rule": "A", "version": "gb20952/1",
        }
    )  # fmt: skip
    assert one.look(box(10 * S, 27.78, 28.60, 53)) == []


def test_record_is_new_when_the_fuel_changed_and_only_then_unless_asked_otherwise() -> None:
    for detect, found in (("fuel", 0), ("record", 1)):
        one = station(nozzles=[{**NOZZLE, "detect": detect}])
        one.look(box(0, 30, 30))
        assert len(one.look(box(5 * S, 30, 31))) == found


def test_same_count_twice_is_two_fuellings_where_the_controller_says_fresh() -> None:
    one = station(nozzles=[{**NOZZLE, "fresh": "box/old"}])
    found = []
    for at, old in enumerate((1, 1, 0, 0, 1, 0)):  # 0 is fresh
        sample = Sample((3000, 3000, 60, old))
        found.append(len(one.look(Reading("box", ("fuel", "vapour", "time", "old"), MIDNIGHT + at * S, 0, sample))))
        one = again(one, nozzles=[{**NOZZLE, "fresh": "box/old"}])
    assert found == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("reading", [box(5 * S, 0, 0), sensor("box", 5 * S, None, "fuel")])
def test_cleared_count_and_missing_answer_are_no_fuelling(reading: Reading) -> None:
    one = station()
    one.look(box(0, 30, 30))
    if reading.points == ("fuel",):
        reading = Reading("box", ("fuel", "vapour", "time"), reading.ts_ms, 0, Sample.nothing(3, "timeout: x"))
    assert one.look(reading) == []
    # the same record after a missing answer is the same fuelling
    assert len(one.look(box(10 * S, 30, 30))) == (0 if reading.sample.values[0] is None else 1)


@pytest.mark.parametrize(
    ("fuel", "ratio", "seconds", "flag", "judged", "why"),
    [
        (15.0, 1.0, 30, "N", True, None),
        (14.99, 1.0, 30, "N", False, "less than 15 L"),
        (20.0, 0.5, 121, "N", False, "slow dispenser"),  # 9.9 L/min
        (20.0, 0.5, 120, "N", True, None),  # 10.0 L/min
        (20.0, 1.0, 300, "N", True, None),  # slow, and good all the same
        (20.0, 1.0, 30, "M", False, "flag M"),
    ],
)
def test_fuelling_counts_for_rule_a_only_when_it_is_fit_to(
    fuel: float, ratio: float, seconds: float, flag: str, judged: bool, why: str | None
) -> None:
    one = station()
    one.look(box(0, 1, 1))
    (event,) = one.look(box(5 * S, fuel, fuel * ratio, seconds, flag))
    assert (event.data["judged"], event.data.get("why")) == (judged, why)


def test_little_vapour_is_told_as_a_fault_of_the_pump() -> None:
    one = station()
    one.look(box(0, 1, 1))
    (event,) = one.look(box(5 * S, 30, 4.9, 30))  # 9.8 L/min of vapour
    assert (event.data["fault"], event.data["judged"]) == ("vapour pump", True)


def test_record_made_while_nothing_ran_is_told_once_after_the_restart() -> None:
    one = station()
    one.look(box(0, 30, 30))
    other = again(one)
    assert len(other.look(box(HOUR, 31, 31))) == 1
    assert again(other).look(box(HOUR + 5 * S, 31, 31)) == []


# -- rule A

GOOD, LOW, HIGH = 1.0, 0.89, 1.31


@pytest.mark.parametrize(("ratio", "outside"), [(0.90, False), (0.895, True), (1.30, False), (1.305, True)])
def test_band_includes_its_ends(ratio: float, outside: bool) -> None:
    one = station()
    one.look(box(0, 1, 1))
    (event,) = one.look(box(5 * S, 20, 20 * ratio))
    assert event.data["outside"] is outside


@pytest.mark.parametrize(
    ("ratios", "state", "share"),
    [
        ((GOOD,) * 4, "N", None),
        ((GOOD,) * 5, "0", 0.0),
        ((LOW, GOOD, GOOD, GOOD, GOOD), "0", 0.2),
        ((LOW, HIGH, *(GOOD,) * 6), "0", 0.25),  # exactly 25 % is no warning
        ((LOW, HIGH, *(GOOD,) * 5), "1", 2 / 7),
        ((LOW,) * 5, "1", 1.0),
        ((), "N", None),
    ],
)
def test_day_of_a_nozzle_is_judged_at_midnight(ratios: tuple[float, ...], state: str, share: float | None) -> None:
    one = station()
    one.look(box(0, 1, 1))
    (day,) = days(one, ratios)
    assert (day["day"], day["state"], day.get("share")) == ("2025-11-25", state, share)
    assert (day["fuellings"], day["version"]) == (len(ratios), "gb20952/1")


def test_days_below_five_fuellings_are_merged_with_those_that_follow() -> None:
    """2 + 2 + 1 fuellings, two of them outside: 40 %."""
    one = station()
    one.look(box(0, 1, 1))
    first, second, third = days(one, (LOW, GOOD), (LOW, GOOD), (GOOD,))
    assert [day["state"] for day in (first, second, third)] == ["N", "N", "1"]
    assert (third["fuellings"], third["share"], third["merged"]) == (5, 0.4, ["2025-11-25", "2025-11-26"])
    (next_day,) = days(one, (GOOD,) * 5, first=3)
    assert (next_day["fuellings"], next_day["merged"], next_day["state"]) == (5, [], "0")


@pytest.mark.parametrize("restart_after", [None, 2, 4])
def test_warning_on_five_days_in_a_row_is_an_alarm_also_across_a_restart(restart_after: int | None) -> None:
    one = station()
    one.look(box(0, 1, 1))
    states = []
    for number in range(6):
        states += [day["state"] for day in days(one, (LOW,) * 5, first=number)]
        if number == restart_after:
            one = again(one)
    assert states == ["1", "1", "1", "1", "2", "2"]


def test_good_day_ends_the_row_and_a_day_without_judgement_does_not() -> None:
    one = station()
    one.look(box(0, 1, 1))
    bad, good, few = (LOW,) * 5, (GOOD,) * 5, (LOW,)
    told = days(one, bad, bad, bad, bad, good, bad)
    assert [day["days"] for day in told] == [1, 2, 3, 4, 0, 1]
    other = station()
    other.look(box(0, 1, 1))
    assert [day["state"] for day in days(other, bad, bad, few, bad, bad, bad)] == ["1", "1", "N", "1", "1", "2"]


def test_day_across_a_restart_counts_the_fuellings_of_both_halves() -> None:
    one = station()
    one.look(box(0, 1, 1))
    fuellings(one, 8 * HOUR, LOW, LOW, GOOD)
    other = again(one)
    fuellings(other, 12 * HOUR, GOOD, GOOD)
    (day,) = [event.data for event in other.due(MIDNIGHT + DAY + MINUTE)]
    assert (day["fuellings"], day["outside"]) == (5, 2)


def test_day_that_ended_while_nothing_ran_is_judged_after_the_restart() -> None:
    one = station()
    one.look(box(0, 1, 1))
    fuellings(one, 8 * HOUR, *(LOW,) * 5)
    (day,) = again(one).due(MIDNIGHT + 3 * DAY + 5 * HOUR)
    assert (day.data["day"], day.data["state"]) == ("2025-11-25", "1")


def test_clock_far_ahead_and_back_does_not_stop_the_days() -> None:
    one = station()
    one.look(box(0, 1, 1))
    one.due(MIDNIGHT + 400 * DAY)
    one.due(MIDNIGHT + 8 * HOUR)
    (day,) = days(one, (LOW,) * 5)
    assert (day["day"], day["state"]) == ("2025-11-25", "1")


# -- the other rules


def rule(events: list[Event], name: str) -> list[str]:
    return [event.data["state"] for event in events if event.kind == "vapour.rule" and event.data["rule"] == name]


def pressures(one: VapourRecovery, pa: float, from_ms: int, to_ms: int, step_ms: int = 5 * MINUTE) -> list[Event]:
    """The transmitter gives kPa."""
    return [
        event for at in range(from_ms, to_ms + 1, step_ms) for event in one.look(sensor("tank", at, pa / 1000))
    ]  # fmt: skip


@pytest.mark.parametrize(("pa", "hours", "states"), [(50, 11.9, []), (50, 12, ["1"]), (-50, 12, ["1"]), (51, 24, [])])
def test_b_zero_pressure_for_twelve_hours_is_a_warning(pa: float, hours: float, states: list[str]) -> None:
    assert rule(pressures(station(), pa, 0, round(hours * HOUR)), "B") == states


def test_b_one_other_pressure_begins_it_anew_and_ends_a_warning() -> None:
    one = station()
    pressures(one, 0, 0, 11 * HOUR)
    pressures(one, 80, 11 * HOUR + MINUTE, 11 * HOUR + MINUTE)
    assert rule(pressures(one, 0, 12 * HOUR, 23 * HOUR), "B") == []
    assert rule(pressures(one, 0, 23 * HOUR, 24 * HOUR), "B") == ["1"]
    assert rule(pressures(one, 51, 25 * HOUR, 25 * HOUR), "B") == ["0"]


def test_b_fifth_day_in_a_row_is_an_alarm_also_across_a_restart() -> None:
    one = station()
    events = pressures(one, 10, 0, 2 * DAY)
    one = again(one)
    events += pressures(one, 10, 2 * DAY + 5 * MINUTE, 5 * DAY)
    alarms = [event for event in events if rule([event], "B") == ["2"]]
    assert rule(events, "B") == ["1", "2"]
    assert alarms[0].ts_ms == MIDNIGHT + 4 * DAY, "days 1 to 4 are in warning, day 5 begins in it"
    assert alarms[0].data["days"] == 5


@pytest.mark.parametrize(("gap_minutes", "states"), [(10, ["1"]), (11, [])])
def test_b_continuously_does_not_reach_over_a_long_gap(gap_minutes: int, states: list[str]) -> None:
    one = station()
    events = pressures(one, 0, 0, 6 * HOUR)
    events += pressures(one, 0, 6 * HOUR + gap_minutes * MINUTE, 12 * HOUR + 8 * MINUTE, MINUTE)
    assert rule(events, "B") == states


@pytest.mark.parametrize(("pa", "states"), [(3200, []), (3201, ["1"]), (-1700, []), (-1701, ["1"]), (0, [])])
def test_c_pressure_beyond_the_valve_is_a_warning_at_once(pa: float, states: list[str]) -> None:
    assert rule(pressures(station(), pa, 0, 0), "C") == states


@pytest.mark.parametrize(("seconds", "states"), [(299, ["1"]), (300, ["1", "2"])])
def test_c_for_five_minutes_is_an_alarm_and_it_ends(seconds: int, states: list[str]) -> None:
    one = station()
    events = pressures(one, 3300, 0, 295 * S, 5 * S) + pressures(one, 3300, seconds * S, seconds * S)
    assert rule(events, "C") == states
    assert rule(pressures(one, 3000, 305 * S, 305 * S), "C") == ["0"]


def test_c_is_not_judged_without_the_settings_of_the_valve() -> None:
    one = station(valve_positive_pa=None, valve_negative_pa=None)
    assert rule(pressures(one, 9000, 0, HOUR), "C") == []


@pytest.mark.parametrize(("hours", "states"), [(6, ["0"]), (7, ["1"])])
def test_d_is_off_and_judges_the_share_of_the_day_where_it_is_on(hours: int, states: list[str]) -> None:
    """600 Pa; 6 of 24 hours are exactly 25 %."""
    for on in (False, True):
        one = station(parameters={"high": on})
        events = pressures(one, 601, 0, hours * HOUR - 1) + pressures(one, 600, hours * HOUR, DAY - 1)
        events += one.due(MIDNIGHT + DAY + MINUTE)
        assert rule(events, "D") == (states if on else [])


def test_d_on_the_fifth_day_is_an_alarm() -> None:
    one = station(parameters={"high": True})
    events = [event for day in range(5) for event in pressures(one, -1001, day * DAY, (day + 1) * DAY - 1)]
    events += one.due(MIDNIGHT + 5 * DAY + MINUTE)
    assert rule(events, "D") == ["1", "1", "1", "1", "2"]


LINE = {"line": "line/p", "speed": "far/q", "parameters": {"resistance": True}}


@pytest.mark.parametrize(
    ("speed", "line_pa", "states"),
    [
        (30, 106.5, []),  # 5.75 · 30 - 66 = 106.5
        (30, 107.0, ["1"]),
        (20, 900.0, []),  # not judged up to 20 L/min
        (40, 164.5, ["1"]),  # 5.75 · 40 - 66 = 164
    ],
)
def test_e_resistance_of_the_line_is_judged_with_much_vapour(speed: float, line_pa: float, states: list[str]) -> None:
    one = VapourRecovery(keys(**LINE), ZONE, {"tank": 1.0, "line": 1.0})
    one.look(sensor("tank", 0, 0.0))
    one.look(sensor("far", 0, speed, "q"))
    assert rule(one.look(sensor("line", S, line_pa)), "E") == states


def test_e_for_an_hour_is_an_alarm_and_it_is_off_by_default() -> None:
    for wanted, states in (({**LINE, "parameters": {}}, []), (LINE, ["1", "2"])):
        one = VapourRecovery(keys(**wanted), ZONE, {"tank": 1.0, "line": 1.0})
        events: list[Event] = []
        for minute in range(61):
            at = minute * MINUTE
            for name, value, point in (("tank", 0.0, "p"), ("far", 38.0, "q"), ("line", 400.0, "p")):
                events += one.look(sensor(name, at, value, point))
        assert rule(events, "E") == states


@pytest.mark.parametrize(("readings", "states"), [(2, []), (3, ["1"]), (30, ["1"]), (31, ["1", "2"])])
def test_f_outlet_above_its_limit_three_times_is_a_warning_and_for_five_minutes_an_alarm(
    readings: int, states: list[str]
) -> None:
    """Every 10 s: 31 readings are 300 s."""
    one = station(outlet="out/c")
    events = [event for number in range(readings) for event in one.look(sensor("out", number * 10 * S, 25.1, "c"))]
    assert rule(events, "F") == states
    assert rule(one.look(sensor("out", DAY, 25.0, "c")), "F") == (["0"] if states else [])


def test_f_limit_is_stricter_in_beijing() -> None:
    one = station(outlet="out/c", rules="beijing")
    events = [event for number in range(3) for event in one.look(sensor("out", number * 10 * S, 20.1, "c"))]
    assert rule(events, "F") == ["1"]
    assert events[0].data["version"] == "beijing/1"


@pytest.mark.parametrize(("limit", "states"), [(None, []), (25, ["1"])])
def test_unloading_area_is_judged_where_a_limit_is_given(limit: float | None, states: list[str]) -> None:
    one = station(unloading="pit/lel", parameters={} if limit is None else {"unloading_limit": limit})
    assert rule(one.look(sensor("pit", 0, 26.0, "lel")), "U") == states


def test_g_three_polls_without_a_value_are_a_fault_until_one_comes() -> None:
    one = station()
    events = [event for number in range(4) for event in one.look(sensor("tank", number * S, None))]
    assert rule(events, "G") == ["1"]
    assert events[0].data["why"] == "timeout: no answer in 1.0 s"
    one = again(one)
    assert rule(one.look(sensor("tank", 5 * S, None)), "G") == []
    assert rule(one.look(sensor("tank", 6 * S, 0.3)), "G") == ["0"]
    assert rule(one.look(sensor("tank", 7 * S, None)), "G") == []


def test_flagged_values_are_not_judged() -> None:
    one = station()
    sample = Sample((9.0,), {0: Flag.CALIBRATION}, {0: "marked: li.wei"})
    assert one.look(Reading("tank", ("p",), MIDNIGHT, 0, sample)) == []


# -- versions


def test_version_tells_the_preset_and_whether_a_parameter_differs() -> None:
    assert keys().version == "gb20952/1"
    assert keys(rules="monitor2020").version == "monitor2020/1"
    changed = keys(parameters={"band": [1.0, 1.2]}).version
    assert changed.startswith("gb20952/1+")
    assert changed != keys(parameters={"band": [1.0, 1.25]}).version
    assert changed == keys(parameters={"band": [1.0, 1.2]}).version


def test_parameters_of_the_site_come_before_those_of_the_preset_and_leave_the_others() -> None:
    rules = keys(rules="beijing", parameters={"days": 3}).resolved()
    assert (rules.days, rules.outlet_limit, rules.band) == (3, 20.0, (0.9, 1.3))
    assert PRESETS["monitor2020"].band == (1.0, 1.2)
    assert not PRESETS["gb20952"].high


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"nozzles": [NOZZLE, NOZZLE]}, "two nozzles are called '1'"),
        ({"nozzles": [{**NOZZLE, "vapour": "other/vapour"}]}, "points of one instrument"),
        ({"parameters": {"band": [1.2, 1.0]}}, "no band"),
        ({"rules": "shanghai"}, "rules"),
        ({"line": "line/p", "parameters": {"resistance": True}}, "needs tank and speed"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        keys(**wrong)
