"""A store with a radioactive source: its shield opens when people work with it, rain brings radon's daughters down."""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span
from drivers.simulator.scene import Known, always_normal, has, with_quantity
from drivers.simulator.smooth import chance, ramp, wander
from drivers.simulator.weather import Weather

_HANDLINGS = (9.0, 13.5)  # local hours from which on the source may be taken out, on working days
_ENTERED_S = 90  # from the door to the shield, and back
_MOVING_S = 12
_BACKGROUND = 88.0  # nGy/h, outside
_SHIELDED, _OPEN_AT_STORE = 760.0, 26_000.0
_ALARM = 10_000.0  # nGy/h at the store, where the lamp over the door comes on
_COUNTS = 0.55  # cps for each nGy/h


class RadiationSource:
    """The scene. Of the dose rate meters the first hangs in the store, the others stand at the fence."""

    def __init__(self, instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)
        self._openings: Diary = daily(self._local, self._opening)
        self._inside = with_quantity(instruments, "dose_rate", "dose_equivalent_rate")[:1]

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Dose rates, contacts, climate."""
        rate = self.store_ngy_h if instrument.id in self._inside else self.fence_ngy_h
        if has(instrument, "dose_rate", "dose_equivalent_rate"):
            meter: dict[str, Known] = {
                "dose_rate": (lambda t: self._counted(instrument.id, rate(t), t), "nGy/h"),
                # of gamma rays in air about 1.15 Sv a Gy
                "dose_equivalent_rate": (lambda t: 1.15e-3 * self._counted(instrument.id, rate(t), t), "uSv/h"),
                "count_rate": (lambda t: _COUNTS * self._counted(instrument.id, rate(t), t), "cps"),
                "state": (lambda t: 0, None),
            }
            return meter.get(point.quantity or "")
        if point.quantity == "contact":
            contacts = [one.id for one in instrument.points if one.quantity == "contact"]
            shown: tuple[Callable[[float], Value], ...] = (self.is_open, self.alarms)
            place = contacts.index(point.id)
            return (shown[place] if place < len(shown) else lambda t: False), None
        climate: dict[str, Known] = {
            "station_temperature": (lambda t: 15 + 0.25 * (self._weather.temperature_c(t - 7200) - 15), "°C"),
            "station_humidity": (lambda t: 48 + 4 * self._of("damp", t) + 3 * self._openings.share(t, 300, 3600), "%"),
        }
        return climate.get(point.quantity or "")

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """The meters measure all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        doors = with_quantity(instruments, "contact")[:1]
        for opening in self._openings.between(from_s, until_s):
            moved = _moved(opening)
            alarm = Span(moved.from_s + _MOVING_S / 2, moved.until_s + _MOVING_S / 2)
            yield from (Span(opening.from_s, opening.until_s).told("door_open", door) for door in doors)
            if moved.meets(from_s, until_s):
                yield Happening("source_moved", None, moved.from_s, moved.until_s, opening.data)
            if alarm.meets(from_s, until_s):
                yield from (alarm.told("alarm", door) for door in doors)
        for span in self._weather.rain.diary.between(from_s, until_s):
            yield span.told("rain")

    def out(self, t_s: float) -> float:
        """How far the source is out of its shield, 0 to 1."""
        moves = map(_moved, self._openings.near(t_s))
        return max((ramp(t_s, one.from_s, _MOVING_S) - ramp(t_s, one.until_s, _MOVING_S) for one in moves), default=0.0)

    def is_open(self, t_s: float) -> bool:
        """The door."""
        return self._openings.at(t_s) is not None

    def alarms(self, t_s: float) -> bool:
        """The lamp over the door."""
        return self.store_ngy_h(t_s) > _ALARM

    def store_ngy_h(self, t_s: float) -> float:
        """In the store."""
        return _SHIELDED + _OPEN_AT_STORE * self.out(t_s)

    def fence_ngy_h(self, t_s: float) -> float:
        """Background, radon's daughters in rain (they are gone an hour after it), and what gets out."""
        radon = 32 * self._weather.rain.wet(t_s, run_off_s=600, dry_s=2600, spells=3)
        near = max((float(span.data["fence"] or 0) for span in self._openings.near(t_s)
                    if span.from_s <= t_s <= span.until_s), default=0.0)  # fmt: skip
        return _BACKGROUND + radon + near * self.out(t_s)

    def _counted(self, name: str, rate: float, t_s: float) -> float:
        """Counting scatters by the square root of what is counted."""
        return max(0.0, rate + 0.6 * math.sqrt(rate) * wander(t_s, self._seed, name, "counting"))

    def _opening(self, day: int) -> Iterable[Span]:
        if not self._local.works(day):
            return
        for hour in _HANDLINGS:
            key = (self._seed, "handling", day, int(hour))
            if chance(*key) < 0.8:
                begin_s = self._local.at(day, hour * 3600 + 9000 * chance(*key, "begin"))
                length_s = 2 * _ENTERED_S + 240 + 1200 * chance(*key, "length")
                # now and then a beam port stands open to the fence
                fence = 4200.0 if chance(*key, "port") < 0.2 else 300 + 500 * chance(*key, "fence")
                yield Span(begin_s, begin_s + length_s, {"fence": fence})

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "store", name)


def _moved(opening: Span) -> Span:
    """When the source is out, of one opening of the door."""
    return Span(opening.from_s + _ENTERED_S, opening.until_s - _ENTERED_S - _MOVING_S, opening.data)
