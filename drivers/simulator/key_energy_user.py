"""A works with shifts: production draws power, steam and water; its treatment equipment must run with it, and once in a
while does not.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.counter import YEAR_S, Counter
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, has, with_quantity
from drivers.simulator.smooth import chance, drift, ramp, wander

_BEFORE_S, _AFTER_S = 600, 1200  # the treatment starts before the line and stops after it
_MOTOR_S = 8  # a motor runs up, or down
_LINE_S = 900  # the line itself
_BREAKS_S = (10 * 3600, 18 * 3600)  # local time; a quarter of an hour each
_IDLE_W = {"production": 2800.0, "treatment": 240.0, "fan": 40.0}
_FULL_W = {"production": 215_000.0, "treatment": 34_000.0, "fan": 5_200.0}
_PHASES = {"1": 0.342, "2": 0.325, "3": 0.333}
_STEAM_KJ_KG = 2766  # enthalpy of saturated steam at 7 bar above air


class KeyEnergyUser:
    """The scene. The first electricity meter has the production, the second the treatment, the others its fans."""

    def __init__(self, instruments: Sequence[InstrumentSpec], seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._shifts: Diary = daily(self._local, self._shift)
        self._failures: Diary = daily(self._local, self._failure)
        meters = with_quantity(instruments, "active_power")
        self._roles = {name: ("production", "treatment", "fan")[min(at, 2)] for at, name in enumerate(meters)}
        self._produced = Counter(self._plan)
        self._treated = Counter(self.treatment)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """Electricity, steam, water."""
        if instrument.id in self._roles:
            return self._electric(self._roles[instrument.id], point)
        quantity = point.quantity or ""
        if has(instrument, "steam_flow"):
            steam: dict[str, Known] = {
                "steam_flow": (self.steam_kg_h, "kg/h"),
                "steam_mass": (self._steam_kg, "kg"),
                "pressure": (self.steam_bar, "bar"),
                # saturated: a fourth root of the absolute pressure comes within a kelvin (in bar and °C)
                "temperature": (lambda t: 100 * (self.steam_bar(t) + 1.013) ** 0.25, "°C"),
                "heat_power": (lambda t: self.steam_kg_h(t) * _STEAM_KJ_KG / 3600, "kW"),
                "heat_energy": (lambda t: self._steam_kg(t) * _STEAM_KJ_KG / 3600, "kWh"),
                "alarm": (lambda t: 0, None),
            }
            return steam.get(quantity)
        water: dict[str, Known] = {
            "flow": (lambda t: 1.5 + 27 * self.activity(t) + 0.4 * self._of("water", t), "m3/h"),
            "water_flow": (lambda t: 1.5 + 27 * self.activity(t) + 0.4 * self._of("water", t), "m3/h"),
            "volume": (lambda t: self._total(1.5, 27, self._produced, t), "m3"),
            "water_volume": (lambda t: self._total(1.5, 27, self._produced, t), "m3"),
        }
        return water.get(quantity)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """Meters measure all the time."""
        return always_normal

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from told("production", self._shifts.between(from_s, until_s))
        treatment = [name for name, role in self._roles.items() if role == "treatment"]
        yield from told("untreated", self._failures.between(from_s, until_s), treatment)

    def activity(self, t_s: float) -> float:
        """Of the line, 0 to about 1.2: the furnace heats up in the first hour, which makes the day's demand."""
        return self._plan(t_s) * (1 + 0.05 * self._of("line", t_s))

    def treatment(self, t_s: float) -> float:
        """Of the treatment equipment, 0 to 1."""
        running = max(
            (
                ramp(t_s, shift.from_s - _BEFORE_S, _MOTOR_S) - ramp(t_s, shift.until_s + _AFTER_S, _MOTOR_S)
                for shift in self._around(t_s)
            ),
            default=0.0,
        )
        return running * (1 - self._failures.share(t_s, _MOTOR_S, _MOTOR_S))

    def power_w(self, role: str, t_s: float) -> float:
        """Active power of one meter."""
        runs = self.activity(t_s) if role == "production" else self.treatment(t_s) * (1 + 0.02 * self._of(role, t_s))
        return _IDLE_W[role] * (1 + 0.1 * self._of(f"{role} idle", t_s)) + _FULL_W[role] * runs

    def steam_kg_h(self, t_s: float) -> float:
        """What the line takes; what the pipes condense it takes always."""
        return 35 + 850 * self.activity(t_s) + 5 * self._of("steam", t_s)

    def steam_bar(self, t_s: float) -> float:
        """Above air."""
        return 7.0 - 0.3 * self.activity(t_s) + 0.1 * self._of("boiler", t_s)

    def _electric(self, role: str, point: Point) -> Known | None:
        phase = point.id[-1] if point.id[-2:] in ("_1", "_2", "_3") else None
        share = 1.0 if phase is None else _PHASES[phase]
        several = role != "fan"

        def voltage(t_s: float) -> float:
            return 232 + 2.5 * self._of(f"grid {phase}", t_s) - 3 * self.activity(t_s)

        def factor(t_s: float) -> float:
            return 0.72 + 0.19 * min(1.0, self.power_w(role, t_s) / _FULL_W[role])

        def current(t_s: float) -> float:
            mine = share if phase is not None or not several else 1 / 3
            return mine * self.power_w(role, t_s) / (voltage(t_s) * factor(t_s))

        counter = self._produced if role == "production" else self._treated

        def energy_kwh(t_s: float) -> float:
            return self._total(_IDLE_W[role], _FULL_W[role], counter, t_s) / 1000

        meter: dict[str, Known] = {
            "voltage": (voltage, "V"),
            "current": (current, "A"),
            "active_power": (lambda t: share * self.power_w(role, t), "W"),
            "reactive_power": (lambda t: share * self.power_w(role, t) / 1000 * math.tan(math.acos(factor(t))), "kvar"),
            "apparent_power": (lambda t: share * self.power_w(role, t) / 1000 / factor(t), "kVA"),
            "power_factor": (factor, None),
            "frequency": (lambda t: 50 + 0.02 * self._of("frequency", t), "Hz"),
            "active_energy": ((lambda t: 0.0) if "export" in point.id else energy_kwh, "kWh"),
        }
        return meter.get(point.quantity or "")

    def _plan(self, t_s: float) -> float:
        running = self._shifts.share(t_s, _LINE_S, _LINE_S)
        starts_s = [shift.from_s for shift in self._around(t_s)]
        heating = max((ramp(t_s, at_s, 600) - ramp(t_s, at_s + 3600, 900) for at_s in starts_s), default=0.0)
        second = self._local.second(t_s)
        pause = max(ramp(second, begin_s, 120) - ramp(second, begin_s + 900, 120) for begin_s in _BREAKS_S)
        return running * (0.82 + 0.06 * drift(t_s, 3600, self._seed, "orders") + 0.3 * heating) * (1 - 0.45 * pause)

    def _around(self, t_s: float) -> tuple[Span, ...]:
        """Shifts that may show."""
        return tuple(self._shifts.near(t_s))

    def _steam_kg(self, t_s: float) -> float:
        return self._total(35, 850, self._produced, t_s)

    def _total(self, idle: float, full: float, counter: Counter, t_s: float) -> float:
        """An hourly rate's total: what flows always, and what goes with the counter's share of time."""
        return (idle * (t_s % YEAR_S) + full * counter.at(t_s)) / 3600

    def _shift(self, day: int) -> Iterable[Span]:
        """Two shifts from Monday to Friday, one on some Saturdays."""
        key = (self._seed, "shift", day)
        length_s = 16 * 3600 if self._local.works(day) else 8 * 3600 if (day + 3) % 7 == 5 and chance(*key) < 0.5 else 0
        if length_s:
            begin_s = self._local.at(day, 6 * 3600 + 900 * chance(*key, "begin"))
            yield Span(begin_s, begin_s + length_s + 900 * chance(*key, "end"))

    def _failure(self, day: int) -> Iterable[Span]:
        """On two of five working days the treatment stands for some minutes while the line runs."""
        key = (self._seed, "failure", day)
        if self._local.works(day) and chance(*key) < 0.4:
            begin_s = self._local.at(day, 8 * 3600 + 36_000 * chance(*key, "begin"))
            yield Span(begin_s, begin_s + 120 + 1080 * chance(*key, "length"))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "works", name)
