"""A line as one instrument sees it that has serial settings of its own: each question is preceded by a switch."""

from collections.abc import Hashable, Sequence

from drivers.contract import Request
from drivers.errors import FieldError
from drivers.line.line import FieldLine
from drivers.profile import LineSpec


class OwnSettings:
    """See drivers/contract.py, Line. On a line that is shared like this every instrument has one of these."""

    def __init__(self, line: FieldLine, settings: LineSpec) -> None:
        """`settings`: the line with the serial settings of the instrument (`line_for`)."""
        self.name = line.name
        self.in_flight = 1
        self._line = line
        self._settings = settings

    @property
    def generation(self) -> int:
        """How often the port was opened."""
        return self._line.generation

    @property
    def response_s(self) -> dict[Hashable, float]:
        """How long each unit thinks before it answers."""
        return self._line.response_s

    async def exchange(self, request: Request) -> bytes:
        """Switch the port if need be, then as the line does."""
        self._line.set_up(self._settings)
        return await self._line.exchange(request)

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """Switch the port if need be, then as the line does."""
        self._line.set_up(self._settings)
        return await self._line.exchange_row(requests, most)

    def ready_at(self, unit: Hashable) -> float:
        """See Line."""
        return self._line.ready_at(unit)
