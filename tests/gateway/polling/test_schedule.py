"""The deadline queue: aligned, without drift, fair, and kind to good units."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.polling.schedule import TOGETHER, Entry, Schedule, phases

WEEK_MS = 7 * 86_400_000


def good(instrument: str, period_ms: int, phase_ms: int = 0) -> Entry:
    return Entry(instrument, period_ms, phase_ms, suspect=False)


def test_five_second_polls_fall_on_round_seconds_plus_their_phase() -> None:
    schedule = Schedule([Entry("a", 5000), Entry("b", 5000, 300)], now_ms=12_345)
    assert schedule.choose(14_999) is None
    assert schedule.choose(15_000).due_ms == 15_000
    assert schedule.choose(15_300).due_ms == 15_300
    assert schedule.next_ms() == 20_000


def test_no_drift_over_a_simulated_week_of_late_service() -> None:
    schedule = Schedule([Entry("a", 5000, 300)], now_ms=0)
    polls = 0
    while (due := schedule.next_ms()) < WEEK_MS:
        chosen = schedule.choose(due + 37)  # always served 37 ms late
        assert chosen.due_ms == due == 300 + polls * 5000
        assert chosen.overruns == 0
        polls += 1
    assert polls == WEEK_MS // 5000


def test_overruns_are_counted_and_not_caught_up() -> None:
    schedule = Schedule([Entry("a", 1000)], now_ms=0)
    chosen = schedule.choose(3_400)
    assert (chosen.due_ms, chosen.overruns) == (3000, 3)
    assert schedule.choose(3_400) is None
    assert schedule.next_ms() == 4000


def test_a_slow_instrument_is_not_starved_by_fast_ones() -> None:
    fast = [good(f"fast{index}", 100) for index in range(3)]
    schedule = Schedule([*fast, good("slow", 10_000)], now_ms=0)
    now, served = 0, {}
    for _ in range(3000):  # each exchange takes 60 ms: three fast instruments alone overload the line
        chosen = schedule.choose(now)
        if chosen is not None:
            served.setdefault(chosen.entry.instrument, []).append(chosen)
        now += 60
    late = [now_due.overruns for now_due in served["slow"]]
    assert len(served["slow"]) == now // 10_000
    assert late == [0] * len(late)


def test_instruments_polled_as_fast_as_possible_fill_what_is_left_and_take_turns() -> None:
    schedule = Schedule([good("timed", 1000), good("x", 0), good("y", 0)], now_ms=0)
    order = [schedule.choose(now).entry.instrument for now in (0, 10, 20, 30, 1000, 1010)]
    assert order == ["timed", "x", "y", "x", "timed", "y"]


def test_after_a_suspect_every_due_good_unit_goes_before_the_next_suspect() -> None:
    entries = [Entry(name, 1000) for name in ("bad1", "good1", "bad2", "good2", "bad3")]
    schedule = Schedule(entries, now_ms=0)
    for entry in entries:
        entry.suspect = entry.instrument.startswith("bad")
    now, order = 0, []
    for _ in range(5):
        chosen = schedule.choose(now)
        order.append(chosen.entry.instrument)
        if chosen.entry.suspect:
            now += 1000  # one timeout
            schedule.failed(chosen.entry, now)
        else:
            now += 10
    assert order == ["good1", "good2", "bad1", "good1", "good2"]


@given(st.integers(1, 12), st.integers(0, 8), st.integers(200, 3000))
def test_good_units_stay_within_period_plus_one_timeout_whatever_the_number_of_bad_ones(
    good_units: int, bad: int, timeout_ms: int
) -> None:
    exchange_ms, period_ms = 20, 1000
    entries = [Entry(f"g{index}", period_ms, index) for index in range(good_units)]
    dead = [Entry(f"b{index}", period_ms, index) for index in range(bad)]
    schedule = Schedule([*entries, *dead], now_ms=0)
    last: dict[str, int] = {}
    now = 0
    while now < 60_000:
        chosen = schedule.choose(now)
        if chosen is None:
            now = schedule.next_ms()
            continue
        if chosen.entry in dead:
            now += timeout_ms
            schedule.failed(chosen.entry, now)
            continue
        now += exchange_ms
        schedule.answered(chosen.entry)
        name = chosen.entry.instrument
        if name in last:
            assert now - last[name] <= period_ms + timeout_ms + (good_units + 1) * exchange_ms
        last[name] = now
    assert len(last) == good_units


def test_a_suspect_is_still_tried_on_a_line_that_good_units_fill() -> None:
    bad = Entry("bad", 1000)
    schedule = Schedule([good("greedy", 50), bad], now_ms=0)
    tried = []
    for now in range(0, 60_000, 60):
        chosen = schedule.choose(now)
        if chosen is not None and chosen.entry is bad:
            tried.append(now)
            schedule.failed(bad, now)
    assert len(tried) >= 4


def test_a_clock_step_realigns_without_a_burst() -> None:
    schedule = Schedule([Entry("a", 5000)], now_ms=0)
    schedule.align(3_600_001)
    assert schedule.choose(3_600_001) is None
    assert schedule.next_ms() == 3_605_000


def test_instruments_of_one_line_are_spread_over_it() -> None:
    assert phases([("a", 5000)] * 4 + [("b", 100)] * 4) == [0, 200, 400, 600, 0, 20, 40, 60]
    assert phases([("a", 1000)] * 20) == [40 * index for index in range(20)]
    assert phases([]) == []


def test_instruments_of_different_lines_are_asked_in_one_instant() -> None:
    assert phases([(f"line {index}", 1000) for index in range(10)]) == [0] * 10
    assert phases([("a", 5000), ("b", 5000), ("a", 5000), ("c", 5000), ("b", 5000)]) == [0, 0, 400, 0, 400]


def test_many_lines_are_asked_in_groups() -> None:
    spread = phases([(f"line {index}", 100) for index in range(500)])
    assert sorted(Counter(spread).values(), reverse=True)[0] == TOGETHER
    assert spread[:TOGETHER] == [0] * TOGETHER
    assert max(spread) < 80


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from((0, 50, 100, 250, 1000, 5000, 60_000))), max_size=200))
def test_no_two_of_a_line_share_an_instant_as_long_as_there_are_milliseconds(asked: list[tuple[int, int]]) -> None:
    spread = phases([(f"line {line}", period) for line, period in asked])
    for line in {line for line, _ in asked}:
        own = [(phase, period) for phase, (one, period) in zip(spread, asked, strict=True) if one == line]
        assert all(0 <= phase <= min(period * 4 // 5, 800) for phase, period in own)
        long = [phase for phase, period in own if period >= 1000]
        assert len(set(long)) == len(long)
