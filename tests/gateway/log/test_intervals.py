"""Intervals against a plain set of numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.log.intervals import Intervals

RUN = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda run: (run[0], run[0] + run[1]))
STEPS = st.lists(st.tuples(st.booleans(), RUN), max_size=30)


def numbers(runs: Intervals) -> set[int]:
    return {number for first, last in runs for number in range(first, last + 1)}


def built(steps: list[tuple[bool, tuple[int, int]]]) -> tuple[Intervals, set[int]]:
    runs, plain = Intervals(), set()
    for put, (first, last) in steps:
        if put:
            runs.add(first, last)
            plain |= set(range(first, last + 1))
        else:
            runs.remove(first, last)
            plain -= set(range(first, last + 1))
    return runs, plain


@given(STEPS)
def test_it_holds_what_was_put_in_and_not_taken_out(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    runs, plain = built(steps)
    assert numbers(runs) == plain
    assert runs.total == len(plain)
    assert all((number in runs) == (number in plain) for number in range(-1, 80))


@given(STEPS)
def test_runs_rise_and_never_touch(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    runs = list(built(steps)[0])
    assert all(first <= last for first, last in runs)
    assert all(one[1] + 1 < two[0] for one, two in pairwise(runs))


@given(STEPS, RUN)
def test_runs_within_and_gaps_share_the_range_between_them(
    steps: list[tuple[bool, tuple[int, int]]], span: tuple[int, int]
) -> None:
    runs, plain = built(steps)
    inside = {number for first, last in runs.within(*span) for number in range(first, last + 1)}
    outside = {number for first, last in runs.gaps(*span) for number in range(first, last + 1)}
    assert inside == plain & set(range(span[0], span[1] + 1))
    assert outside == set(range(span[0], span[1] + 1)) - plain


@given(STEPS, STEPS)
def test_common_is_what_is_in_both(
    left: list[tuple[bool, tuple[int, int]]], right: list[tuple[bool, tuple[int, int]]]
) -> None:
    (one, plain_one), (two, plain_two) = built(left), built(right)
    assert numbers(one.common(two)) == plain_one & plain_two


@given(STEPS, st.integers(1, 5))
def test_shedding_only_forgets_and_keeps_the_first_run(steps: list[tuple[bool, tuple[int, int]]], most: int) -> None:
    runs, plain = built(steps)
    first = next(iter(runs), None)
    runs.shed(most)
    assert len(runs) <= most
    assert numbers(runs) <= plain
    assert next(iter(runs), None) == first


@given(STEPS)
def test_written_reads_back(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    runs = built(steps)[0]
    assert Intervals.read(runs.written()) == runs
    assert runs.copy() == runs
