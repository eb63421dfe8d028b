"""A petrol station: fuellings at each nozzle, pressure in the tank ullage, vapour at the unloading area.

Fuel flows at 30 to 38 L/min, about as much vapour comes back (GB 20952-2020 wants 1.0 to 1.2 of it). Drawing
fuel lowers the tank's pressure, deliveries and the day's warmth raise it, the P/V valve bounds it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import Diary, LocalTime
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal
from drivers.simulator.smooth import chance, drift, wander

_SLOT_S = 180  # a nozzle has at most one customer in this time
_PULSES_PER_LITRE = 100  # a controller factor of 10; with 60 L well inside 16 bits
_FRESH_S = 60  # the controller calls a record fresh for about as long
_DELIVERY_S = 1500  # a tanker unloads in about 25 min
_SHIFT_S = 28_800  # and comes once in eight hours


class Fuelling:
    """One fuelling: litres, seconds, and the vapour that came back."""

    __slots__ = ("end_s", "litres", "seconds", "start_s", "vapour_litres")

    def __init__(self, nozzle: str, slot: int, seed: int) -> None:
        key = (seed, nozzle, slot)
        self.litres = 8 + 47 * chance(*key, "litres") ** 1.5
        self.seconds = self.litres / (30 + 8 * chance(*key, "flow")) * 60
        self.start_s = slot * _SLOT_S + chance(*key, "start") * (_SLOT_S - self.seconds)
        self.end_s = self.start_s + self.seconds
        ratio = 1.08 + 0.08 * drift(self.start_s, 86_400, seed, nozzle, "pump") + 0.04 * (chance(*key, "ratio") - 0.5)
        self.vapour_litres = self.litres * ratio


class PetrolStation:
    """The scene: every nozzle has its customers, all of them draw on one tank."""

    def __init__(self, instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._nozzles = sorted({nozzle for instrument in instruments for nozzle in _nozzles(instrument)})
        self._tankers = Diary(self._tanker, _SHIFT_S)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Fuellings, pressures, vapour."""
        nozzle = _nozzle(instrument, point)
        record: dict[str, tuple[Callable[[Fuelling], float], str | None]] = {
            "fuel_pulses": (lambda last: round(last.litres * _PULSES_PER_LITRE), None),
            "vapour_pulses": (lambda last: round(last.vapour_litres * _PULSES_PER_LITRE), None),
            "fuelling_time": (lambda last: round(last.seconds), "s"),
            "fuel_volume": (lambda last: last.litres, "L"),
            "vapour_volume": (lambda last: last.vapour_litres, "L"),
            "air_liquid_ratio": (lambda last: last.vapour_litres / last.litres, None),
            "fuel_flow": (lambda last: 60 * last.litres / last.seconds, "L/min"),
            "vapour_flow": (lambda last: 60 * last.vapour_litres / last.seconds, "L/min"),
        }
        quantity = point.quantity or ""
        if quantity in record:
            of, unit = record[quantity]
            return (lambda t_s: of(self.last_fuelling(nozzle, t_s))), unit
        if quantity == "state" and point.id.endswith("_record"):
            return (lambda t_s: int(t_s - self.last_fuelling(nozzle, t_s).end_s > _FRESH_S)), None
        station: dict[str, Known] = {
            "tank_pressure": (self.tank_pressure_pa, "Pa"),
            "line_pressure": (lambda t_s: self.tank_pressure_pa(t_s) + 60.0 * self.running(t_s), "Pa"),
            "vapour_temperature": (lambda t_s: 17 + 6 * self._local.sun(t_s) + wander(t_s, self._seed, "vapour"), "°C"),
            "gas_lel": (lambda t_s: self._lel(instrument, t_s), "%LEL"),
            "vapour_concentration": (lambda t_s: 9 + 4 * wander(t_s, self._seed, instrument.id), "g/m3"),
        }
        if quantity == "state" and any(other.quantity == "gas_lel" for other in instrument.points):
            return (lambda t_s: 0 if self._lel(instrument, t_s) < 25 else 1), None
        return station.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """Nothing here calibrates by itself."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        for one in instruments:
            for nozzle in _nozzles(one):
                for fuelling in self._fuellings(nozzle, from_s, until_s):
                    data: dict[str, Value] = {
                        "nozzle": nozzle.rpartition(" ")[2],
                        "litres": fuelling.litres,
                        "vapour_litres": fuelling.vapour_litres,
                        "seconds": fuelling.seconds,
                    }
                    yield Happening("fuelling", one.id, fuelling.start_s, fuelling.end_s, data)
        if self._nozzles:
            yield from told("unloading", self._tankers.between(from_s, until_s))

    def last_fuelling(self, nozzle: str, t_s: float) -> Fuelling:
        """The newest fuelling that has ended."""
        slot = int(t_s // _SLOT_S)
        while True:  # at night the chance is small, never zero: it ends
            if self._busy(nozzle, slot):
                fuelling = Fuelling(nozzle, slot, self._seed)
                if fuelling.end_s <= t_s:
                    return fuelling
            slot -= 1

    def running(self, t_s: float) -> int:
        """How many nozzles deliver fuel."""
        slot = int(t_s // _SLOT_S)
        count = 0
        for nozzle in self._nozzles:
            if self._busy(nozzle, slot):
                fuelling = Fuelling(nozzle, slot, self._seed)
                count += fuelling.start_s <= t_s < fuelling.end_s
        return count

    def tank_pressure_pa(self, t_s: float) -> float:
        """Between the P/V valve's settings of about -1500 and +3000 Pa, mostly within some hundred."""
        pressure = 150 + 350 * self._local.sun(t_s) + 120 * wander(t_s, self._seed, "tank")
        pressure += 500 * self._unloading(t_s)
        # the draw of a fuelling builds up over some seconds: average of the last ten
        pressure -= sum(90.0 * self.running(t_s - back_s) for back_s in (0, 2.5, 5, 7.5)) / 4
        return pressure

    def _lel(self, instrument: InstrumentSpec, t_s: float) -> float:
        """A few per cent of the explosive limit, more while a tanker unloads."""
        return max(0.0, 3 + 2 * wander(t_s, self._seed, instrument.id) + 9 * self._unloading(t_s))

    def _fuellings(self, nozzle: str, from_s: float, until_s: float) -> Iterator[Fuelling]:
        for slot in range(int(from_s // _SLOT_S), int(until_s // _SLOT_S) + 1):
            if self._busy(nozzle, slot):
                fuelling = Fuelling(nozzle, slot, self._seed)
                if fuelling.start_s < until_s and fuelling.end_s > from_s:
                    yield fuelling

    def _busy(self, nozzle: str, slot: int) -> bool:
        hour = self._local.second(slot * _SLOT_S) / 3600
        # rush hours at 8 and 18, quiet at 3
        demand = 0.12 + 0.4 * math.exp(-(((hour - 8) / 2.5) ** 2)) + 0.45 * math.exp(-(((hour - 18) / 3) ** 2))
        return chance(self._seed, nozzle, slot) < demand + 0.15 * (7 < hour < 22)

    def _unloading(self, t_s: float) -> float:
        """0..1 while a tanker unloads, and until the air is clear again."""
        return self._tankers.share(t_s, 120, 600)

    def _tanker(self, shift: int) -> Iterable[Span]:
        start_s = shift * _SHIFT_S + 24_000 * chance(self._seed, "tanker", shift)
        yield Span(start_s, start_s + _DELIVERY_S)


def _nozzles(instrument: InstrumentSpec) -> list[str]:
    """Those of a dispenser, each once."""
    pulses = (point for point in instrument.points if point.quantity in ("fuel_pulses", "fuel_volume"))
    return list(dict.fromkeys(_nozzle(instrument, point) for point in pulses))


def _nozzle(instrument: InstrumentSpec, point: Point) -> str:
    """`dispenser-1 n2` of the point n2_fuel."""
    return f"{instrument.id} {point.id.partition('_')[0]}"
