"""A store of hazardous waste: pallets are weighed one by one, the door opens for each, handled drums smell."""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import Diary, LocalTime
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, has, with_quantity
from drivers.simulator.smooth import chance, ramp, wander

_SLOT_S = 900  # at most one pallet in a quarter of an hour
_OPENS_S, _SHUTS_S = 120, 180  # the door, before and after
_PUT_S, _TAKEN_S = 5, 4  # by a fork-lift
_SWINGS_S = 1.3  # period of the platform
_CAPACITY_KG = 3000
_MOVES, _OVERLOADED = 0b01, 0b10
_PPM_PER_LEL = 120.0  # 1 % of the explosive limit of usual solvents, about 1.2 %vol


class HazardousWasteScale:
    """The scene of one store."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weighings = Diary(self._weighing, _SLOT_S)
        self._openings = Diary(self._opening, _SLOT_S)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Scale, door, vapour."""
        quantity = point.quantity or ""
        if quantity == "weight":
            return self.weight_kg, "kg"
        if has(instrument, "weight"):
            return (self._state, None) if quantity == "state" else None
        if quantity == "contact":
            first = next(one.id for one in instrument.points if one.quantity == "contact")
            return (self.is_open if point.id == first else lambda t: False), None
        air: dict[str, Known] = {
            "vapour_concentration": (self.vapour_ppm, "ppm"),
            "raw_count": (lambda t: round(410 + 2.4 * self.vapour_ppm(t)), None),
            "gas_lel": (self.lel_percent, "%LEL"),
            "alarm": (lambda t: (self.lel_percent(t) >= 20) + 2 * (self.lel_percent(t) >= 40), None),
        }
        if quantity in air:
            return air[quantity]
        settings: dict[str, Value] = {"alarm_level_1": 20, "alarm_level_2": 40, "sensor_type": 2}
        if has(instrument, "gas_lel") and point.id in settings:
            return (lambda t: settings[point.id]), None
        return None

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """Scale and detectors measure all the time; overload stands in the scale's state."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from told("weighing", self._weighings.between(from_s, until_s), with_quantity(instruments, "weight"))
        yield from told("door_open", self._openings.between(from_s, until_s), with_quantity(instruments, "contact"))

    def weight_kg(self, t_s: float) -> float:
        """Nothing, a load that swings until it is at rest, the load, nothing."""
        shown = 0.04 * wander(t_s, self._seed, "zero")
        for one in self._around(t_s):
            kg = float(one.data["kg"] or 0)
            put = ramp(t_s, one.from_s - _PUT_S, 2) - ramp(t_s, one.until_s, _TAKEN_S)
            since_s = t_s - (one.from_s - _PUT_S)
            swing = 0.0
            if 0 < since_s < _PUT_S:
                fading = math.exp(-since_s) * (1 - since_s / _PUT_S)
                swing = 0.06 * fading * math.sin(2 * math.pi * since_s / _SWINGS_S)
            shown += kg * (put + swing)
        return shown

    def moves(self, t_s: float) -> bool:
        """Whether the indicator says "in motion"."""
        return any(
            one.from_s - _PUT_S <= t_s < one.from_s or one.until_s <= t_s < one.until_s + _TAKEN_S
            for one in self._around(t_s)
        )

    def is_open(self, t_s: float) -> bool:
        """The door."""
        return self._openings.at(t_s) is not None

    def vapour_ppm(self, t_s: float) -> float:
        """Of solvents: more where drums were handled; the open door and the fan carry it off."""
        drums = max(
            (
                float(one.data["ppm"] or 0) * (ramp(t_s, one.from_s, 40) - ramp(t_s, one.until_s, 1500))
                for one in self._around(t_s)
            ),
            default=0.0,
        )
        warmth = 3 * self._local.sun(t_s - 7200)
        return 18 + warmth + 3 * wander(t_s, self._seed, "vapour") + drums

    def lel_percent(self, t_s: float) -> float:
        """Of the lower explosive limit."""
        return self.vapour_ppm(t_s) / _PPM_PER_LEL

    def _state(self, t_s: float) -> int:
        """Bits of the indicator's state: 0 in motion, 1 overload."""
        over = _OVERLOADED if self.weight_kg(t_s) > _CAPACITY_KG else 0
        return over | (_MOVES if self.moves(t_s) else 0)

    def _around(self, t_s: float) -> Iterable[Span]:
        """Weighings that may show: with what is left of the one before the last, and what is just put on."""
        number = int(t_s // _SLOT_S)
        return (span for slot in range(number - 2, number + 1) for span in self._weighings.of(slot))

    def _weighing(self, slot: int) -> Iterable[Span]:
        """Working hours on working days; a fiftieth of all pallets is too heavy."""
        begin_s = slot * _SLOT_S
        hour = self._local.second(begin_s) / 3600
        key = (self._seed, "pallet", slot)
        if not (self._local.works(self._local.day(begin_s)) and 8 <= hour < 17 and chance(*key) < 0.55):
            return
        heavy = chance(*key, "heavy") < 0.02
        kg = 3040 + 120 * chance(*key, "kg") if heavy else 35 + 1300 * chance(*key, "kg") ** 1.5
        rest_s = begin_s + 150 + 350 * chance(*key, "begin")
        data: dict[str, Value] = {"kg": round(kg, 1), "ppm": 15 + 180 * chance(*key, "smell") ** 3}
        yield Span(rest_s, rest_s + 40 + 60 * chance(*key, "length"), data)

    def _opening(self, slot: int) -> Iterable[Span]:
        for one in self._weighings.of(slot):
            yield Span(one.from_s - _OPENS_S, one.until_s + _SHUTS_S)
