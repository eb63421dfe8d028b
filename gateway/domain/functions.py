"""The functions that formulas of a site file may call, by name (docs/pipeline.md lists them)."""

from collections.abc import Mapping

from gateway.domain import flue_gas
from gateway.domain.expression import Function

FUNCTIONS: Mapping[str, Function] = {
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
}
