"""Flue gas of boilers and kilns: the formulas of HJ 75-2017 and HJ 76-2017 (their equations 18 to 34).

Concentrations are mg/m3, temperatures °C, pressures kPa (static pressure against the surroundings), moisture and
oxygen per cent by volume, flows m3/h. The standard state is 273 K and 101.325 kPa. Every function raises FormulaError
where the numbers have no meaning; nothing is clamped.
"""

from gateway.domain.expression import FormulaError

STANDARD_K = 273.0
"""The standards compute with 273, not 273.15."""
STANDARD_KPA = 101.325
AIR_OXYGEN = 21.0
"""Oxygen of air in the correction formula, per cent."""
OXYGEN_GUARD = 20.0
"""[M] At or above this there is air in the duct and no flue gas: the correction would divide by almost nothing."""
MOLAR_L = 22.4
"""Litres per mole at the standard state."""
MOLAR_MASS = {"so2": 64.0, "no": 30.0, "no2": 46.0, "co": 28.0}
"""g/mol as the standard rounds them."""


def to_standard(concentration: float, temperature: float, pressure: float, ambient: float = STANDARD_KPA) -> float:
    """Concentration at actual conditions -> at the standard state: C · 101.325/(Ba+Ps) · (273+t)/273."""
    absolute = ambient + pressure
    if absolute <= 0:
        raise FormulaError(f"a pressure of {absolute:g} kPa is none")
    return concentration * STANDARD_KPA / absolute * (STANDARD_K + temperature) / STANDARD_K


def dry(wet: float, moisture: float) -> float:
    """Wet -> dry basis, for concentrations and for oxygen: C / (1 - Xsw)."""
    if not 0 <= moisture < 100:
        raise FormulaError(f"moisture of {moisture:g} % leaves no dry gas")
    return wet / (1 - moisture / 100)


def ppm_to_mg(ppm: float, molar_mass: float) -> float:
    """Parts per million by volume -> mg/m3 at the standard state: CV · M / 22.4."""
    return ppm * molar_mass / MOLAR_L


def nox_as_no2(no: float, no2: float = 0.0) -> float:
    """NO and NO2 in mg/m3 -> NOx as NO2: CNO · 46/30 + CNO2."""
    return no * MOLAR_MASS["no2"] / MOLAR_MASS["no"] + no2


def nox_from_ppm(no: float, no2: float = 0.0) -> float:
    """NO and NO2 in ppm -> NOx as NO2 in mg/m3: (CNO + CNO2) · 46/22.4."""
    return (no + no2) * MOLAR_MASS["no2"] / MOLAR_L


def oxygen_corrected(concentration: float, oxygen: float, reference: float, guard: float = OXYGEN_GUARD) -> float:
    """Dry concentration -> at reference oxygen (Zs): C · (21 - O2ref)/(21 - O2).

    At or above `guard` per cent of oxygen there is no corrected value: FormulaError.
    """
    if oxygen >= min(guard, AIR_OXYGEN):
        raise FormulaError(f"oxygen of {oxygen:g} % is at or above the guard of {guard:g} %: not corrected")
    return concentration * (AIR_OXYGEN - reference) / (AIR_OXYGEN - oxygen)


def excess_air(oxygen: float, guard: float = OXYGEN_GUARD) -> float:
    """Coefficient of excess air: 21 / (21 - O2)."""
    if oxygen >= min(guard, AIR_OXYGEN):
        raise FormulaError(f"oxygen of {oxygen:g} % is at or above the guard of {guard:g} %: no coefficient")
    return AIR_OXYGEN / (AIR_OXYGEN - oxygen)


def excess_air_corrected(concentration: float, oxygen: float, reference: float, guard: float = OXYGEN_GUARD) -> float:
    """Dry concentration -> at the coefficient of excess air of the emission standard: C · α/αs."""
    if reference <= 0:
        raise FormulaError(f"a coefficient of {reference:g} is none")
    return concentration * excess_air(oxygen, guard) / reference


def duct_flow(velocity: float, area: float, coefficient: float = 1.0) -> float:
    """Velocity in m/s (times the coefficient Kv) and area in m2 -> wet flow at actual conditions: 3600 · F · Kv · V."""
    return 3600 * area * coefficient * velocity


def dry_standard_flow(
    wet: float, temperature: float, pressure: float, moisture: float, ambient: float = STANDARD_KPA
) -> float:
    """Wet actual flow -> dry flow at the standard state: Q · 273/(273+t) · (Ba+Ps)/101.325 · (1 - Xsw)."""
    if not 0 <= moisture < 100:
        raise FormulaError(f"moisture of {moisture:g} % leaves no dry gas")
    if temperature <= -STANDARD_K:
        raise FormulaError(f"a temperature of {temperature:g} °C is none")
    return wet * STANDARD_K / (STANDARD_K + temperature) * (ambient + pressure) / STANDARD_KPA * (1 - moisture / 100)


def mass_rate(concentration: float, flow: float) -> float:
    """Dry standard concentration (never the corrected one) and dry standard flow -> kg/h: C · Q · 1e-6.

    Equation 34 of HJ 75-2017 prints the factor once more; that is a misprint.
    """
    return concentration * flow * 1e-6
