"""Text instruments for the tests, as a site file would make them."""

from typing import Any

from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.source import TextOptions, TextPoint

LINE = LineSpec(name="line", kind="serial", path="/dev/none")


def spec(points: list[dict[str, Any]], name: str = "one", address: int | str = 1, **options: Any) -> InstrumentSpec:
    """One instrument."""
    return InstrumentSpec(
        id=name,
        line="line",
        protocol="text",
        profile=None,
        address=address,
        every_s=1.0,
        timeout_s=0.5,
        points=tuple(TextPoint.model_validate(point) for point in points),
        options=TextOptions.model_validate(options),
    )


SCALE = {
    "points": [
        {"id": "weight", "unit": "kg", "range": (0, 100), "printed": "printed", "units": {"kg": "kg", "g": "g"}},
        {"id": "stable", "group": "state", "type": "bool", "true": ("S",), "false": ("D",)},
    ],
    "messages": [{"request": "SI\r\n", "pattern": r"S (?P<state>[SD]) +(?P<weight>-?[0-9.]+) (?P<printed>kg|g|lb)"}],
}
