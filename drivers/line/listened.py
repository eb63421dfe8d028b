"""An instrument that speaks unasked, where somebody wants to ask it all the same: the next message is the answer."""

import asyncio
from collections.abc import Hashable

from drivers import durations
from drivers.contract import Heard, Sample
from drivers.line.listening import ListeningLine
from drivers.profile import InstrumentSpec

PATIENCE_PERIODS = 1.5
"""Half a period more than its own is the latest at which a message is expected."""
SHORTEST_S, LONGEST_S = 2.0, 120.0
"""Whoever asks does not wait longer, and not less than a person would."""


class Listened:
    """See drivers/contract.py, Driver."""

    def __init__(self, spec: InstrumentSpec, line: ListeningLine) -> None:
        self.points = tuple(point.id for point in spec.points)
        self.unit: Hashable = spec.id
        self.last_only = line.hearing.last_only(spec.id)
        self.line = line
        self._wait_s = min(max(SHORTEST_S, PATIENCE_PERIODS * spec.every_s), LONGEST_S)

    async def poll(self) -> Sample:
        """The next message's values. Never raises FieldError."""
        if not self.line.up:
            return Sample.nothing(len(self.points), f"line: {self.line.state}")
        waiting: asyncio.Future[Sample] = asyncio.get_running_loop().create_future()

        def heard(one: Heard) -> None:
            if one.sample is not None and one.instrument == self.unit and not waiting.done():
                waiting.set_result(one.sample)

        self.line.said.append(heard)  # only while somebody waits: a line has hundreds of these
        try:
            async with asyncio.timeout(self._wait_s):
                return await waiting
        except TimeoutError:
            why = f"timeout: no message in {durations.written(self._wait_s)}"
            return Sample.nothing(len(self.points), why)
        finally:
            self.line.said.remove(heard)
