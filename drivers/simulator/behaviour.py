"""What an instrument would show at a given second: seeded, plausible, smooth, and related within one site.

A **scene** is a site's physics (a petrol station, a boiler, a river); it knows quantities. What no scene knows
wanders within its range. Times are unix seconds; the same seed gives the same day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers import units
from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.boiler_house import BoilerHouse
from drivers.simulator.petrol_station import PetrolStation
from drivers.simulator.smooth import chance, wander
from drivers.simulator.water_station import WaterStation

Curve = Callable[[float], Value]
"""The value at a unix second."""

_MOLAR_MASSES = {"so2": 64, "nox": 46, "no": 30, "no2": 46, "co": 28, "h2s": 34, "nh3": 17}  # g/mol
_COUNTERS = {"m3", "L", "mm3", "kWh", "MWh", "kvarh", "GJ", "kg", "t", "uSv"}
_COUNTING = ("volume", "energy", "mass", "dose")


class Scene(Protocol):
    """The physics of one kind of site."""

    def curve(self, instrument: InstrumentSpec, point: Point) -> tuple[Curve, str | None] | None:
        """How a point behaves and in which unit (None: as the point has it); None when it is nothing of this scene."""

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """What the instrument says of itself: N, C while it calibrates…"""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One instrument. `curves` has one entry per point, in order."""

    curves: tuple[Curve, ...]
    condition: Callable[[float], Flag]

    def at(self, t_s: float) -> tuple[Value, ...]:
        """One value per point."""
        return tuple(curve(t_s) for curve in self.curves)


def scenes(instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> tuple[Scene, ...]:
    """Every scene, told what stands on the site: what one instrument does shows on the others."""
    return (
        PetrolStation(instruments, seed, utc_offset_s),
        BoilerHouse(seed, utc_offset_s),
        WaterStation(seed, utc_offset_s),
    )


def behaviour(instrument: InstrumentSpec, places: Sequence[Scene], seed: int) -> Behaviour:
    """How one instrument of a site behaves."""
    curves = tuple(_curve(instrument, point, places, seed) for point in instrument.points)
    owner = next(
        (scene for scene in places if any(scene.curve(instrument, point) for point in instrument.points)), None
    )
    return Behaviour(curves, owner.condition(instrument) if owner is not None else lambda t_s: Flag.NORMAL)


def _curve(instrument: InstrumentSpec, point: Point, places: Sequence[Scene], seed: int) -> Curve:
    for scene in places:
        found = scene.curve(instrument, point)
        if found is not None:
            curve, unit = found
            return _in_unit(curve, unit, point)
    return _anything(instrument, point, seed)


def _in_unit(curve: Curve, unit: str | None, point: Point) -> Curve:
    """The curve in the point's own unit; where units are only names (NTU, FNU) the number stays."""
    if unit is None or point.unit is None or unit == point.unit:
        return curve
    try:
        factor, offset = units.conversion(point.unit, unit, _MOLAR_MASSES.get(point.quantity or ""))
    except ValueError:
        return curve
    return lambda t_s: (float(curve(t_s) or 0.0) - float(offset)) / float(factor)


def _anything(instrument: InstrumentSpec, point: Point, seed: int) -> Curve:
    """A curve for a point that no scene knows: counters rise, switches rest, numbers wander about their middle."""
    key = (seed, instrument.id, point.id)
    kind = getattr(point, "type", "float32")
    states = getattr(point, "states", None)
    if states:
        first = next(iter(states.values()))
        return lambda t_s: first
    if kind == "string":
        name = (instrument.title or instrument.id).encode("ascii", "ignore").decode()
        return lambda t_s: name
    if kind == "bool" or getattr(point, "bit", None) is not None:
        return lambda t_s: chance(*key, int(t_s // 600)) < 0.05
    if point.quantity in ("state", "alarm") or kind == "bits":
        return lambda t_s: 0
    if point.unit in _COUNTERS or (point.quantity or "").endswith(_COUNTING):
        rate = 0.001 + 0.01 * chance(*key, "rate")
        return lambda t_s: rate * (t_s % 31_536_000)  # a year's worth, so that it fits every type
    middle, width = _middle(instrument, point, key)
    return lambda t_s: middle + width * wander(t_s, *key)


_USUAL = {
    "°C": (20, 5), "%": (50, 10), "kPa": (101, 0.5), "inHg": (29.5, 0.3), "V": (230, 4), "A": (5, 2), "Hz": (50, 0.05),
    "kW": (12, 4), "dB": (55, 8), "m/s": (3, 2), "°": (180, 90), "mV": (500, 40), "mL/min": (650, 20), "ppb": (20, 8),
    "ug/m3": (45, 20), "mg/m3": (30, 10), "m": (3, 0.4), "Pa": (100, 60), "uSv/h": (0.1, 0.02), "nGy/h": (95, 12),
    "K": (293, 5), "L/s": (25, 6), "L/min": (12, 3), "m3/h": (80, 20), "mg/L": (5, 1.5), "mA": (12, 2),
}  # fmt: skip
"""Middle and half width of what is usual in a unit."""


def _middle(instrument: InstrumentSpec, point: Point, key: tuple[int | str, ...]) -> tuple[float, float]:
    """Middle and half width: usual for the unit and shifted a little per point, kept inside the point's range."""
    middle, width = _USUAL.get(point.unit or "", (50.0, 10.0))
    middle += width * (chance(*key, "middle") - 0.5)
    if point.range is not None and not point.range[0] <= middle - width < middle + width <= point.range[1]:
        low, high = point.range
        middle, width = low + 0.3 * (high - low), 0.1 * (high - low)
    return middle, width
