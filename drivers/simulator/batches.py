"""Batch analysers: a sample is taken, digested and measured for a while, its result stands until the next one."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from drivers.contract import Value
from drivers.profile import InstrumentSpec
from drivers.simulator.days import Diary
from drivers.simulator.happening import Happening, Span
from drivers.simulator.scene import Known


class Batches:
    """A batch every `every_s` of unix time; the sample is taken `measuring_s` before its result is shown."""

    def __init__(self, every_s: int, measuring_s: int, of: Mapping[str, Callable[[float], float]]) -> None:
        """`of`: the concentration in the water at a unix second, mg/L, by quantity."""
        self._every_s = every_s
        self._measuring_s = measuring_s
        self._of = of
        self._diary = Diary(self._batch, every_s, measuring_s)

    def measures(self, t_s: float) -> bool:
        """Whether a sample is in the analyser."""
        return self._diary.at(t_s) is not None

    def curve(self, quantity: str) -> Known:
        """The last finished analysis."""
        of = self._of[quantity]
        return (lambda t_s: of(self._sampled_s(t_s))), "mg/L"

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """Batches of each instrument that has one of the quantities."""
        for one in instruments:
            mine = [point.quantity for point in one.points if point.quantity in self._of]
            if mine:
                for span in self._diary.between(from_s, until_s):
                    data: dict[str, Value] = {name: self._of[name](span.from_s) for name in mine if name is not None}
                    yield Happening("batch", one.id, span.from_s, span.until_s, data)

    def _sampled_s(self, t_s: float) -> float:
        return t_s // self._every_s * self._every_s - self._measuring_s

    def _batch(self, number: int) -> Iterable[Span]:
        begin_s = number * self._every_s - self._measuring_s
        yield Span(begin_s, begin_s + self._measuring_s)
