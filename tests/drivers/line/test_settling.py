"""Settling: until when a unit is left alone, and how late its answers have come."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.line.settling import MARGIN, MOST, Settling


def test_a_unit_settles_from_its_question_and_longer_from_each_byte_after() -> None:
    settling = Settling()
    settling.begin(5, asked_s=100.0, base_s=3.0)
    assert settling.until[5] == 103.0
    settling.heard(5, 101.5)
    assert settling.until[5] == 104.5
    assert settling.late_s == {5: 1.5}
    settling.heard(6, 101.6)
    assert settling.at(104.4) == [5]
    assert settling.at(104.5) == []


def test_an_answer_later_than_the_settling_time_makes_it_longer_for_good() -> None:
    settling = Settling()
    settling.begin(5, 100.0, 3.0)
    assert settling.heard(5, 102.8) == pytest.approx(MARGIN * 2.8)
    assert settling.heard(5, 102.8) is None
    assert settling.until[5] == pytest.approx(102.8 + MARGIN * 2.8)
    settling.end(5)
    settling.begin(5, 200.0, 3.0)
    assert settling.until[5] == pytest.approx(200.0 + MARGIN * 2.8)


def test_an_earlier_late_answer_does_not_make_it_shorter() -> None:
    settling = Settling()
    settling.begin(5, 100.0, 3.0)
    settling.heard(5, 102.9)
    settling.heard(5, 103.0)
    settling.begin(5, 200.0, 3.0)
    settling.heard(5, 200.5)
    assert settling.until[5] == 200.5 + MARGIN * 3.0
    assert settling.late_s == {5: 3.0}


@example([9.0, 13.0, 15.0], 10.0)
@given(st.lists(st.floats(0.001, 30.0)), st.floats(0.01, 10.0))
def test_noise_on_the_line_never_keeps_a_unit_silent_for_longer_than_the_bound(
    pauses: list[float], base_s: float
) -> None:
    settling = Settling()
    settling.begin("a", 50.0, base_s)
    now_s = 50.0
    for pause_s in pauses:
        now_s += pause_s
        for unit in settling.at(now_s):
            settling.heard(unit, now_s)
        assert settling.until["a"] <= 50.0 + MOST * base_s
    settling.begin("a", 1e6, base_s)
    assert settling.until["a"] <= 1e6 + MOST * base_s


@given(st.lists(st.floats(0.001, 3.9)), st.floats(1.0, 1.0))
def test_each_byte_within_the_bound_is_waited_for_a_whole_settling_time(pauses: list[float], base_s: float) -> None:
    settling = Settling()
    settling.begin("a", 0.0, base_s)
    now_s = 0.0
    for pause_s in pauses:
        now_s += pause_s
        if settling.at(now_s) and now_s + base_s <= MOST * base_s:
            settling.heard("a", now_s)
            assert settling.until["a"] >= now_s + base_s


def test_what_comes_long_after_the_bound_is_no_late_answer() -> None:
    settling = Settling()
    settling.begin(5, 100.0, 3.0)
    settling.heard(5, 3700.0)
    assert settling.late_s == {}
    assert settling.until[5] == 103.0


def test_a_unit_whose_settling_has_ended_may_be_asked() -> None:
    settling = Settling()
    settling.begin(5, 100.0, 0.0)
    assert settling.at(100.0) == []
    settling.end(5)
    settling.heard(5, 101.0)
    assert settling.until == {}
    settling.begin(6, 100.0, 9.0)
    settling.clear()
    assert settling.at(101.0) == []
