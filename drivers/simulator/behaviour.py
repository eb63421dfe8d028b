"""What an instrument would show at a given second: seeded, plausible, smooth, and related within one site.

A **scene** is a site's physics (a petrol station, a boiler, a river: kinds.py); it knows quantities. What no scene
knows wanders within its range. Times are unix seconds; the same seed gives the same day.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers import units
from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.scene import Curve, Scene, always_normal
from drivers.simulator.smooth import chance, wander

_MOLAR_MASSES = {"so2": 64, "nox": 46, "no": 30, "no2": 46, "co": 28, "h2s": 34, "nh3": 17, "o3": 48}  # g/mol
_COUNTERS = {"m3", "L", "mm3", "kWh", "MWh", "kvarh", "GJ", "kg", "t", "uSv"}
_HIGHEST = {"uint16": 2**16 - 1, "int16": 2**15 - 1, "uint32": 2**32 - 1, "int32": 2**31 - 1}
_SOME_DAY_S = 1_795_536_000
_SWITCHED_ON_S = 3_456_000  # 40 days: in milliseconds it fits 32 bits
_COUNTING = ("volume", "energy", "mass", "dose")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One instrument. `curves` has one entry per point, in order; a scene knows the points in `known`."""

    curves: tuple[Curve, ...]
    condition: Callable[[float], Flag]
    known: frozenset[str] = frozenset()

    def at(self, t_s: float) -> tuple[Value, ...]:
        """One value per point."""
        return tuple(curve(t_s) for curve in self.curves)


def behaviour(instrument: InstrumentSpec, places: Sequence[Scene], seed: int) -> Behaviour:
    """How one instrument of a site behaves: each point by the first scene that knows it, its condition likewise.

    A scene that shows more than the instrument can measure or its register can hold is not meant: a weir is no river.
    """
    curves: list[Curve] = []
    known: dict[str, Scene] = {}
    for point in instrument.points:
        for scene in places:
            if (found := scene.curve(instrument, point)) is not None and _fits(curve := _in_unit(*found, point), point):
                known[point.id] = scene
                curves.append(curve)
                break
        else:
            curves.append(_anything(instrument, point, seed))
    owner = next((scene for scene in places if scene in known.values()), None)
    condition = always_normal if owner is None else owner.condition(instrument)
    return Behaviour(tuple(curves), condition, frozenset(known))


def _fits(curve: Curve, point: Point) -> bool:
    """Whether the point can have what the curve says, at some hours of one day."""
    low, high = point.range or (-math.inf, math.inf)
    if (held := _HIGHEST.get(getattr(point, "type", ""))) is not None and getattr(point, "reads", None) is None:
        high = min(high, held * point.scale + point.offset)
    if math.inf in (-low, high) and low == -high:
        return True
    values = (curve(_SOME_DAY_S + hour * 3600) for hour in (0, 7, 12, 18))
    return all(low <= value <= high for value in values if isinstance(value, int | float))


def _in_unit(curve: Curve, unit: str | None, point: Point) -> Curve:
    """The curve in the point's own unit; where units are only names (NTU, FNU) the number stays."""
    if unit is None or point.unit is None or unit == point.unit:
        return curve
    mass = getattr(point, "molar_mass", None) or _MOLAR_MASSES.get(point.quantity or "")
    volume = getattr(point, "molar_volume", None) or units.MOLAR_VOLUME
    try:
        factor, offset = map(float, units.conversion(unit, point.unit, mass, volume))
    except ValueError:
        try:
            back, shift = map(float, units.conversion(point.unit, unit, mass, volume))
        except ValueError:
            return curve
        factor, offset = 1 / back, -shift / back

    def at(t_s: float) -> Value:
        value = curve(t_s)
        return None if value is None or isinstance(value, str) else value * factor + offset

    return at


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
    if point.quantity == "running_time":
        return _in_unit(lambda t_s: t_s % _SWITCHED_ON_S, "s", point)
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
