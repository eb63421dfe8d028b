"""When a window of each system is valid: one sample, minute or hour below the edge, at the edge, above it.

The systems of docs/pipeline.md; CEMS has its own examples in test_windows.py as well.
"""

from zoneinfo import ZoneInfo

import pytest

from drivers.contract import Flag, Sample
from gateway.domain.windows import SYSTEMS, WindowKeys
from gateway.pipeline.window_values import Windowed
from gateway.pipeline.windows import Windows
from gateway.reading import Reading

MIDNIGHT = 1_764_000_000_000
S, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

SHARES = [(539, "B"), (540, "N"), (720, "N")]  # 75 % of 720
EDGES: dict[tuple[str, str], list[tuple[int, str]]] = {
    # (system, window) -> (good samples of 12 a minute, minutes or hours; flag of the window)
    ("general", "1m"): [(8, "B"), (9, "N"), (12, "N")],  # 75 % of 12
    ("water", "1m"): [(8, "B"), (9, "N"), (12, "N")],
    ("wastewater", "1m"): [(8, "B"), (9, "N"), (12, "N")],
    ("noise", "1m"): [(8, "B"), (9, "N"), (12, "N")],
    ("radiation", "1m"): [(8, "B"), (9, "N"), (12, "N")],
    ("air", "1m"): [(8, "B"), (9, "N"), (12, "N")],
    ("cems", "1m"): [(11, "B"), (12, "N"), (13, "N")],
    ("general", "1h"): SHARES,
    ("water", "1h"): SHARES,
    ("wastewater", "1h"): SHARES,
    ("noise", "1h"): SHARES,
    ("radiation", "1h"): SHARES,
    ("radiation", "5m"): [(44, "B"), (45, "N"), (60, "N")],  # 75 % of 60
    ("air", "1h"): [(44, "B"), (45, "N"), (60, "N")],  # minutes
    ("cems", "1h"): [(44, "B"), (45, "N"), (60, "N")],
    ("air", "5m"): [(3, "B"), (4, "N"), (5, "N")],  # 45/60 of 5 minutes are 3.75
    ("air", "1d"): [(19, "B"), (20, "N"), (24, "N")],  # hours
    ("noise", "1d"): [(19, "B"), (20, "N"), (24, "N")],
    ("cems", "1d"): [(19, "D"), (20, "N"), (24, "N")],
    ("general", "1d"): [(17, "B"), (18, "N"), (24, "N")],  # 75 % of a day's samples are those of 18 hours
    ("water", "1d"): [(17, "B"), (18, "N"), (24, "N")],
    ("radiation", "1d"): [(17, "B"), (18, "N"), (24, "N")],
    ("wastewater", "1d"): [(18, "B"), (23, "B"), (24, "N")],  # one abnormal hour, an abnormal day
}
IN_MINUTES = {("air", "1h"), ("cems", "1h"), ("air", "5m")}
LENGTHS = {"1m": MINUTE, "5m": 5 * MINUTE, "1h": HOUR, "1d": DAY}


def test_every_system_has_its_minute_hour_and_day() -> None:
    assert {(system, window) for system in SYSTEMS for window in ("1m", "1h", "1d")} <= EDGES.keys()


@pytest.mark.parametrize(
    ("system", "period", "good", "flag"),
    [(*key, good, flag) for key, edges in EDGES.items() for good, flag in edges],
)
def test_window_at_its_edge(system: str, period: str, good: int, flag: str) -> None:
    every_ms = MINUTE if period == "1d" and system != "cems" else 5 * S
    wanted = WindowKeys.model_validate({"system": system, "periods": (period,)})
    one = Windows(ZoneInfo("Asia/Shanghai"), {"x": Windowed(wanted, ("v",), every_ms)})
    part_ms = HOUR if period == "1d" else MINUTE if (system, period) in IN_MINUTES else every_ms
    if (system, period, good) == ("cems", "1m", 13):
        every_ms = 4 * S  # more often than it must be
        part_ms = every_ms
    for at_ms in range(0, LENGTHS[period], every_ms):
        missing = at_ms >= good * part_ms
        flags = {0: Flag.COMMUNICATION} if missing else {}
        sample = Sample((None if missing else 7.0,), flags, {0: "timeout: x"} if missing else {})
        one.count(Reading("x", ("v",), MIDNIGHT + at_ms, 0, sample))
    (window,) = one.due(MIDNIGHT + LENGTHS[period] + 5 * S)
    value = window.values["v"]
    assert (value["flag"], value["mean"]) == (flag, 7.0)
    assert value["n"] == LENGTHS[period] // every_ms
