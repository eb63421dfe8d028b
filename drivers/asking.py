"""The driver of an instrument that is asked question by question: one loop for every protocol but Modbus.

A protocol's own part is its **questions**: what to send, what it brings for which points. A poll asks them in order
and ends with the first that brings no answer; the rest get the same reason untried, so that a dead instrument costs
its line one timeout (promise P6). A refused question costs only its own points.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from drivers.contract import Flag, Line, Sample, Value
from drivers.errors import FieldError, Refused
from drivers.profile import Point
from drivers.status import Statuses
from drivers.values import Odd, Raw, taken

SEVERITY = ("ok", "exception", "settling", "crc", "timeout", "line")


class Question(Protocol):
    """One question and what its answer is good for."""

    @property
    def members(self) -> tuple[int, ...]:
        """Indices of the points that it brings."""

    async def ask(self, line: Line) -> Mapping[int, Raw]:
        """What came in for each member. Raises FieldError."""


class AskingDriver:
    """See drivers/contract.py, Driver."""

    def __init__(
        self,
        points: Sequence[Point],
        unit: Hashable,
        line: Line,
        questions: Sequence[Question],
        statuses: Statuses | None = None,
    ) -> None:
        self.points = tuple(point.id for point in points)
        self.unit = unit
        self.questions = tuple(questions)
        self._points = tuple(points)
        self._line = line
        self._statuses = statuses

    async def poll(self) -> Sample:
        """Ask everything once."""
        values: list[Value] = [None] * len(self._points)
        flags: dict[int, Flag] = {}
        why: dict[int, str] = {}
        result = "ok"
        ended: FieldError | None = None
        for question in self.questions:
            try:
                if ended is not None:
                    raise ended
                found = await question.ask(self._line)
            except FieldError as error:
                result = max(result, error.cause, key=SEVERITY.index)
                for member in question.members:
                    flags[member], why[member] = Flag.COMMUNICATION, error.why
                if not isinstance(error, Refused):
                    ended = error
                continue
            for member in question.members:
                raw = found.get(member, Odd("not in the answer", Flag.COMMUNICATION))
                value, flag, reason = taken(self._points[member], raw)
                values[member] = value
                if flag is not Flag.NORMAL:
                    flags[member], why[member] = flag, reason
        if self._statuses is not None:
            self._statuses.apply(values, flags, why)
        return Sample(tuple(values), flags, why, result)
