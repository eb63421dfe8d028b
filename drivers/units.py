"""Unit conversion as exact fractions: value in the new unit = value x factor + offset."""

from fractions import Fraction

_SCALES: dict[str, dict[str, str]] = {
    "pressure in Pa": {
        "Pa": "1", "hPa": "100", "mbar": "100", "kPa": "1000", "MPa": "1000000", "bar": "100000",
        "psi": "6894.757293168", "inHg": "3386.389", "mmHg": "133.322387415", "mmH2O": "9.80665",
    },  # inHg and mmHg by convention at 0 °C, mmH2O at 4 °C (NIST SP 811, appendix B)
    "mass concentration in mg/m3": {"g/m3": "1000", "mg/m3": "1", "ug/m3": "0.001", "µg/m3": "0.001"},
    "mass concentration in mg/L": {"g/L": "1000", "mg/L": "1", "ug/L": "0.001", "µg/L": "0.001"},
    "volume share in ppm": {"%vol": "10000", "ppm": "1", "ppb": "0.001"},
    "flow in m3/h": {"m3/h": "1", "m3/s": "3600", "m3/min": "60", "L/s": "3.6", "L/min": "0.06", "L/h": "0.001"},
    "volume in L": {"m3": "1000", "L": "1", "mL": "0.001", "mm3": "0.000001", "gal": "3.785411784"},
    "length in m": {"km": "1000", "m": "1", "cm": "0.01", "mm": "0.001", "ft": "0.3048", "in": "0.0254"},
    "conductivity in uS/cm": {"S/m": "10000", "mS/cm": "1000", "uS/cm": "1", "µS/cm": "1"},
    "energy in J": {
        "J": "1", "kJ": "1000", "MJ": "1000000", "GJ": "1000000000", "kW.h": "3600000", "Wh": "3600",
        "kWh": "3600000", "MWh": "3600000000",
    },
    "power in W": {"W": "1", "kW": "1000", "MW": "1000000", "J/h": "1/3600", "GJ/h": "2500000/9"},
    "voltage in V": {"mV": "0.001", "V": "1", "kV": "1000"},
    "current in A": {"mA": "0.001", "A": "1"},
    "mass in kg": {"g": "0.001", "kg": "1", "t": "1000"},
    "mass flow in kg/h": {"kg/h": "1", "t/h": "1000"},
    "time in s": {"ms": "0.001", "s": "1", "min": "60", "h": "3600", "d": "86400"},
    "share": {"1": "1", "%": "0.01"},
    "speed in m/s": {"m/s": "1", "km/h": "5/18", "knot": "463/900"},
}  # fmt: skip
MOLAR_VOLUME = 22.4
"""L/mol of a gas at 273.15 K and 101.325 kPa (HJ 75-2017)."""
_TO_CELSIUS = {"°C": ("1", "0"), "K": ("1", "-273.15"), "°F": ("5/9", "-160/9")}


def conversion(
    source: str, target: str, molar_mass: float | None = None, molar_volume: float = MOLAR_VOLUME
) -> tuple[Fraction, Fraction]:
    """Factor and offset from one unit to the other; both (1, 0) for the same. Raises ValueError with words.

    ppb and ppm become mass concentrations as M / V (HJ 75-2017: C = ppm x M / 22.4, dry, 273.15 K, 101.325 kPa);
    `molar_mass` in g/mol, `molar_volume` in L/mol at the reference state that is wanted.
    """
    if source == target:
        return Fraction(1), Fraction(0)
    if source in _TO_CELSIUS and target in _TO_CELSIUS:
        factor, offset = map(Fraction, _TO_CELSIUS[source])
        other, other_offset = map(Fraction, _TO_CELSIUS[target])
        return factor / other, (offset - other_offset) / other
    for scale in _SCALES.values():
        if source in scale and target in scale:
            return Fraction(scale[source]) / Fraction(scale[target]), Fraction(0)
    shares, masses = _SCALES["volume share in ppm"], _SCALES["mass concentration in mg/m3"]
    if source in shares and target in masses:
        if molar_mass is None:
            raise ValueError(f"{source} to {target} needs `molar_mass` in g/mol (SO2 64, NO2 46, CO 28)")
        density = Fraction(repr(molar_mass)) / Fraction(repr(molar_volume))
        return Fraction(shares[source]) * density / Fraction(masses[target]), Fraction(0)
    raise ValueError(f"no conversion from {source!r} to {target!r}: use scale and offset, or another unit")
