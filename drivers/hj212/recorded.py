"""A recording of HJ 212 asked again: requests are alike by MN and command; each has a number and a time of its own."""

from collections.abc import Sequence

from drivers.contract import Request
from drivers.errors import BadReply, LineDown
from drivers.hj212.driver import Question
from drivers.hj212.frame import HEAD, LONGEST_DATA, Framing
from drivers.hj212.message import Message, parsed
from drivers.line.replayed import NOT_RECORDED, ReplayedLine, heard
from drivers.line.transcript import Piece
from drivers.profile import LineSpec


class RecordedLine(ReplayedLine):
    """See drivers/line/replayed.py."""

    def __init__(self, line: LineSpec, pieces: Sequence[Piece]) -> None:
        super().__init__(line.name, pieces)

    async def exchange(self, request: Request) -> bytes:
        """What came after the next request that is like this one. Raises FieldError as the exchange did."""
        question = getattr(request.receive, "__self__", None)
        assert isinstance(question, Question)
        for at in range(self._first, self._end):
            piece = self._pieces[at]
            asked = _message(piece.data) if piece.mark == ">>" else None
            if asked is not None and question.is_like(asked):
                self._first = at + 1
                return heard(question.as_recorded(asked).request, self._pieces[at + 1 : self._end])
        raise LineDown(NOT_RECORDED)


def _message(frame: bytes) -> Message | None:
    """The request in a recorded frame, as far as it is not encrypted."""
    framing = Framing("either", LONGEST_DATA)
    try:
        return parsed(framing.opened(frame).data) if frame[:2] == b"##" and len(frame) > HEAD else None
    except (BadReply, ValueError):
        return None
