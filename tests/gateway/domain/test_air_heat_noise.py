"""Air, heat and noise, worked by hand."""

import math

import pytest

from gateway.domain import air, heat, noise
from gateway.domain.expression import FormulaError


@pytest.mark.parametrize(("ppb", "mass", "value"), [(24.45, 48, 48), (50, 48, 98.16), (0, 64, 0), (100, 46, 188.14)])
def test_ppb_to_ug_at_25_degrees(ppb: float, mass: float, value: float) -> None:
    """50 ppb of ozone: 50 · 48 / 24.45 = 98.16."""
    assert air.ppb_to_ug(ppb, mass) == pytest.approx(value, abs=0.005)


def test_other_reference_state_is_a_setting() -> None:
    assert air.ppb_to_ug(22.4, 64, 22.4) == pytest.approx(64)
    with pytest.raises(FormulaError):
        air.ppb_to_ug(1, 64, 0)


@pytest.mark.parametrize(("flow", "supply", "back", "power"), [(36, 90, 60, 1200), (36, 60, 60, 0), (36, 50, 60, -400)])
def test_heat_power(flow: float, supply: float, back: float, power: float) -> None:
    """36 m3/h = 0.01 m3/s; with 4000 kJ/m3 K and 30 K: 1200 kW."""
    assert heat.heat_power(flow, supply, back, 4000) == pytest.approx(power)


@pytest.mark.parametrize(("given", "taken", "share"), [(100, 92, 8), (100, 100, 0), (50, 60, -20)])
def test_share_that_a_network_loses(given: float, taken: float, share: float) -> None:
    assert heat.lost_share(given, taken) == pytest.approx(share)


def test_network_without_input_has_no_balance() -> None:
    with pytest.raises(FormulaError):
        heat.lost_share(0, 5)


@pytest.mark.parametrize(
    ("levels", "value"),
    [
        ([60, 60, 60], 60),
        ([60, 70], 67.40),  # (1e6 + 1e7)/2 = 5.5e6
        ([50] * 9 + [70], 60.37),  # (9 · 1e5 + 1e7)/10 = 1.09e6
        ([53.6], 53.6),
    ],
)
def test_equivalent_level(levels: list[float], value: float) -> None:
    counted: dict[int, int] = {}
    for one in levels:
        counted[noise.step(one)] = counted.get(noise.step(one), 0) + 1
    assert noise.leq(counted) == pytest.approx(value, abs=0.005)


def test_levels_exceeded_are_those_of_the_sorted_samples() -> None:
    """100 samples 1 to 100 dB: 5 of them (96 to 100) are at or above L5 = 96; L50 = 51; L95 = 6."""
    levels = {noise.step(one): 1 for one in range(1, 101)}
    found = [noise.exceeded(levels, share) for share in noise.PERCENTILES]
    assert found == [96, 91, 51, 11, 6]


@pytest.mark.parametrize("share", noise.PERCENTILES)
def test_single_sample_is_every_percentile(share: float) -> None:
    assert noise.exceeded({noise.step(53.6): 1}, share) == 53.6


def test_nothing_has_no_level() -> None:
    assert (noise.leq({}), noise.exceeded({}, 50), noise.deviation({})) == (None, None, None)
    with pytest.raises(FormulaError):
        noise.level(0)


def test_deviation() -> None:
    """50 and 54: mean 52, deviation 2."""
    assert noise.deviation({noise.step(50): 1, noise.step(54): 1}) == pytest.approx(2)


@pytest.mark.parametrize(
    ("day", "night", "value"),
    [(60, 50, 60), (60, 60, 66.0206), (55, 45, 55), (70, 0, 70 + 10 * math.log10(16 / 24))],
)
def test_day_night_level(day: float, night: float, value: float) -> None:
    """A night of 10 dB less counts like the day; at the same level: (16 + 8 · 10)/24 = 4 times, 6.02 dB more: 66.02."""

    assert noise.ldn(day, night) == pytest.approx(value, abs=0.01)
