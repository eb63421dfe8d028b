"""What one property of water says of another."""


def solubility_mg_l(temperature_c: float) -> float:
    """Oxygen in fresh water at 101.325 kPa, by the usual cubic fit between 0 and 40 °C."""
    t = temperature_c
    return 14.652 - 0.41022 * t + 0.007991 * t**2 - 0.000077774 * t**3


def conductivity_us_cm(at_25: float, temperature_c: float) -> float:
    """uS/cm at this temperature of water that has `at_25` at 25 °C."""
    return at_25 * (1 + 0.019 * (temperature_c - 25))


def ph_potential_mv(ph: float, temperature_c: float) -> float:
    """Of a glass electrode: 59.16 mV a step at 25 °C (Nernst), 0 at pH 7."""
    return (7 - ph) * 59.16 * (temperature_c + 273.15) / 298.15


def sound_speed_m_s(temperature_c: float) -> float:
    """In water between 0 and 40 °C, roughly."""
    return 1403 + 4.6 * temperature_c - 0.04 * temperature_c**2
