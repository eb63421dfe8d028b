"""HJ 75/76 formulas, worked by hand; each with its edges."""

import pytest

from gateway.domain import flue_gas
from gateway.domain.expression import FormulaError


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ((100, 0, 0), 100),  # already at the standard state
        ((100, 136.5, 0), 150),  # (273 + 136.5) / 273 = 1.5
        ((100, 0, 101.325), 50),  # twice the pressure, half the volume
        ((80, 136.5, -1.325, 101.325), 80 * 101.325 / 100 * 1.5),  # suction of 1.325 kPa: 121.59
        ((100, -273, 0), 0),  # the coldest
    ],
)
def test_actual_to_standard_state(arguments: tuple[float, ...], value: float) -> None:
    assert flue_gas.to_standard(*arguments) == pytest.approx(value)


def test_pressure_of_nothing_is_refused() -> None:
    with pytest.raises(FormulaError, match="pressure"):
        flue_gas.to_standard(100, 20, -101.325)


@pytest.mark.parametrize(("wet", "moisture", "value"), [(90, 10, 100), (9, 25, 12), (50, 0, 50), (1, 99, 100)])
def test_wet_to_dry(wet: float, moisture: float, value: float) -> None:
    """C / (1 - Xsw): 90 / 0.9 = 100; oxygen 9 / 0.75 = 12."""
    assert flue_gas.dry(wet, moisture) == pytest.approx(value)


@pytest.mark.parametrize("moisture", [100, 101, -0.1])
def test_moisture_that_leaves_no_dry_gas_is_refused(moisture: float) -> None:
    with pytest.raises(FormulaError, match="moisture"):
        flue_gas.dry(50, moisture)
    with pytest.raises(FormulaError, match="moisture"):
        flue_gas.dry_standard_flow(1000, 100, 0, moisture)


@pytest.mark.parametrize(("gas", "value"), [("so2", 2.857), ("no2", 2.054), ("co", 1.25)])
def test_ppm_to_mg_as_the_standard_prints_the_factors(gas: str, value: float) -> None:
    """64/22.4 = 2.857, 46/22.4 = 2.054, 28/22.4 = 1.25."""
    assert flue_gas.ppm_to_mg(1, flue_gas.MOLAR_MASS[gas]) == pytest.approx(value, abs=5e-4)
    assert flue_gas.ppm_to_mg(0, flue_gas.MOLAR_MASS[gas]) == 0


@pytest.mark.parametrize(("no", "no2", "value"), [(30, 0, 46), (30, 10, 56), (0, 10, 10), (60, 8, 100)])
def test_nox_as_no2_by_mass(no: float, no2: float, value: float) -> None:
    """30 mg of NO are 46 mg of NO2."""
    assert flue_gas.nox_as_no2(no, no2) == pytest.approx(value)


@pytest.mark.parametrize(("no", "no2", "value"), [(22.4, 0, 46), (11.2, 11.2, 46), (0, 0, 0), (100, 12, 230)])
def test_nox_as_no2_by_volume(no: float, no2: float, value: float) -> None:
    """(CNO + CNO2) · 46/22.4: 22.4 ppm are 46 mg/m3, 112 ppm are 230."""
    assert flue_gas.nox_from_ppm(no, no2) == pytest.approx(value)


@pytest.mark.parametrize(
    ("oxygen", "reference", "value"),
    [
        (9, 9, 30),  # at the reference nothing changes
        (11, 9, 36),  # 30 · 12/10
        (6, 6, 30),
        (15, 6, 75),  # 30 · 15/6
        (3, 9, 20),  # 30 · 12/18
        (0, 3.5, 25),  # 30 · 17.5/21
        (19.99, 9, 30 * 12 / 1.01),  # just below the guard
    ],
)
def test_oxygen_correction(oxygen: float, reference: float, value: float) -> None:
    assert flue_gas.oxygen_corrected(30, oxygen, reference) == pytest.approx(value)


@pytest.mark.parametrize("oxygen", [20.0, 20.9, 21.0, 25.0])
def test_air_in_the_duct_has_no_corrected_value(oxygen: float) -> None:
    with pytest.raises(FormulaError, match="guard"):
        flue_gas.oxygen_corrected(30, oxygen, 9)
    with pytest.raises(FormulaError, match="guard"):
        flue_gas.excess_air(oxygen)


def test_guard_may_be_set_but_never_beyond_21_percent() -> None:
    assert flue_gas.oxygen_corrected(1, 20.5, 9, 20.9) == pytest.approx(24)
    with pytest.raises(FormulaError):
        flue_gas.oxygen_corrected(1, 21, 9, 99)


@pytest.mark.parametrize(("oxygen", "alpha"), [(9, 1.75), (3.5, 1.2), (0, 1), (10.5, 2)])
def test_excess_air(oxygen: float, alpha: float) -> None:
    """21/(21 - 9) = 1.75, 21/17.5 = 1.2."""
    assert flue_gas.excess_air(oxygen) == pytest.approx(alpha)
    assert flue_gas.excess_air_corrected(60, oxygen, 1.2) == pytest.approx(60 * alpha / 1.2)


def test_coefficient_of_nothing_is_refused() -> None:
    with pytest.raises(FormulaError, match="coefficient"):
        flue_gas.excess_air_corrected(60, 9, 0)


@pytest.mark.parametrize(
    ("velocity", "area", "more", "value"), [(10, 2, (), 72_000), (10, 2, (0.5,), 36_000), (0, 5, (), 0)]
)
def test_velocity_to_flow(velocity: float, area: float, more: tuple[float, ...], value: float) -> None:
    """3600 · 2 m2 · 10 m/s = 72000 m3/h."""
    assert flue_gas.duct_flow(velocity, area, *more) == value


@pytest.mark.parametrize(
    ("temperature", "pressure", "moisture", "value"),
    [
        (0, 0, 0, 72_000),
        (136.5, 0, 0, 48_000),  # 273/409.5 = 2/3
        (136.5, 0, 10, 43_200),  # and nine tenths of it dry
        (0, -10.1325, 0, 64_800),  # nine tenths of the pressure
    ],
)
def test_flow_to_dry_standard_flow(temperature: float, pressure: float, moisture: float, value: float) -> None:
    assert flue_gas.dry_standard_flow(72_000, temperature, pressure, moisture) == pytest.approx(value)


@pytest.mark.parametrize(
    ("concentration", "flow", "value"), [(50, 43_200, 2.16), (35, 100_000, 3.5), (0, 1e6, 0), (10, 0, 0)]
)
def test_mass_rate(concentration: float, flow: float, value: float) -> None:
    """50 mg/m3 · 43200 m3/h = 2.16e6 mg/h = 2.16 kg/h; the factor 1e-6 once."""
    assert flue_gas.mass_rate(concentration, flow) == pytest.approx(value)
