"""Every function that a formula may call, as a formula calls it: at least three worked examples each, edges included.

None: the formula has no value for these numbers.
"""

import pytest

from gateway.domain.expression import FormulaError, parse
from gateway.domain.functions import FUNCTIONS

EXAMPLES: dict[str, tuple[tuple[str, float | None], ...]] = {
    "only_if": (
        ("only_if(5 <= 5, 61.5)", 61.5),  # wind of just 5 m/s
        ("only_if(5.1 <= 5, 61.5)", None),
        ("only_if(0 < 1 and not 0, 7)", 7),
        ("only_if(0, 7)", None),
    ),
    "to_standard": (
        ("to_standard(100, 136.5, 0)", 150),  # 409.5/273 = 1.5
        ("to_standard(100, 0, 101.325)", 50),  # twice the pressure
        ("to_standard(80, 0, 0, 50.6625)", 160),  # half of it, on a mountain
        ("to_standard(80, 20, -101.325)", None),
    ),
    "dry": (("dry(90, 10)", 100), ("dry(9, 25)", 12), ("dry(50, 0)", 50), ("dry(50, 100)", None)),
    "ppm_to_mg": (
        ("ppm_to_mg(22.4, 64)", 64),
        ("ppm_to_mg(100, 46)", 205.357142857),  # 4600/22.4
        ("ppm_to_mg(0, 28)", 0),
        ("ppm_to_mg(100, 28)", 125),
    ),
    "nox_as_no2": (("nox_as_no2(30)", 46), ("nox_as_no2(60, 8)", 100), ("nox_as_no2(0, 10)", 10)),
    "nox_from_ppm": (("nox_from_ppm(22.4)", 46), ("nox_from_ppm(100, 12)", 230), ("nox_from_ppm(0, 0)", 0)),
    "oxygen_corrected": (
        ("oxygen_corrected(30, 9, 9)", 30),
        ("oxygen_corrected(30, 11, 9)", 36),  # 30 · 12/10
        ("oxygen_corrected(30, 15, 6)", 75),  # 30 · 15/6
        ("oxygen_corrected(30, 19.99, 9)", 356.435643564),  # 360/1.01, just below the guard
        ("oxygen_corrected(30, 20.9, 9)", None),  # air
        ("oxygen_corrected(30, 20.5, 9, 20.9)", 720),  # 30 · 12/0.5, with a guard of one's own
    ),
    "excess_air": (("excess_air(9)", 1.75), ("excess_air(3.5)", 1.2), ("excess_air(0)", 1), ("excess_air(20.9)", None)),
    "excess_air_corrected": (
        ("excess_air_corrected(60, 10.5, 1.2)", 100),  # 60 · 2/1.2
        ("excess_air_corrected(60, 9, 1.75)", 60),
        ("excess_air_corrected(60, 0, 1.2)", 50),
        ("excess_air_corrected(60, 20.9, 1.2)", None),
    ),
    "duct_flow": (("duct_flow(10, 2)", 72_000), ("duct_flow(10, 2, 0.5)", 36_000), ("duct_flow(0, 5)", 0)),
    "dry_standard_flow": (
        ("dry_standard_flow(72000, 0, 0, 0)", 72_000),
        ("dry_standard_flow(72000, 136.5, 0, 10)", 43_200),  # · 2/3 · 0.9
        ("dry_standard_flow(72000, 0, -10.1325, 0)", 64_800),  # nine tenths of the pressure
        ("dry_standard_flow(72000, -273, 0, 0)", None),
        ("dry_standard_flow(72000, 0, 0, 100)", None),
    ),
    "mass_rate": (("mass_rate(50, 43200)", 2.16), ("mass_rate(35, 100000)", 3.5), ("mass_rate(0, 100000)", 0)),
    "load_rate": (("load_rate(50, 100)", 18), ("load_rate(0.5, 20)", 0.036), ("load_rate(50, 0)", 0)),
    "ppb_to_ug": (
        ("ppb_to_ug(24.45, 48)", 48),
        ("ppb_to_ug(50, 48)", 98.159509202),  # 2400/24.45
        ("ppb_to_ug(22.4, 64, 22.4)", 64),  # at 0 °C
        ("ppb_to_ug(50, 48, 0)", None),
    ),
    "heat_power": (
        ("heat_power(36, 90, 60, 4000)", 1200),  # 0.01 m3/s · 4000 kJ/m3K · 30 K
        ("heat_power(36, 60, 60, 4000)", 0),
        ("heat_power(36, 50, 60, 4000)", -400),  # it flows backwards, and so it says
        ("heat_power(3600, 61, 60)", 4114.692),  # 983.2 kg/m3 · 4.185 kJ/kgK
    ),
    "lost_share": (
        ("lost_share(1000, 500 + 420)", 8),
        ("lost_share(100, 100)", 0),
        ("lost_share(50, 60)", -20),  # meters that disagree are not hidden
        ("lost_share(0, 5)", None),
    ),
    "energy": (("energy(0)", 1), ("energy(60)", 1e6), ("energy(63.0103)", 2e6), ("energy(-10)", 0.1)),
    "level": (
        ("level(1)", 0),
        ("level((energy(60) + energy(60)) / 2)", 60),
        ("level(energy(60) + energy(60))", 63.010299957),  # twice the energy: 3.01 dB
        ("level(0)", None),
    ),
}


def test_every_function_has_three_examples_and_every_example_a_function() -> None:
    assert EXAMPLES.keys() == FUNCTIONS.keys()
    assert all(len(examples) >= 3 for examples in EXAMPLES.values())
    assert all(name in text for name, examples in EXAMPLES.items() for text, _ in examples)


@pytest.mark.parametrize(("text", "value"), [one for examples in EXAMPLES.values() for one in examples])
def test_example(text: str, value: float | None) -> None:
    formula = parse(text, FUNCTIONS)
    if value is None:
        with pytest.raises(FormulaError):
            formula.value({})
    else:
        assert formula.value({}) == pytest.approx(value, rel=1e-6)
