"""Totals that agree with their rates: the integral of a curve, asked at any instant."""

import math
from collections.abc import Callable

from drivers.profile import InstrumentSpec, Point

YEAR_S = 31_536_000
"""A counter holds a year's worth, so that it fits every type; then it begins anew."""
STEP_S = 3600
"""The rate counts as straight between two of these instants."""


class Counter:
    """The integral of `rate` (per second, never negative) since the year began; the sums are kept, not the state."""

    def __init__(self, rate: Callable[[float], float]) -> None:
        self._rate = rate
        self._year = -1
        self._rates: list[float] = []
        self._sums: list[float] = []

    def at(self, t_s: float) -> float:
        """What has passed until `t_s`."""
        year, within_s = divmod(t_s, YEAR_S)
        index, inside_s = divmod(within_s, STEP_S)
        self._fill(int(year), int(index) + 1)
        before, after = self._rates[int(index) : int(index) + 2]
        share = inside_s / STEP_S
        return self._sums[int(index)] + inside_s * (before + (after - before) * share / 2)

    def _fill(self, year: int, index: int) -> None:
        if year != self._year:
            self._year, self._rates, self._sums = year, [self._rate(year * YEAR_S)], [0.0]
        for at in range(len(self._rates), index + 1):
            self._rates.append(self._rate(year * YEAR_S + at * STEP_S))
            self._sums.append(self._sums[-1] + STEP_S * (self._rates[-2] + self._rates[-1]) / 2)


def totaliser(counter: Counter, instrument: InstrumentSpec, point: Point) -> Callable[[float], float]:
    """How a point shows a total: all of it, or whole units beside a point `…_decimals` that has what is behind them."""
    if point.id.endswith("_decimals"):
        return lambda t_s: counter.at(t_s) % 1
    if any(other.id == f"{point.id}_decimals" for other in instrument.points):
        return lambda t_s: math.floor(counter.at(t_s))
    return counter.at
