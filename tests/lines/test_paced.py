"""A sample of `python -m tests.lines.paced`: an exchange in real time, on a pseudo-terminal that takes the wire time.

A machine that is busy with other things makes everything slower, so the same bus is also asked by the barest loop
one can write, in turn, and the best of each counts.
"""

from collections.abc import Iterator
from statistics import median

import pytest

from tests.lines import paced

TURNS = 6
TURN_S = 0.7


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with paced.bus((1, 2, 3)) as where:
        yield where


async def test_an_exchange_takes_less_than_a_millisecond_more_than_a_bare_loops(path: str) -> None:
    line_s, bare_s = [], []
    for _ in range(TURNS):
        line_s.append(await paced.over_the_wire_s(path, TURN_S))
        bare_s.append(median(await paced.bare_s(path, TURN_S)) - paced.exchange_s())
    assert min(line_s) - min(bare_s) <= paced.OVER_MOST_S
    # less than nothing would mean that the quiet gap was not kept
    assert min(line_s) > -0.0005
