"""The secondary loop of a heating network: weather decides, nights are set back, rooms follow with their walls' delay.

Heat is conserved: what the houses' meters take is what the substation's gives, less what the pipes lose.
"""

from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.counter import Counter, totaliser
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, has
from drivers.simulator.smooth import chance, drift, wander
from drivers.simulator.water_physics import sound_speed_m_s
from drivers.simulator.weather import Weather

_HEAT_KJ_M3_K = 983.2 * 4.185  # water at 60 °C
_NIGHT_S, _NIGHT_LENGTH_S = 22.5 * 3600, 7 * 3600
_VALVE_S = 3600  # the control lowers and raises over an hour
_WALLS_S = 10_800  # and a room feels it over three
_NEEDS_KW_K = 45.0  # kW for each kelvin that it is colder outside than in
_SECTION_M2 = 0.0177  # of a pipe DN 150


class HeatingNetwork:
    """The scene of one loop. Of the heat meters the first stands at the substation, the others in the houses."""

    def __init__(self, instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._weather = Weather(seed, self._local)
        self._nights: Diary = daily(self._local, self._night)
        houses = [one.id for one in instruments if has(one, "supply_temperature")][1:]
        weights = {name: 0.6 + 0.8 * chance(seed, name, "size") for name in houses}
        self._shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
        self._passed = Counter(lambda t_s: self._pumped(t_s) / 3600)
        self._given = Counter(lambda t_s: self.given_kw(t_s) / 1e6)  # kJ/s -> GJ/s
        self._taken = Counter(lambda t_s: (self.given_kw(t_s) - self.lost_kw(t_s)) / 1e6)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Heat meters, pressure, rooms."""
        quantity = point.quantity or ""
        if quantity == "room_temperature":
            return (lambda t: self.room_c(instrument.id, t)), "°C"
        if quantity == "room_humidity":
            return (lambda t: 41 + 6 * wander(t, self._seed, instrument.id, "air")), "%"
        if quantity in ("pressure", "supply_pressure") and not has(instrument, "supply_temperature"):
            return (lambda t: 560 + 14 * self._of("pressure", t) - 30 * self._lowered(t)), "kPa"
        if not has(instrument, "supply_temperature"):
            return None
        if instrument.id in self._shares:
            return self._house(instrument.id, point)
        substation: dict[str, Known] = {
            "flow": (self.flow_m3_h, "m3/h"),
            "water_velocity": (lambda t: self.flow_m3_h(t) / 3600 / _SECTION_M2, "m/s"),
            "sound_speed": (lambda t: sound_speed_m_s(self.supply_c(t)), "m/s"),
            "signal_quality": (lambda t: round(86 + 5 * self._of("signal", t)), None),
            "water_volume": (totaliser(self._passed, instrument, point), "m3"),
            "volume": (self._passed.at, "m3"),
            "water_volume_reverse": (lambda t: 0.0, "m3"),
            "heat_power": (self.given_kw, "kW"),
            "heat_energy": (self._given.at, "GJ"),
            "supply_temperature": (self.supply_c, "°C"),
            "return_temperature": (self.return_c, "°C"),
        }
        return substation.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """Nothing here calibrates by itself."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from told("night_setback", self._nights.between(from_s, until_s))
        yield from told("rain", self._weather.rain.diary.between(from_s, until_s))

    def given_kw(self, t_s: float) -> float:
        """What the substation gives: by the cold outside; less at night, more when the houses are warmed up again."""
        warming = self._nights.share(t_s - _NIGHT_LENGTH_S, _VALVE_S, _VALVE_S) * self._local.peak(t_s, 6.5, 1.5)
        return _NEEDS_KW_K * self._cold_k(t_s) * (1 - 0.22 * self._lowered(t_s) + 0.15 * warming)

    def lost_kw(self, t_s: float) -> float:
        """What the pipes lose: by the water's heat above the ground's."""
        return min(0.2 * self.given_kw(t_s), 0.9 * (self._curve_c(t_s) - 12))

    def flow_m3_h(self, t_s: float) -> float:
        """Of the loop."""
        return self._pumped(t_s) * (1 + 0.01 * self._of("flow", t_s))

    def supply_c(self, t_s: float) -> float:
        """By the heating curve."""
        return self._curve_c(t_s) + 0.3 * self._of("supply", t_s)

    def return_c(self, t_s: float) -> float:
        """By what was taken out of the flow."""
        return self.supply_c(t_s) - 3600 * self.given_kw(t_s) / (_HEAT_KJ_M3_K * self.flow_m3_h(t_s))

    def room_c(self, room: str, t_s: float) -> float:
        """A room of its own: some are at the end of the line, all cool a little at night and when it is very cold."""
        place = 2.4 * chance(self._seed, room, "place") - 1.0
        night = self._nights.share(t_s, _WALLS_S, _WALLS_S)
        cold = max(0.0, 12 - self._weather.temperature_c(t_s - 14_400))
        lived_in = 0.3 * wander(t_s, self._seed, room, "windows")
        return 20.4 + place - 0.9 * night - 0.04 * cold + 0.3 * self._local.sun(t_s) + lived_in

    def _house(self, name: str, point: Point) -> Known | None:
        """A share of the flow and of the heat that arrives."""
        share = self._shares[name]

        def power_kw(t_s: float) -> float:
            return share * (self.given_kw(t_s) - self.lost_kw(t_s))

        def flow(t_s: float) -> float:
            return share * self.flow_m3_h(t_s)

        def supply_c(t_s: float) -> float:
            return self.supply_c(t_s) - 1800 * self.lost_kw(t_s) / (_HEAT_KJ_M3_K * self.flow_m3_h(t_s))

        def difference_k(t_s: float) -> float:
            return 3600 * power_kw(t_s) / (_HEAT_KJ_M3_K * flow(t_s))

        meter: dict[str, Known] = {
            "heat_energy": (lambda t: share * self._taken.at(t), "GJ"),
            "volume": (lambda t: share * self._passed.at(t), "m3"),
            "water_volume": (lambda t: share * self._passed.at(t), "m3"),
            "heat_power": (power_kw, "kW"),
            "flow": (flow, "m3/h"),
            "supply_temperature": (supply_c, "°C"),
            "return_temperature": (lambda t: supply_c(t) - difference_k(t), "°C"),
            "temperature": (difference_k, "K"),
            "state": (lambda t: 0, None),
        }
        return meter.get(point.quantity or "")

    def _curve_c(self, t_s: float) -> float:
        return 40 + 1.05 * self._cold_k(t_s) - 5 * self._lowered(t_s)

    def _cold_k(self, t_s: float) -> float:
        """How much too cold it is outside; an hour later the control knows."""
        return max(1.0, 20 - self._weather.temperature_c(t_s - 3600))

    def _pumped(self, t_s: float) -> float:
        return 62 + 3 * drift(t_s, 7200, self._seed, "pumps") - 6 * self._lowered(t_s)

    def _lowered(self, t_s: float) -> float:
        return self._nights.share(t_s, _VALVE_S, _VALVE_S)

    def _night(self, day: int) -> Iterable[Span]:
        begin_s = self._local.at(day, _NIGHT_S)
        yield Span(begin_s, begin_s + _NIGHT_LENGTH_S)

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "loop", name)
