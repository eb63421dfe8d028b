"""Windows: validity at its edges, revisions, restarts, clock steps, local days; and against a slow reference."""

import random
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from drivers.contract import Flag, Sample
from gateway.batch import encode
from gateway.domain.expression import parse
from gateway.domain.functions import FUNCTIONS
from gateway.domain.windows import LENGTHS_MS, SYSTEMS, WindowKeys, WindowRule
from gateway.log.gathering import Pending
from gateway.pipeline.window_values import MeansFormula, Windowed
from gateway.pipeline.windows import KEPT_HOURS, Windows
from gateway.reading import Reading, Window
from tests.gateway.pipeline.slow_windows import starts, window

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = 1_764_000_000_000  # 2025-11-24T16:00:00Z, midnight in Shanghai
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ALL = ("1m", "5m", "10m", "15m", "30m", "1h", "1d")


def keys(system: str = "cems", periods: tuple[str, ...] = ("1m", "1h", "1d"), **more: Any) -> WindowKeys:
    return WindowKeys.model_validate({"system": system, "periods": periods, **more}, by_name=True)


def windows(wanted: WindowKeys | None = None, every_ms: int = 5000, zone: ZoneInfo = SHANGHAI) -> Windows:
    return Windows(zone, {"cems-1": Windowed(wanted or keys(), ("so2", "nox"), every_ms)})


def reading(due_ms: int, so2: float | None = 10.0, flag: str = "N", lag_ms: int = 120) -> Reading:
    """`so2` with its flag; `nox` is always 1.0 and N."""
    flags = {} if flag == "N" else {0: Flag(flag)}
    why = {} if flag == "N" else {0: "timeout: x"}
    return Reading("cems-1", ("so2", "nox"), due_ms + lag_ms, lag_ms, Sample((so2, 1.0), flags, why))


def fill(one: Windows, first_ms: int, minutes: int, per_minute: int = 12, so2: float = 10.0, flag: str = "N") -> None:
    for minute in range(minutes):
        for number in range(per_minute):
            one.count(reading(first_ms + minute * MINUTE + number * (MINUTE // per_minute), so2, flag))


def told(one: Windows, now_ms: int, period: str) -> list[Window]:
    return [window for window in one.due(now_ms) if window.period == period]


# -- one window


def test_minute_says_mean_extremes_sum_and_counts_of_its_samples() -> None:
    """12 polls: 11 of 10.0 and one of 22.0: sum 132, mean 132 / 12 = 11."""
    one = windows()
    for number in range(12):
        one.count(reading(MIDNIGHT + number * 5000, 22.0 if number == 7 else 10.0))
    assert one.due(MIDNIGHT + MINUTE + 4999) == []
    (minute,) = one.due(MIDNIGHT + MINUTE + 5000)
    assert (minute.instrument, minute.period, minute.start_ms, minute.rev) == ("cems-1", "1m", MIDNIGHT, 0)
    assert minute.values["so2"] == {
        "mean": 11.0, "min": 10.0, "max": 22.0, "sum": 132.0, "n": 12, "valid": 12, "flag": "N",
    }  # fmt: skip
    assert one.due(MIDNIGHT + MINUTE + 6000) == []


def test_sample_belongs_to_the_minute_it_was_due_in() -> None:
    one = windows(keys("general"))
    one.count(reading(MIDNIGHT - 1, lag_ms=4000))
    one.count(reading(MIDNIGHT, lag_ms=0))
    assert [(minute.start_ms, minute.values["so2"]["n"]) for minute in told(one, MIDNIGHT + 2 * MINUTE, "1m")] == [
        (MIDNIGHT - MINUTE, 1),
        (MIDNIGHT, 1),
    ]


@pytest.mark.parametrize(("valid", "flag"), [(11, "B"), (12, "N"), (13, "N")])
def test_minute_of_a_cems_wants_twelve_samples(valid: int, flag: str) -> None:
    one = windows()
    for number in range(valid):
        one.count(reading(MIDNIGHT + number * 4000))
    for number in range(15 - valid):
        one.count(reading(MIDNIGHT + 59_000 + number, None, "B"))
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert (minute.values["so2"]["flag"], minute.values["so2"]["valid"]) == (flag, valid)
    assert minute.values["so2"]["n"] == 15


@pytest.mark.parametrize(("minutes", "flag"), [(44, "C"), (45, "N"), (46, "N"), (60, "N")])
def test_hour_of_a_cems_wants_45_valid_minutes(minutes: int, flag: str) -> None:
    one = windows()
    fill(one, MIDNIGHT, minutes)
    fill(one, MIDNIGHT + minutes * MINUTE, 60 - minutes, so2=500.0, flag="C")
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    assert (hour.values["so2"]["flag"], hour.values["so2"]["mean"]) == (flag, 10.0)
    assert (hour.values["so2"]["n"], hour.values["so2"]["valid"]) == (720, 12 * minutes)


def test_hour_that_lacks_minutes_because_nothing_ran_is_flagged_as_not_communicating() -> None:
    one = windows()
    fill(one, MIDNIGHT + 20 * MINUTE, 40)
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    assert hour.values["so2"]["flag"] == "B"


@pytest.mark.parametrize(("hours", "flag"), [(19, "D"), (20, "N"), (24, "N")])
def test_day_of_a_cems_wants_20_valid_hours_and_is_d_otherwise(hours: int, flag: str) -> None:
    one = windows(keys(periods=("1d",)))
    fill(one, MIDNIGHT, hours * 60)
    fill(one, MIDNIGHT + hours * HOUR, (24 - hours) * 60, so2=500.0, flag="M")
    (day,) = told(one, MIDNIGHT + DAY + 5000, "1d")
    assert (day.values["so2"]["flag"], day.values["so2"]["mean"]) == (flag, 10.0)


def test_hour_of_a_cems_is_the_mean_of_its_valid_minutes_not_of_its_samples() -> None:
    """45 minutes of twelve 10.0 and 10 minutes of twenty-four 20.0: (45 x 10 + 10 x 20) / 55; eleven samples of 900
    in one more minute make no valid minute and no part of the mean."""
    one = windows()
    fill(one, MIDNIGHT, 45)
    fill(one, MIDNIGHT + 45 * MINUTE, 10, per_minute=24, so2=20.0)
    fill(one, MIDNIGHT + 55 * MINUTE, 1, per_minute=11, so2=900.0)
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    assert hour.values["so2"]["mean"] == pytest.approx(650 / 55)
    assert hour.values["so2"]["sum"] == 45 * 12 * 10.0 + 240 * 20.0 + 11 * 900.0


@pytest.mark.parametrize(("hours", "flag"), [(23, "T"), (24, "N")])
def test_one_abnormal_hour_makes_a_day_of_wastewater_abnormal(hours: int, flag: str) -> None:
    one = windows(keys("wastewater", ("1d",)), every_ms=MINUTE)
    fill(one, MIDNIGHT, hours * 60, per_minute=1)
    fill(one, MIDNIGHT + hours * HOUR, (24 - hours) * 60, per_minute=1, flag="T")
    (day,) = told(one, MIDNIGHT + DAY + 5000, "1d")
    assert day.values["so2"]["flag"] == flag


@pytest.mark.parametrize(
    ("period", "minutes", "flag"), [("5m", 3, "B"), ("5m", 4, "N"), ("30m", 22, "B"), ("30m", 23, "N")]
)
def test_shorter_windows_want_minutes_in_proportion(period: str, minutes: int, flag: str) -> None:
    """45 of 60 are 3.75 of 5 and 22.5 of 30."""
    one = windows(keys(periods=(period,)))
    fill(one, MIDNIGHT, minutes)
    (part,) = told(one, MIDNIGHT + HOUR, period)
    assert part.values["so2"]["flag"] == flag


def test_most_frequent_flag_is_told_and_of_equal_ones_the_worst() -> None:
    one = windows()
    for number, flag in enumerate("NNNCCCTTTMM"):
        one.count(reading(MIDNIGHT + number * 5000, 10.0, flag))
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert minute.values["so2"]["flag"] == "T"
    assert minute.values["nox"]["valid"] == 11


def test_values_with_any_flag_but_n_stay_out_of_mean_sum_and_extremes() -> None:
    one = windows(keys("general"))
    for number, flag in enumerate("NNNNNNNNNFMSDCTB"):
        one.count(reading(MIDNIGHT + number * 3000, 10.0 if flag == "N" else 999.0, flag))
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert (minute.values["so2"]["mean"], minute.values["so2"]["max"], minute.values["so2"]["sum"]) == (
        10.0,
        10.0,
        90.0,
    )


def test_window_without_a_counted_sample_has_nulls_and_the_flag() -> None:
    one = windows()
    fill(one, MIDNIGHT, 1, so2=5.0, flag="F")
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert minute.values["so2"] == {
        "mean": None, "min": None, "max": None, "sum": None, "n": 12, "valid": 0, "flag": "F",
    }  # fmt: skip


def test_sums_of_whole_numbers_are_exact_and_of_decimals_free_of_noise() -> None:
    one = Windows(SHANGHAI, {"cems-1": Windowed(keys("general", ("1h",)), ("so2", "nox"), 5000)})
    for number in range(720):
        sample = Sample((9_007_199_254_740_993, 0.1))
        one.count(Reading("cems-1", ("so2", "nox"), MIDNIGHT + number * 5000, 0, sample))
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    assert hour.values["so2"]["sum"] == 720 * 9_007_199_254_740_993
    assert hour.values["nox"]["sum"] == 72.0
    assert orjson.loads(encode("g", "s", 1, "", 0, "synced", (), [hour]))["windows"][0]["values"]["nox"]["mean"] == 0.1


def test_contact_has_the_share_of_time_it_was_closed_as_its_mean() -> None:
    one = windows(keys("general"))
    for number in range(12):
        one.count(Reading("cems-1", ("so2", "nox"), MIDNIGHT + number * 5000, 0, Sample((number < 3, 1.0))))
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert (minute.values["so2"]["mean"], minute.values["so2"]["max"]) == (0.25, 1)


def test_instrument_without_windows_is_left_alone() -> None:
    one = windows()
    one.count(Reading("other", ("x",), MIDNIGHT, 0, Sample((1.0,))))
    assert one.due(MIDNIGHT + DAY) == []


# -- revisions


def test_late_sample_revises_its_minute_hour_and_day_and_no_other() -> None:
    one = windows()
    fill(one, MIDNIGHT, 61)
    one.due(MIDNIGHT + HOUR + MINUTE + 5000)
    one.count(reading(MIDNIGHT + 30 * MINUTE + 1, 46.0))
    revised = one.due(MIDNIGHT + HOUR + MINUTE + 6000)
    assert [(window.period, window.start_ms, window.rev) for window in revised] == [
        ("1m", MIDNIGHT + 30 * MINUTE, 1),
        ("1h", MIDNIGHT, 1),
    ]
    # minute: (12 x 10 + 46) / 13; hour: (59 x 10 + that) / 60
    assert revised[0].values["so2"]["mean"] == pytest.approx(166 / 13)
    assert revised[1].values["so2"]["mean"] == pytest.approx((590 + 166 / 13) / 60)
    one.count(reading(MIDNIGHT + 30 * MINUTE + 2))
    assert [window.rev for window in one.due(MIDNIGHT + HOUR + MINUTE + 7000)] == [2, 2]


def test_sample_that_comes_after_its_day_was_told_revises_the_day() -> None:
    one = windows(keys("general", ("1h", "1d")))
    fill(one, MIDNIGHT, 24 * 60)
    (first,) = told(one, MIDNIGHT + DAY + 5000, "1d")
    one.count(reading(MIDNIGHT + DAY - 30 * MINUTE + 1, 900.0))
    hour, day = one.due(MIDNIGHT + DAY + 6000)
    assert (hour.rev, hour.values["so2"]["n"], hour.values["so2"]["max"]) == (1, 721, 900.0)
    assert (day.rev, day.values["so2"]["n"], day.values["so2"]["max"]) == (1, first.values["so2"]["n"] + 1, 900.0)


def test_sample_later_than_the_minutes_remembered_is_told_and_changes_nothing() -> None:
    one = windows()
    for hour in range(KEPT_HOURS + 1):
        fill(one, MIDNIGHT + hour * HOUR, 60)
        one.due(MIDNIGHT + (hour + 1) * HOUR + 5000)
    one.count(reading(MIDNIGHT + 5))
    one.count(reading(MIDNIGHT + 9))
    now = MIDNIGHT + (KEPT_HOURS + 1) * HOUR + 6000
    assert one.due(now) == []
    (event,) = one.late(now)
    assert (event.kind, event.instrument, event.data) == (
        "window.late", "cems-1", {"samples": 2, "from": MIDNIGHT + 5, "to": MIDNIGHT + 9},
    )  # fmt: skip
    assert one.late(now) == []


def test_reading_lost_before_its_commit_is_taken_back_and_the_window_told_again() -> None:
    one = windows()
    fill(one, MIDNIGHT, 1)
    high = reading(MIDNIGHT + 100, 80.0)
    one.count(high)
    one.due(MIDNIGHT + MINUTE + 5000)
    one.take_back(high)
    (minute,) = one.due(MIDNIGHT + MINUTE + 6000)
    values = minute.values["so2"]
    assert (minute.rev, values["n"], values["valid"], values["sum"], values["mean"]) == (1, 12, 12, 120.0, 10.0)
    assert values["max"] is None, "which value comes next to the lost extreme is not known"
    assert values["min"] == 10.0


def test_window_lost_before_its_commit_is_told_again() -> None:
    one = windows()
    fill(one, MIDNIGHT, 60)
    hour = one.due(MIDNIGHT + HOUR + 5000)[-1]
    one.lost(hour)
    (again,) = one.due(MIDNIGHT + HOUR + 6000)
    assert (again.period, again.start_ms, again.rev, again.values) == ("1h", MIDNIGHT, 1, hour.values)


def test_log_without_room_names_the_windows_that_it_lost() -> None:
    lost: list[Window] = []
    pending = Pending(most_bytes=64 * 1024, on_lost=lambda reading: None)
    pending.window_lost = lost.append
    told_windows = [Window("cems-1", "1m", start, 0, {}) for start in range(200)]
    for one in told_windows:
        pending.add_window(one)
    assert lost
    assert lost == told_windows[: len(lost)]


# -- the clock


def test_step_forward_inside_an_hour_leaves_out_the_minutes_that_never_were() -> None:
    """20 minutes, a step of 20 minutes forward, 20 minutes: 40 valid minutes are too few."""
    one = windows()
    fill(one, MIDNIGHT, 20)
    fill(one, MIDNIGHT + 40 * MINUTE, 20)
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    assert (hour.values["so2"]["n"], hour.values["so2"]["flag"]) == (480, "B")


def test_step_back_inside_an_hour_counts_the_minutes_that_came_twice_twice_and_revises_them() -> None:
    one = windows()
    fill(one, MIDNIGHT, 50)
    first = told(one, MIDNIGHT + 50 * MINUTE + 5000, "1m")
    fill(one, MIDNIGHT + 40 * MINUTE, 20, so2=20.0)  # ten minutes back
    *again, hour = one.due(MIDNIGHT + HOUR + 5000)
    assert len(first) == 50
    assert [window.rev for window in again] == [1] * 10 + [0] * 10
    assert (again[0].values["so2"]["n"], again[0].values["so2"]["mean"]) == (24, 15.0)
    assert (hour.period, hour.rev, hour.values["so2"]["n"]) == ("1h", 0, 70 * 12)
    # 40 minutes of 10, ten of 15 (10 and 20), ten of 20
    assert hour.values["so2"]["mean"] == pytest.approx((400 + 150 + 200) / 60)


def test_window_the_clock_was_set_back_out_of_is_told_at_once_and_goes_on_when_its_time_comes() -> None:
    one = windows(keys("general", ("1h",)))
    fill(one, MIDNIGHT + 5 * HOUR, 10)
    (early,) = one.due(MIDNIGHT + HOUR)
    fill(one, MIDNIGHT + 5 * HOUR + 10 * MINUTE, 50)
    (late,) = one.due(MIDNIGHT + 6 * HOUR + 5000)
    assert (early.rev, early.values["so2"]["n"], late.rev, late.values["so2"]["n"]) == (0, 120, 1, 720)


@pytest.mark.parametrize(
    ("zone", "midnight", "hours", "lengths"),
    [
        ("Asia/Shanghai", "2025-11-25T00:00+08:00", 24, {60}),
        ("Europe/Berlin", "2025-03-30T00:00+01:00", 23, {60}),
        ("Europe/Berlin", "2025-10-26T00:00+02:00", 25, {60}),
        ("Asia/Kathmandu", "2025-11-25T00:00+05:45", 24, {60}),
        ("Australia/Lord_Howe", "2025-04-06T00:00+11:00", 25, {60, 30}),  # 24.5 h: the last hour is half a one
    ],
)
def test_days_and_hours_begin_by_the_site_s_clock(zone: str, midnight: str, hours: int, lengths: set[int]) -> None:
    from datetime import datetime

    first = int(datetime.fromisoformat(midnight).timestamp()) * 1000
    one = windows(keys("general", ("1h", "1d")), every_ms=MINUTE, zone=ZoneInfo(zone))
    for minute in range(26 * 60):
        one.count(reading(first + minute * MINUTE))
    all_told = one.due(first + 30 * HOUR)
    (day, *_) = [window for window in all_told if window.period == "1d"]
    in_day = [
        window
        for window in all_told
        if window.period == "1h" and window.start_ms < first + day.values["so2"]["n"] * MINUTE
    ]
    assert day.start_ms == first
    assert len(in_day) == hours
    assert {window.values["so2"]["n"] for window in in_day} == lengths
    assert sum(window.values["so2"]["n"] for window in in_day) == day.values["so2"]["n"]


# -- restarts


def body(readings: Iterable[Reading], told_windows: Iterable[Window] = ()) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(encode("g", "s", 1, "", 0, "synced", readings, told_windows))
    return parsed


def test_day_across_a_restart_is_as_if_there_had_been_none() -> None:
    straight, before = windows(), windows()
    fill(straight, MIDNIGHT, 24 * 60)
    fill(before, MIDNIGHT, 10 * 60)
    before.due(MIDNIGHT + 10 * HOUR)
    after = windows()
    after.restore(before.state())
    fill(after, MIDNIGHT + 10 * HOUR, 14 * 60)
    (wanted,), (found,) = told(straight, MIDNIGHT + DAY + 5000, "1d"), told(after, MIDNIGHT + DAY + 5000, "1d")
    assert found == wanted


def test_window_told_before_a_kill_is_not_told_again_unless_it_changed() -> None:
    one = windows()
    kept = one.state()
    rows = [reading(MIDNIGHT + number * 5000) for number in range(12)]
    for row in rows:
        one.count(row)
    minute = one.due(MIDNIGHT + MINUTE + 5000)
    after = windows()
    after.restore(kept)
    after.count_body(body(rows, minute))
    assert after.due(MIDNIGHT + MINUTE + 6000) == []
    after.count(reading(MIDNIGHT + 1))
    (again,) = after.due(MIDNIGHT + MINUTE + 7000)
    assert (again.rev, again.values["so2"]["n"]) == (1, 13)


def test_window_told_in_the_batch_of_a_sample_it_does_not_count_is_told_again_after_a_kill() -> None:
    one = windows()
    kept = one.state()
    fill(one, MIDNIGHT, 1)
    minute = one.due(MIDNIGHT + MINUTE + 5000)
    after = windows()
    after.restore(kept)
    rows = [reading(MIDNIGHT + number * 5000) for number in range(12)] + [reading(MIDNIGHT + 7)]
    after.count_body(body(rows, minute))
    (again,) = after.due(MIDNIGHT + MINUTE + 6000)
    assert (again.rev, again.values["so2"]["n"]) == (1, 13)


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"v":1}', b'{"v":1,"instruments":{"cems-1":{}}}', b"\xff"])
def test_what_is_no_kept_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="no kept state"):
        windows().restore(state)


def test_kept_state_of_a_later_release_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        windows().restore(b'{"v":2}')


def test_open_window_whose_minutes_are_gone_from_a_state_is_told_empty_and_stops_nothing() -> None:
    one = windows()
    fill(one, MIDNIGHT, 1)
    kept = orjson.loads(one.state())
    kept["instruments"]["cems-1"]["hours"] = []
    after = windows()
    after.restore(orjson.dumps(kept))
    assert {window.period: window.values for window in after.due(MIDNIGHT + 2 * DAY)} == {"1m": {}, "1h": {}, "1d": {}}


def test_points_that_came_or_went_with_a_new_configuration_do_not_spoil_the_others() -> None:
    one = windows(keys("general"))
    fill(one, MIDNIGHT, 1, per_minute=6)
    changed = Windows(
        SHANGHAI, {"cems-1": Windowed(keys("general"), ("nox", "co"), 5000), "new": Windowed(keys(), ("x",), 1)}
    )
    changed.restore(one.state())
    for number in range(6):
        changed.count(Reading("cems-1", ("nox", "co"), MIDNIGHT + 30_000 + number, 0, Sample((3.0, 4.0))))
    (minute,) = told(changed, MIDNIGHT + 2 * MINUTE, "1m")
    assert (minute.values["nox"]["sum"], minute.values["nox"]["valid"]) == (6 * 1.0 + 6 * 3.0, 12)
    assert (minute.values["co"]["valid"], minute.values["co"]["n"], minute.values["co"]["flag"]) == (6, 12, "B")


def test_hours_of_another_time_zone_are_not_mixed_with_those_of_the_new_one() -> None:
    one = windows(keys("general", ("1h",)))
    fill(one, MIDNIGHT, 30)
    moved = windows(keys("general", ("1h",)), zone=ZoneInfo("Asia/Kathmandu"))
    moved.restore(one.state())
    moved.count(reading(MIDNIGHT + 31 * MINUTE))
    assert moved.due(MIDNIGHT + DAY) == []
    assert [event.kind for event in moved.late(MIDNIGHT + DAY)] == ["window.late"]


# -- everything at once, against the reference


@given(
    st.integers(0, 2**32),
    st.sampled_from(sorted(SYSTEMS)),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.sampled_from([5000, 20_000, 60_000, 300_000]),
)
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_last_word_of_every_window_agrees_with_the_slow_reference(
    seed: int, system: str, zone_name: str, every_ms: int
) -> None:
    """Random values and flags, polls out of order, gaps, steps of the clock, kills between two kept states."""
    chance = random.Random(seed)
    zone, wanted = ZoneInfo(zone_name), keys(system, ALL)
    one = windows(wanted, every_ms, zone)
    feed: list[dict[str, Any]] = []
    kept, kept_at = one.state(), 0
    now = MIDNIGHT + chance.randrange(DAY)
    mood = "N"
    for _ in range(40):
        rows = []
        for _ in range(chance.randrange(20)):
            now += every_ms
            if chance.randrange(10) == 0:
                mood = chance.choice("NNNNNBDTCMF")
            late_ms = chance.choice([0, 0, 0, chance.randrange(1_800_000)])
            rows.append(reading(now - late_ms, None if mood == "B" else round(chance.uniform(-5, 50), 2), mood))
        for row in rows:
            one.count(row)
        if chance.randrange(20) == 0:
            now += chance.choice([600_000, -600_000, 7_000_000])  # a gap or a step of the clock
        feed.append(body(rows, one.due(now)))
        if chance.randrange(5) == 0:
            kept, kept_at = one.state(), len(feed)
        if chance.randrange(12) == 0:
            one = windows(wanted, every_ms, zone)
            one.restore(kept)
            for batch in feed[kept_at:]:
                one.count_body(batch)
    feed.append(body([], one.due(now + 2 * DAY)))
    assert one.late(now) == []
    samples = [
        (sample["ts"] - sample["lag"], sample["values"]["so2"], sample["flags"].get("so2", "N"))
        for batch in feed
        for sample in batch["samples"]
    ]
    last: dict[tuple[str, int], dict[str, Any]] = {}
    revs: dict[tuple[str, int], int] = {}
    for batch in feed:
        for row in batch["windows"]:
            name = row["period"], row["start"]
            assert row["rev"] > revs.get(name, -1), "a rev is never used twice"
            revs[name], last[name] = row["rev"], row["values"]
    for period in ALL:
        spans = starts(period, samples, zone)
        assert {start for name, start in last if name == period} == set(spans)
        for start, end in spans.items():
            expected = window(period, start, end, samples, zone, wanted, every_ms)
            found = last[period, start]["so2"]
            assert expected is not None
            for name, value in expected.items():
                near = value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-12, abs=1e-11)
                assert found[name] == near, (period, start, name)


def test_windows_of_a_rule_of_one_s_own_replace_the_system_s() -> None:
    wanted = keys("cems", ("1m",), minute=WindowRule(samples=2))
    one = windows(wanted)
    fill(one, MIDNIGHT, 1, per_minute=2)
    (minute,) = one.due(MIDNIGHT + 2 * MINUTE)
    assert minute.values["so2"]["flag"] == "N"


def test_lengths_divide_the_hour() -> None:
    """A window joined from the minutes of one hour must lie within it."""
    assert all(HOUR % length == 0 for length in LENGTHS_MS.values())


# -- what is made of means, and totals


def test_mean_of_a_formula_comes_from_the_means_where_that_is_asked() -> None:
    """Half a minute at 20 mg/m3 and 15 % oxygen, half at 60 and 9 %: corrected one by one to 9 % they are
    20 · 12/6 = 40 and 60 · 12/12 = 60, in the mean 50; of the means it is 40 · 12/(21 - 12) = 53.3."""
    formula = MeansFormula("zs", parse("oxygen_corrected(so2, o2, reference)", FUNCTIONS), {"reference": 9.0})
    points = ("so2", "o2", "zs")
    for means, wanted in (((), 50.0), ((formula,), 160 / 3)):
        one = Windows(SHANGHAI, {"stack": Windowed(keys("general"), points, 5000, means)})
        for number in range(12):
            row = (20.0, 15.0, 40.0) if number < 6 else (60.0, 9.0, 60.0)
            one.count(Reading("stack", points, MIDNIGHT + number * 5000, 0, Sample(row)))
        (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
        assert minute.values["zs"]["mean"] == pytest.approx(wanted)
        assert minute.values["zs"]["flag"] == "N"


def test_mean_from_means_is_null_where_the_means_have_none_and_doubtful_where_one_is() -> None:
    formula = MeansFormula("zs", parse("so2 / o2", FUNCTIONS), {})
    points = ("so2", "o2", "zs")
    one = Windows(SHANGHAI, {"stack": Windowed(keys("general"), points, 5000, (formula,))})
    for number in range(12):
        flags = {0: Flag.CALIBRATION} if number < 6 else {}
        one.count(Reading("stack", points, MIDNIGHT + number * 5000, 0, Sample((8.0, 2.0, 4.0), flags)))
        one.count(Reading("stack", points, MIDNIGHT + MINUTE + number * 5000, 0, Sample((8.0, 0.0, 4.0))))
    first, second = told(one, MIDNIGHT + 3 * MINUTE, "1m")
    assert (first.values["zs"]["mean"], first.values["zs"]["flag"]) == (4.0, "C")
    assert (second.values["zs"]["mean"], second.values["zs"]["flag"]) == (None, "D")


def test_rate_has_the_amount_of_the_time_as_its_total_and_a_day_the_sum_of_its_valid_hours() -> None:
    """2.16 kg/h: 0.036 kg a minute, 2.16 kg an hour; 20 valid hours of the day: 43.2 kg. The four hours of
    maintenance are in no total."""
    one = windows(keys(totals={"so2": "h"}))
    fill(one, MIDNIGHT, 20 * 60, so2=2.16)
    fill(one, MIDNIGHT + 20 * HOUR, 4 * 60, so2=2.16, flag="M")
    all_told = one.due(MIDNIGHT + DAY + 5000)
    totals = {(window.period, window.start_ms): window.values["so2"]["total"] for window in all_told}
    assert totals["1m", MIDNIGHT] == pytest.approx(0.036)
    assert totals["1h", MIDNIGHT] == pytest.approx(2.16)
    assert totals["1d", MIDNIGHT] == pytest.approx(43.2)
    assert totals["1h", MIDNIGHT + 20 * HOUR] is None


# -- sound levels


def noise_windows() -> Windows:
    return Windows(SHANGHAI, {"meter": Windowed(keys("noise", levels=("la",)), ("la",), 1000)})


def sound(at_ms: int, la: float, flag: str = "N") -> Reading:
    flags = {} if flag == "N" else {0: Flag(flag)}
    return Reading("meter", ("la",), MIDNIGHT + at_ms, 0, Sample((la,), flags, {0: "x"} if flags else {}))


def test_hour_of_sound_has_leq_and_percentiles_of_what_counts() -> None:
    """Of 3600 s, 360 at 70 dB, the rest at 60: 10 · lg((360 · 1e7 + 3240 · 1e6)/3600) = 62.79; L5 and L10 are 70."""
    one = noise_windows()
    for second in range(3600):
        one.count(sound(second * 1000, 70.0 if second < 360 else 60.0))
    one.count(sound(3_599_500, 120.0, "M"))
    (hour,) = told(one, MIDNIGHT + HOUR + 5000, "1h")
    values = hour.values["la"]
    assert values["leq"] == pytest.approx(62.787, abs=0.001)
    assert [values[name] for name in ("l5", "l10", "l50", "l90", "l95")] == [70, 70, 60, 60, 60]
    assert (values["max"], values["sd"]) == (70, pytest.approx(3.0))


@pytest.mark.parametrize("restart", [False, True])
def test_day_of_sound_has_day_night_and_day_night_level(restart: bool) -> None:
    """60 dB from 6 to 22 o'clock, 50 dB before and after: Ld 60, Ln 50, Ldn 60; across a restart at noon."""
    one = noise_windows()
    for minute in range(24 * 60):
        if minute == 12 * 60 and restart:
            other = noise_windows()
            other.restore(one.state())
            one = other
        for second in range(0, 60, 15):
            one.count(sound(minute * MINUTE + second * 1000, 60.0 if 360 <= minute < 22 * 60 else 50.0))
        one.due(MIDNIGHT + minute * MINUTE)
    (day,) = told(one, MIDNIGHT + DAY + 5000, "1d")
    values = day.values["la"]
    assert (values["ld"], values["ln"], values["ldn"]) == (
        pytest.approx(60), pytest.approx(50), pytest.approx(60),
    )  # fmt: skip


def test_lost_sound_is_out_of_its_distribution() -> None:
    one = noise_windows()
    loud = sound(500, 90.0)
    for reading_ in (loud, sound(1000, 50.0), sound(2000, 50.0)):
        one.count(reading_)
    one.take_back(loud)
    (minute,) = told(one, MIDNIGHT + 2 * MINUTE, "1m")
    assert (minute.values["la"]["leq"], minute.values["la"]["l5"]) == (pytest.approx(50), 50)
