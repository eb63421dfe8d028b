"""Water: loads, and the classes of surface water.

Loads follow HJ 212-2017 D.1. Its formula for the mean flow lacks the factor 1000 from m3 to L; here it is applied.
Classes follow GB 3838-2002 table 1, basic items.
"""

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES = ("I", "II", "III", "IV", "V", "below V")
"""Best to worst; the last is 劣V."""

LIMITS: Mapping[str, tuple[float, ...]] = {
    "permanganate_index": (2, 4, 6, 10, 15),
    "cod": (15, 15, 20, 30, 40),
    "bod5": (3, 3, 4, 6, 10),
    "ammonia_nitrogen": (0.15, 0.5, 1.0, 1.5, 2.0),
    "total_phosphorus": (0.02, 0.1, 0.2, 0.3, 0.4),
    "total_nitrogen": (0.2, 0.5, 1.0, 1.5, 2.0),
}
"""mg/L, highest values of the classes I to V."""
OXYGEN = (7.5, 6, 5, 3, 2)
"""mg/L, lowest values of the classes I to V."""
LAKE_PHOSPHORUS = (0.01, 0.025, 0.05, 0.1, 0.2)
"""mg/L, in lakes and reservoirs."""
PH = (6.0, 9.0)
"""All classes."""
FACTORS = (*LIMITS, "dissolved_oxygen", "ph")
"""What a class can be judged by; named as the quantities are."""


@dataclass(frozen=True, slots=True)
class WaterClass:
    """The class of one sample, the class of each factor, and the factors that decide it (the worst)."""

    name: str
    factors: Mapping[str, str]
    deciding: tuple[str, ...]


def water_class(sample: Mapping[str, float], lake: bool = False) -> WaterClass | None:
    """Class of a sample by its worst factor; None for a sample without any. Raises KeyError for an unknown factor.

    Total nitrogen counts if it is in the sample: river sections are normally judged without it, so leave it out.
    """
    classes = {factor: _class_of(factor, value, lake) for factor, value in sample.items()}
    if not classes:
        return None
    worst = max(classes.values())
    deciding = tuple(factor for factor, number in classes.items() if number == worst)
    return WaterClass(CLASSES[worst], {factor: CLASSES[number] for factor, number in classes.items()}, deciding)


def _class_of(factor: str, value: float, lake: bool) -> int:
    if factor == "ph":
        return 0 if PH[0] <= value <= PH[1] else len(CLASSES) - 1
    if factor == "dissolved_oxygen":
        return next((number for number, least in enumerate(OXYGEN) if value >= least), len(OXYGEN))
    limits = LAKE_PHOSPHORUS if lake and factor == "total_phosphorus" else LIMITS[factor]
    return next((number for number, most in enumerate(limits) if value <= most), len(limits))


def slice_volume(flow: float, seconds: float) -> float:
    """Flow in L/s over so many seconds (5 at most) -> m3: Q · T · 1e-3."""
    return flow * seconds * 1e-3


def mean_flow(volume: float, seconds: float) -> float:
    """m3 in so many seconds -> L/s: 1000 · D / T."""
    return 1000 * volume / seconds


def load_rate(concentration: float, flow: float) -> float:
    """Concentration in mg/L and flow in L/s -> kg/h: C · Q · 3600 · 1e-6."""
    return concentration * flow * 3600 * 1e-6


def load(concentration: float, volume: float) -> float:
    """Concentration in mg/L and volume in m3 -> kg: C · D · 1e-3."""
    return concentration * volume * 1e-3


def weighted_mean(mass: float, volume: float) -> float:
    """kg in m3 -> mg/L: G / D · 1e3."""
    return mass / volume * 1e3
