"""Gateways that take turns under one load: each is started, measured and ended in its turn.

The turns of a pair lie seconds apart, so that a busy machine strikes both alike.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.gateways import Gateway
from tests.benchmarks.measure import ARRIVE_S, Figures, measure
from tests.benchmarks.scene import Load


def alternating(
    sides: Sequence[Gateway],
    load: Load,
    folder: Path,
    *,
    pairs: int,
    warm_s: float,
    seconds: float,
    arrive_s: float = ARRIVE_S,
) -> list[list[Figures]]:
    """The figures of each side, one for each pair; who is first changes from pair to pair."""
    found: list[list[Figures]] = [[] for _ in sides]
    for pair in range(pairs):
        for at in range(len(sides)):
            which = (at + pair) % len(sides)
            name = f"{sides[which].name}-{pair}"
            found[which].append(measure(sides[which], load, folder / name, warm_s, seconds, arrive_s))
    return found
