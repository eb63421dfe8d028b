"""What was served against what was delivered. Each value of the farms tells when it was served, so that a reading is
(device, point, ms), and what is lost, doubled or late is counted exactly, whatever the gateway says of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.gateways import Gateway
from tests.benchmarks.scene import Load

SERVED = np.dtype(
    [("ms", "<u4"), ("device", "<u2"), ("unit", "<u2"), ("address", "<u2"), ("count", "<u2"), ("id", "<u4")]
)
WHOLE_CYCLE, DECIMAL_CYCLE, DECIMAL_STEP = 1 << 24, 1 << 20, 7919
"""After how many ms the values repeat, and by how much a point is ahead of the one before (farm/decimal_farm.c)."""
LATE = 0.3
"""Of a period; nobody sees the poll beyond the edge of a window, so a gap there counts from so much over one on."""
Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Account:
    """Of one window. Latencies, intervals and lateness in ms; `nulls` are values that came as null."""

    served: int
    delivered: int
    lost: int
    doubled: int
    foreign: int
    nulls: int
    missed_polls: int
    latency_ms: Numbers
    interval_ms: Numbers
    first_s: Numbers
    """When each delivered reading of the window came, in Unix seconds."""
    lost_s: Numbers
    """When each lost reading was served, in Unix seconds."""
    doubled_s: Numbers
    """When each reading that came more than once was served, in Unix seconds."""

    def latency(self, share: float) -> float:
        """Milliseconds from the answer to the subscriber, at that share (0 to 100) of the readings."""
        return _at(self.latency_ms, share)

    def interval(self, share: float) -> float:
        """Milliseconds between two polls of a device."""
        return _at(self.interval_ms, share)


def account(gateway: Gateway, load: Load, served: Path, feed: Path, begin_s: float, end_s: float) -> Account:
    """The account of what was served in [begin_s, end_s), and delivered at any time."""
    cycle = DECIMAL_CYCLE if load.decimals else WHOLE_CYCLE
    rows = np.fromfile(served, SERVED)
    since_ms = _since(rows["ms"].astype(np.int64) % cycle, begin_s, cycle)
    rows, since_ms = (part[(since_ms >= 0) & (since_ms < (end_s - begin_s) * 1000)] for part in (rows, since_ms))
    wanted = _served_keys(rows, load, cycle)
    keys, came_s, nulls, foreign = _delivered(gateway, load, feed, cycle)
    mine = np.isin(keys, wanted)
    unique, counts = np.unique(keys[mine], return_counts=True)
    ms = keys & ((1 << 24) - 1)
    latency_ms = (np.round(came_s * 1000).astype(np.int64) - ms + cycle // 2) % cycle - cycle // 2
    polls = [np.sort(since_ms[(rows["device"] == device) & (rows["address"] == 0)]) for device in range(load.devices)]
    return Account(
        served=len(wanted),
        delivered=int(((came_s >= begin_s) & (came_s < end_s)).sum()),
        lost=len(wanted) - len(unique),
        doubled=int((counts - 1).sum()),
        foreign=foreign,
        nulls=nulls,
        missed_polls=sum(_missed(times, (end_s - begin_s) * 1000, load.period_s * 1000) for times in polls),
        latency_ms=latency_ms[mine],
        interval_ms=np.concatenate([np.diff(times) for times in polls]),
        first_s=came_s[mine],
        lost_s=_served_s(np.setdiff1d(wanted, unique), begin_s, cycle),
        doubled_s=_served_s(unique[counts > 1], begin_s, cycle),
    )


def _missed(times: Numbers, window_ms: float, period_ms: float) -> int:
    """How many polls of a device are not there: one that is late is not missed, wherever the window begins and ends."""
    if not len(times):
        return int(window_ms / period_ms)
    between = round(float(times[-1] - times[0]) / period_ms) + 1 - len(times)
    edges = sum(max(0, round(float(gap) / period_ms - 0.5 - LATE)) for gap in (times[0], window_ms - times[-1]))
    return max(0, between) + edges


def _served_s(keys: Numbers, begin_s: float, cycle: int) -> Numbers:
    return begin_s + _since(keys & ((1 << 24) - 1), begin_s, cycle) / 1000


def _served_keys(rows: Numbers, load: Load, cycle: int) -> Numbers:
    parts = [np.zeros(0, np.int64)]
    for address, count in {(int(a), int(c)) for a, c in zip(rows["address"], rows["count"], strict=True)}:
        of_block = rows[(rows["address"] == address) & (rows["count"] == count)]
        points = np.arange(-(-address // 2), (address + count) // 2, dtype=np.int64)
        points = points[points < load.points]
        device = of_block["device"].astype(np.int64)[:, None] << 40
        parts.append((device | points[None, :] << 24 | (of_block["ms"].astype(np.int64) % cycle)[:, None]).ravel())
    return np.unique(np.concatenate(parts))


def _delivered(gateway: Gateway, load: Load, feed: Path, cycle: int) -> tuple[Numbers, Numbers, int, int]:
    """Keys, when each came, how many values were null, and how many are none that a farm serves."""
    keys: list[Numbers] = [np.zeros(0, np.int64)]
    came: list[Numbers] = [np.zeros(0)]
    nulls = foreign = 0
    with feed.open("rb") as lines:
        for line in lines:
            at, topic, payload = line.rstrip(b"\n").split(b" ", 2)
            for device, first, values in gateway.values(topic.decode(), payload):
                numbers = np.array(values, dtype=float)  # None becomes NaN
                points = np.arange(first, first + len(values), dtype=np.int64)
                there = ~np.isnan(numbers)
                nulls += len(values) - int(there.sum())
                ms, right = _ms_of(numbers[there], points[there], load, cycle)
                foreign += int((~right).sum())
                keys.append(device << 40 | points[there][right] << 24 | ms[right])
                came.append(np.full(int(right.sum()), float(at)))
    return np.concatenate(keys), np.concatenate(came), nulls, foreign


def _ms_of(numbers: Numbers, points: Numbers, load: Load, cycle: int) -> tuple[Numbers, Numbers]:
    """The ms that the values tell, and which of them are exactly what a farm serves."""
    if not load.decimals:
        ms = numbers.astype(np.int64)
        return ms, (ms == numbers) & (ms >= 0) & (ms < cycle)
    under = np.array([10.0, 100.0, 1000.0])[points % 3]
    whole = np.round(numbers * under).astype(np.int64)
    return (whole - DECIMAL_STEP * points) % cycle, (whole / under == numbers) & (whole >= 0) & (whole < cycle)


def _since(ms: Numbers, begin_s: float, cycle: int) -> Numbers:
    """Milliseconds since the beginning, from a time that counts modulo `cycle`."""
    return (ms - int(begin_s * 1000) % cycle + cycle // 2) % cycle - cycle // 2


def _at(numbers: Numbers, share: float) -> float:
    return float(np.percentile(numbers, share)) if len(numbers) else float("nan")
