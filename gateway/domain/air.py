"""Ambient air: reference states of gases (GB 3095-2012 with its amendment of 2018)."""

from gateway.domain.expression import FormulaError

MOLAR_L_25 = 24.45
"""Litres per mole at 298.15 K and 1013.25 hPa, the reference state since 2018. [M]"""


def ppb_to_ug(ppb: float, molar_mass: float, molar_volume: float = MOLAR_L_25) -> float:
    """Parts per billion by volume -> µg/m3: ppb · M / 24.45 (O3 48, NO2 46, SO2 64; CO in ppm gives mg/m3)."""
    if molar_volume <= 0:
        raise FormulaError(f"a molar volume of {molar_volume:g} L is none")
    return ppb * molar_mass / molar_volume
