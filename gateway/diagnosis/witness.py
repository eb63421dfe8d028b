"""A line as drivers see it, that keeps what was heard of each question, and listens on for a second answer."""

import asyncio
from collections.abc import Hashable, Sequence

from drivers.contract import Line, Request
from drivers.errors import FieldError, LineDown, Settling
from drivers.line import FieldLine, TaggedLine
from drivers.line.one_by_one import one_by_one
from drivers.line.transcript import Piece, Transcript, read
from drivers.modbus.rtu import first_frame
from gateway.diagnosis.findings import Idle
from gateway.diagnosis.trial import Trial, trial

IDLE_S = 0.5
"""How long a line is listened to before anything is asked."""
AFTER_S = 0.06
"""How long a second answer is waited for, beside the time that it takes on the wire."""
LONGER_S = 1.0
"""… after the first answers of each unit: a second instrument may be slower than the first."""
FIRST = 2
"""Answers of a unit after which it is waited for so long."""


class Notes:
    """What went over one line since it was last asked for, as its transcript has it."""

    def __init__(self, line: FieldLine) -> None:
        self._lines: list[str] = []
        line.transcript = Transcript(self, asyncio.get_running_loop().time)

    def write(self, text: str) -> None:
        """Paper of the transcript."""
        self._lines.append(text)

    def taken(self) -> tuple[Piece, ...]:
        """Everything since the last time."""
        lines, self._lines = self._lines, []
        return read(lines).pieces


class Witness:
    """See drivers/contract.py, Line. `line` is asked, `wire` is the port beneath it; each question adds to `trials`.

    `character_s`: wire time of one character where the protocol has rules for quiet times, else 0.0. `end_s`: loop time
    at which nobody waits any longer.
    """

    def __init__(
        self,
        line: Line,
        wire: FieldLine,
        notes: Notes,
        unit: str,
        character_s: float,
        trials: list[Trial],
        end_s: float,
    ) -> None:
        self.name = line.name
        self.in_flight = 1
        self._line = line
        self._wire = wire
        self._notes = notes
        self._unit = unit
        self._character_s = character_s
        self._trials = trials
        self._end_s = end_s
        self._answers = 0

    @property
    def generation(self) -> int:
        """How often the port was opened."""
        return self._wire.generation

    @property
    def response_s(self) -> dict[Hashable, float]:
        """How long each unit thinks before it answers."""
        return self._wire.response_s

    async def exchange(self, request: Request) -> bytes:
        """As the line does; what comes in afterwards is listened to before this returns."""
        self._notes.taken()
        try:
            payload = await self._line.exchange(request)
        except FieldError as error:
            await self._note(request, error)
            raise
        await self._note(request, None)
        return payload

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """One after the other, whatever `most` says."""
        return await one_by_one(self.exchange, requests)

    def ready_at(self, unit: Hashable) -> float:
        """See Line."""
        return self._line.ready_at(unit)

    async def _note(self, request: Request, failed: FieldError | None) -> None:
        numbered = isinstance(self._wire, TaggedLine)
        await self._listen(request, failed, numbered)
        pieces = self._notes.taken()
        self._trials.append(trial(self._unit, request, pieces, failed, self._character_s, not numbered))

    async def _listen(self, request: Request, failed: FieldError | None, numbered: bool) -> None:
        """After an answer for a second one; after a failure until the unit has settled, or the time is up."""
        loop = asyncio.get_running_loop()
        if failed is None and not numbered:
            self._answers += 1
            longest_s = min(LONGER_S, request.timeout_s) if self._answers <= FIRST else 0.0
            await asyncio.sleep(max(longest_s, AFTER_S + (request.reply_bytes + 4) * self._character_s))
        elif failed is not None and not isinstance(failed, LineDown | Settling):
            while self._wire.up:
                wait_s = min(self._line.ready_at(request.unit), self._end_s) - loop.time()
                if wait_s <= 0:
                    return
                await asyncio.sleep(wait_s)


async def idle(notes: Notes, rtu: bool) -> Idle:
    """What comes in while nobody is asked; `rtu`: whether Modbus RTU frames can be told among it."""
    notes.taken()
    await asyncio.sleep(IDLE_S)
    data = b"".join(piece.data for piece in notes.taken() if piece.mark == "<<")
    strangers = []
    while rtu and (frame := first_frame(data, 0)) is not None:
        begin, end = frame
        strangers.append(str(data[begin]))
        data = data[:begin] + data[end:]
    return Idle(len(data), tuple(strangers))
