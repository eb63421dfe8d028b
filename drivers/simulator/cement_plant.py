"""A cement works: the kiln burns for days, the raw mill comes and goes with the price of electricity.

While the raw mill runs ("compound operation") the kiln's gas dries the meal: it leaves cooler and moister, and the meal
takes most of the sulphur dioxide and ammonia out of it. With the mill off both rise and the gas is hot. A kiln that has
stopped is heated up over hours, with much oxygen and carbon monoxide.
"""

from collections.abc import Callable, Iterable, Sequence

from drivers.contract import Flag
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.boiler_house import SPAN
from drivers.simulator.calibration import Calibration
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, changes, told
from drivers.simulator.scene import Known, has
from drivers.simulator.smooth import chance, drift, ramp, wander

_HEAT_UP_S, _RUN_DOWN_S = 7200, 1800
_MILL_S = 600  # until the mill is full, or empty
_STOPS = 0.3  # of all days see the kiln stop
_DEAR = ((8.5 * 3600, 10_800), (17.5 * 3600, 9_000))  # local time and length of the dear hours of electricity
_CALIBRATION_S, _GAS_S = 2 * 3600, 600
_SPAN = {**SPAN, "so2": (240.0, "mg/m3"), "nox": (800.0, "mg/m3"), "nh3": (40.0, "mg/m3")}
_CLEANING_S = 900  # the filter's bags are blown clean so often, in 20 s
_BLOW_S = 20


class CementPlant:
    """The scene of one kiln line: main stack, cooler stack, bag filters."""

    def __init__(self, seed: int, utc_offset_s: float) -> None:
        self._seed = seed
        self._local = LocalTime(utc_offset_s)
        self._calibration = Calibration(seed, self._local, _CALIBRATION_S, _GAS_S, _SPAN)
        self._stops: Diary = daily(self._local, self._stop)
        self._pauses: Diary = daily(self._local, self._pause)

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """The kiln's gas where gases are measured, the cooler's air at other stacks."""
        quantity = point.quantity or ""
        if quantity == "differential_pressure":
            return (lambda t: self._filter_pa(instrument.id, t)), "Pa"
        if not has(instrument, "so2", "nox", "o2_dry", "nh3"):
            return self._cooler(quantity)
        gas: dict[str, Callable[[float], float]] = {
            "so2": lambda t: (95 + 12 * self._of("so2", t)) * (1 - 0.8 * self.mill(t)) * self.load(t),
            "nox": lambda t: (255 + 30 * self._of("nox", t)) * self.load(t),
            "no": lambda t: (158 + 18 * self._of("nox", t)) * self.load(t),
            "no2": lambda t: (12 + 2 * self._of("nox", t)) * self.load(t),
            "co": lambda t: (180 + 40 * self._of("co", t)) * self.load(t) + 420 * self._heating(t),
            "nh3": lambda t: (6.5 + self._of("nh3", t)) * (1 - 0.7 * self.mill(t)) * self.load(t),
            "o2_dry": self.oxygen,
            "o2_wet": lambda t: self.oxygen(t) * (1 - self._moisture(t) / 100),
        }
        if quantity in gas:
            return self._calibration.shown(quantity, gas[quantity])
        stack: dict[str, Known] = {
            "dust": (lambda t: 0.3 + (4 + 1.2 * self._of("dust", t)) * self.load(t) + 14 * self._heating(t), "mg/m3"),
            "flue_gas_temperature": (self.gas_temperature_c, "°C"),
            "flue_gas_pressure": (lambda t: -0.02 - 0.18 * self.load(t) + 0.01 * self._of("draught", t), "kPa"),
            "flue_gas_humidity": (self._moisture, "%"),
            "flue_gas_velocity": (
                lambda t: 1.5 + (13 - self.mill(t) + 0.4 * self._of("draught", t)) * self.load(t),
                "m/s",
            ),
            "co2": (lambda t: 0.04 + (20.9 - self.oxygen(t)) * 1.7, "%"),  # fuel and limestone both give it
        }
        return stack.get(quantity) or self._calibration.contact(point)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C while an analyser of gases calibrates."""
        return self._calibration.condition(instrument)

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        yield from self._calibration.happenings(instruments, from_s, until_s)
        stops = self._stops.between(from_s - _HEAT_UP_S, until_s)
        yield from changes(stops, ("shut_down", _RUN_DOWN_S), ("start_up", _HEAT_UP_S), from_s, until_s)
        yield from told("raw_mill_off", self._pauses.between(from_s, until_s))

    def load(self, t_s: float) -> float:
        """Of the kiln: 0 cold to about 1."""
        burning = 1 - self._stops.share(t_s, _RUN_DOWN_S, _HEAT_UP_S)
        return burning * (0.97 + 0.03 * drift(t_s, 1800, self._seed, "kiln"))

    def mill(self, t_s: float) -> float:
        """How much raw meal the mill grinds, 0 to 1; it needs the kiln's gas."""
        return (1 - self._pauses.share(t_s, _MILL_S, _MILL_S)) * ramp(self.load(t_s), 0.5, 0.3)

    def oxygen(self, t_s: float) -> float:
        """Per cent, dry: the mill lets air in."""
        load = self.load(t_s)
        return 20.9 - (11.6 - 1.3 * self.mill(t_s) - 0.3 * self._of("o2", t_s)) * load

    def gas_temperature_c(self, t_s: float) -> float:
        """In the main stack."""
        load = self.load(t_s)
        return 25 + (130 - 48 * self.mill(t_s)) * load + 2 * self._of("heat", t_s)

    def _moisture(self, t_s: float) -> float:
        return 1.5 + (6.5 + 5 * self.mill(t_s) + 0.4 * self._of("moisture", t_s)) * self.load(t_s)

    def _cooler(self, quantity: str) -> Known | None:
        """Clinker comes at the kiln's rate; the grate's air cools it."""
        air: dict[str, Known] = {
            "dust": (lambda t: 0.5 + (6 + 2 * self._of("clinker", t)) * self.load(t), "mg/m3"),
            "flue_gas_temperature": (lambda t: 28 + (80 + 8 * self._of("grate", t)) * self.load(t), "°C"),
            "flue_gas_velocity": (lambda t: 0.8 + (10.5 + 0.5 * self._of("fan", t)) * self.load(t), "m/s"),
            "flue_gas_pressure": (lambda t: -0.01 - 0.1 * self.load(t), "kPa"),
            "flue_gas_humidity": (lambda t: 1.5 + 0.3 * self._of("air", t), "%"),
        }
        return air.get(quantity)

    def _filter_pa(self, name: str, t_s: float) -> float:
        """Rises with the square of the gas, and with the cake on the bags until they are blown clean."""
        since_s = (t_s + _CLEANING_S * chance(self._seed, name, "cleaning")) % _CLEANING_S
        cake = since_s / _CLEANING_S + 1 - ramp(since_s, 0, _BLOW_S)
        load = self.load(t_s)
        return 60 + load * load * (850 + 320 * cake) + 12 * self._of(name, t_s)

    def _heating(self, t_s: float) -> float:
        """1 in the middle of the heating up, 0 otherwise."""
        return max(
            (ramp(t_s, stop.until_s, 1800) - ramp(t_s, stop.until_s + 4200, 3000) for stop in self._stops.near(t_s)),
            default=0.0,
        )

    def _stop(self, day: int) -> Iterable[Span]:
        if chance(self._seed, "stop", day) < _STOPS:
            begin_s = self._local.at(day, 3 * 3600 + 36_000 * chance(self._seed, "stop", day, "begin"))
            yield Span(begin_s, begin_s + _RUN_DOWN_S + 10_800 * (1 + chance(self._seed, "stop", day, "length")))

    def _pause(self, day: int) -> Iterable[Span]:
        for number, (second, length_s) in enumerate(_DEAR):
            begin_s = self._local.at(day, second + 1800 * chance(self._seed, "mill", day, number))
            yield Span(begin_s, begin_s + length_s + 1800 * chance(self._seed, "mill", day, number, "length"))

    def _of(self, name: str, t_s: float) -> float:
        return wander(t_s, self._seed, "cement", name)
