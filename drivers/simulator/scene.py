"""What the physics of one kind of site must offer: drivers/simulator/behaviour.py asks it, kinds.py lists them.

A scene is a pure function of seed and time: any instant can be asked, in any order.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec, Point
from drivers.simulator.happening import Happening

Curve = Callable[[float], Value]
"""The value at a unix second."""

Known = tuple[Curve, str | None]
"""How a point behaves, and in which unit (None: as the point has it)."""


class Scene(Protocol):
    """The physics of one kind of site."""

    def curve(self, instrument: InstrumentSpec, point: Point) -> Known | None:
        """How a point behaves; None when it is nothing of this scene."""

    def condition(self, instrument: InstrumentSpec) -> Callable[[float], Flag]:
        """What the instrument says of itself: N, C while it calibrates…"""

    def happenings(self, instruments: Sequence[InstrumentSpec], from_s: float, until_s: float) -> Iterable[Happening]:
        """What lasts at some instant from `from_s` to before `until_s` and concerns these instruments."""


def always_normal(t_s: float) -> Flag:
    """The condition of what never calibrates by itself."""
    return Flag.NORMAL


def with_quantity(instruments: Sequence[InstrumentSpec], *quantities: str) -> list[str | None]:
    """Ids of the instruments that have one of them, in order."""
    return [one.id for one in instruments if has(one, *quantities)]


def has(instrument: InstrumentSpec, *quantities: str) -> bool:
    """Whether one of its points is one of them."""
    return any(point.quantity in quantities for point in instrument.points)
