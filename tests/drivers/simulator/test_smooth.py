"""The curves: seeded, bounded, without jumps."""

from itertools import pairwise
from statistics import mean, pstdev

from drivers.simulator.smooth import chance, drift, ramp, wander


def test_chance_depends_on_its_key_alone_and_is_spread_evenly() -> None:
    numbers = [chance(7, "nozzle", slot) for slot in range(4000)]
    assert numbers == [chance(7, "nozzle", slot) for slot in range(4000)]
    assert numbers != [chance(8, "nozzle", slot) for slot in range(4000)]
    assert abs(mean(numbers) - 0.5) < 0.02
    assert abs(pstdev(numbers) - 12**-0.5) < 0.02


def test_long_names_that_differ_only_at_their_end_give_different_numbers() -> None:
    assert chance("dispenser-1, forecourt north n1") != chance("dispenser-1, forecourt north n2")


def test_drift_and_wander_stay_within_bounds_and_never_jump() -> None:
    for curve in (lambda t: drift(t, 60.0, 3), lambda t: wander(t, 3)):
        values = [curve(1_764_000_000 + at / 10) for at in range(20_000)]
        assert max(map(abs, values)) <= 1
        assert max(abs(after - before) for before, after in pairwise(values)) < 0.02


def test_ramp_rises_from_nothing_to_all() -> None:
    assert [ramp(at, 10, 4) for at in (0, 10, 12, 14, 99)] == [0, 0, 0.5, 1, 1]
