"""The inside of an ultraviolet fluorescence analyser: lamp, photomultiplier, heated cell. By the ids of its profile."""

from drivers.profile import InstrumentSpec, Point
from drivers.simulator.scene import Known
from drivers.simulator.smooth import wander

_INSIDE = {
    "pmt": (95.0, 6.0), "uv_lamp": (3400.0, 30.0), "lamp_ratio": (96.0, 0.8), "cell_temperature": (50.0, 0.1),
    "pmt_temperature": (7.0, 0.1), "sample_flow": (650.0, 8.0), "sample_pressure": (28.6, 0.15),
    "box_temperature": (29.5, 1.5), "hvps": (560.0, 1.0), "stability": (0.35, 0.15),
}  # fmt: skip
"""Middle and half width, in the unit that the instrument has it in."""


def inside(seed: int, instrument: InstrumentSpec, point: Point) -> Known | None:
    """How a part of the analyser behaves; None when the instrument is none, or the point none of its parts."""
    ids = {one.id for one in instrument.points}
    if point.id not in _INSIDE or not {"pmt", "uv_lamp"} <= ids:
        return None
    middle, width = _INSIDE[point.id]
    return (lambda t_s: middle + width * wander(t_s, seed, instrument.id, point.id)), None
