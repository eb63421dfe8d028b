"""A line that answers from a transcript: a request that was recorded gets the bytes that followed it then."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from drivers.contract import Line, Request, Skip, Whole
from drivers.errors import FieldError, LineDown, NoReply
from drivers.line.one_by_one import one_by_one
from drivers.line.transcript import Piece

NOT_RECORDED = "the recording has no such request"


class Replayed(Line, Protocol):
    """A line that has only a recording."""

    def show(self, first: int, end: int) -> None:
        """Answer from the pieces `first` up to but not including `end` from now on; `first` never goes back."""


class OneByOne:
    """A recording is asked one question after another."""

    async def exchange(self, request: Request) -> bytes:
        """One answer."""
        raise NotImplementedError

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """See drivers/contract.py, Line."""
        return await one_by_one(self.exchange, requests)

    def ready_at(self, unit: Hashable) -> float:
        """Nobody settles in a recording."""
        return 0.0


class ReplayedLine(OneByOne):
    """See drivers/contract.py, Line. For protocols that ask the same question for the same points."""

    def __init__(self, name: str, pieces: Sequence[Piece]) -> None:
        self.name = name
        self.in_flight = 1
        self._pieces = pieces
        self._first = self._end = 0

    def show(self, first: int, end: int) -> None:
        """Answer from the pieces `first` up to `end` from now on."""
        self._first, self._end = first, end

    async def exchange(self, request: Request) -> bytes:
        """What came after the same bytes. Raises FieldError as the exchange did, LineDown if it was not made."""
        for at in range(self._first, self._end):
            if self._pieces[at].mark == ">>" and self._pieces[at].data == request.frame:
                self._first = at + 1
                return heard(request, self._pieces[at + 1 : self._end])
        raise LineDown(NOT_RECORDED)


def heard(request: Request, after: Sequence[Piece]) -> bytes:
    """The payload of the answer in the pieces after a request. Raises FieldError as the exchange did."""
    data = bytearray()
    for piece in after:
        if piece.mark != "<<":  # the next question, or the end of the poll: what comes later came too late
            break
        data += piece.data
        while data:
            verdict = request.receive(data)
            if verdict is None:
                break
            if isinstance(verdict, Whole):
                return verdict.payload
            assert isinstance(verdict, Skip)
            if data.startswith(request.frame):  # an adapter that hears itself
                del data[: len(request.frame)]
            else:
                del data[: verdict.upto]
    raise NoReply("no answer in the recording")
