"""Zero and span gas at night: what an analyser of gases shows meanwhile, and what it says of itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Happening, Span, told
from drivers.simulator.scene import Known, always_normal, has, with_quantity
from drivers.simulator.smooth import ramp, wander

_FLUSH_S = 60  # from one gas to the other through the sample line


class Calibration:
    """Each night, `gas_s` of zero gas and as much of span gas, from `begin_s` after local midnight on."""

    def __init__(
        self, seed: int, local: LocalTime, begin_s: float, gas_s: float, spans: Mapping[str, tuple[float, str]]
    ) -> None:
        """`spans`: what a bottle holds, by quantity: (content, unit)."""
        self._seed = seed
        self._local = local
        self._begin_s = begin_s
        self._gas_s = gas_s
        self.spans = spans
        self.diary: Diary = daily(local, self._of_day)

    def gas(self, t_s: float) -> float | None:
        """Share of span gas while it calibrates (0 is zero gas), None while it measures."""
        if self.diary.at(t_s) is None:
            return None
        return ramp(self._local.second(t_s), self._begin_s + self._gas_s, _FLUSH_S)

    def shown(self, name: str, of: Callable[[float], float]) -> Known:
        """The gas in the duct or in the street, or the one in the calibration line."""
        content, unit = self.spans[name]

        def at(t_s: float) -> Value:
            share = self.gas(t_s)
            if share is None:
                return max(0.0, of(t_s))
            return max(0.0, share * content + 0.001 * content * wander(t_s, self._seed, "bottle", name))

        return at, unit

    def contact(self, point: Point) -> Known | None:
        """What an analyser's own contacts show, by the names they have in profiles; None for other points."""
        shares: dict[str, Callable[[float], Value]] = {
            "zero_calibration": lambda t_s: (gas := self.gas(t_s)) is not None and gas < 0.5,
            "span_calibration": lambda t_s: (gas := self.gas(t_s)) is not None and gas >= 0.5,
            "multipoint_calibration": lambda t_s: False,
            "invalid": lambda t_s: False,
            "system_ok": lambda t_s: True,
        }
        curve = shares.get(point.id) if point.quantity == "state" else None
        return None if curve is None else (curve, None)

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """C while an analyser of one of the gases calibrates."""
        if not has(instrument, *self.spans):
            return always_normal
        return lambda t_s: Flag.NORMAL if self.diary.at(t_s) is None else Flag.CALIBRATION

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """See Scene."""
        return told("calibration", self.diary.between(from_s, until_s), with_quantity(instruments, *self.spans))

    def _of_day(self, day: int) -> Iterable[Span]:
        begin_s = self._local.at(day, self._begin_s)
        yield Span(begin_s, begin_s + 2 * self._gas_s, {"zero_until": begin_s + self._gas_s})
