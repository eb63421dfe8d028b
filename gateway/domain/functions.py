"""The functions that formulas of a site file may call, by name (docs/pipeline.md lists them)."""

from collections.abc import Mapping

from gateway.domain import air, flue_gas, heat, noise, water
from gateway.domain.expression import FormulaError, Function, Number


def only_if(condition: Number, value: Number) -> Number:
    """The value where the condition holds; no value (FormulaError) where it does not."""
    if not condition:
        raise FormulaError("its condition does not hold")
    return value


FUNCTIONS: Mapping[str, Function] = {
    "only_if": Function(only_if, 2, 2),
    "to_standard": Function(flue_gas.to_standard, 3, 4),
    "dry": Function(flue_gas.dry, 2, 2),
    "ppm_to_mg": Function(flue_gas.ppm_to_mg, 2, 2),
    "nox_as_no2": Function(flue_gas.nox_as_no2, 1, 2),
    "nox_from_ppm": Function(flue_gas.nox_from_ppm, 1, 2),
    "oxygen_corrected": Function(flue_gas.oxygen_corrected, 3, 4),
    "excess_air": Function(flue_gas.excess_air, 1, 2),
    "excess_air_corrected": Function(flue_gas.excess_air_corrected, 3, 4),
    "duct_flow": Function(flue_gas.duct_flow, 2, 3),
    "dry_standard_flow": Function(flue_gas.dry_standard_flow, 4, 5),
    "mass_rate": Function(flue_gas.mass_rate, 2, 2),
    "load_rate": Function(water.load_rate, 2, 2),
    "ppb_to_ug": Function(air.ppb_to_ug, 2, 3),
    "heat_power": Function(heat.heat_power, 3, 4),
    "lost_share": Function(heat.lost_share, 2, 2),
    "energy": Function(noise.energy, 1, 1),
    "level": Function(noise.level, 1, 1),
}
