"""Recorded Modbus traffic as registers, so that reads which were never made can be answered from those that were.

A new configuration groups points into other reads than the one that was recorded. What it asks for is put together
from all reads of that unit and table in the same poll; what was refused or not answered then is so again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivers.contract import Request, Skip
from drivers.errors import FieldError, LineDown, NoReply
from drivers.line.replayed import NOT_RECORDED, OneByOne, heard
from drivers.line.transcript import Piece
from drivers.modbus import codec
from drivers.modbus.codec import Framing, Timing
from drivers.modbus.mbap import HEADER, MbapTags

READS = frozenset({1, 2, 3, 4})
_NO_TIME = Timing(0.0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded read; `answer` is its data or why there was none. `at` is the place of its request."""

    at: int
    unit: int
    function: int
    address: int
    count: int
    answer: bytes | FieldError

    def covers(self, unit: int, function: int, address: int) -> bool:
        """Whether it asked for that register or bit."""
        same = self.unit == unit and self.function == function
        return same and self.address <= address < self.address + self.count

    def value(self, address: int) -> int:
        """What that register or bit was. Raises the exchange's own FieldError."""
        if isinstance(self.answer, FieldError):
            raise self.answer
        place = address - self.address
        if self.function in (1, 2):
            return self.answer[place // 8] >> place % 8 & 1
        return self.answer[2 * place] << 8 | self.answer[2 * place + 1]


def asked(frame: bytes, framing: Framing) -> tuple[int, int, int, int] | None:
    """(unit, function, address, count) of a read request on the wire; None for anything else."""
    if framing == "tcp":
        body = frame[HEADER - 1 :]
    elif framing == "ascii":
        try:
            body = bytes.fromhex(frame[1:-2].decode("ascii"))[:-1]
        except ValueError:
            return None
    else:
        body = frame[:-2]
    if len(body) != 6 or body[1] not in READS:
        return None
    return body[0], body[1], body[2] << 8 | body[3], body[4] << 8 | body[5]


def exchanges(pieces: Sequence[Piece], framing: Framing) -> list[Exchange]:
    """Every read of a transcript with its answer, in the order of the requests."""
    numbered = dict(_numbered(pieces)) if framing == "tcp" else {}
    found = []
    for at, piece in enumerate(pieces):
        question = asked(piece.data, framing) if piece.mark == ">>" else None
        if question is None:
            continue
        request = codec.request(codec.read(*question), framing, _NO_TIME)
        after = [numbered[at]] if at in numbered else [] if framing == "tcp" else pieces[at + 1 :]
        try:
            answer: bytes | FieldError = heard(request, after)
        except FieldError as error:
            answer = error
        found.append(Exchange(at, *question, answer))
    return found


def _numbered(pieces: Sequence[Piece]) -> Iterator[tuple[int, Piece]]:
    """Place of each Modbus TCP request and the frame that came under its number; several may be under way."""
    waiting: dict[int, int] = {}
    data = bytearray()
    for at, piece in enumerate(pieces):
        if piece.mark == ">>":
            waiting[int.from_bytes(piece.data[:2], "big")] = at
            continue
        if piece.mark == "==":
            waiting.clear()  # the poll is over: what comes now came too late
            continue
        data += piece.data
        while data:
            found = MbapTags().split(data)
            if found is None:
                break
            if isinstance(found, Skip):
                del data[: found.upto]
                continue
            end, tag = found
            if tag in waiting:
                yield waiting.pop(tag), Piece(piece.at_s, "<<", bytes(data[:end]))
            del data[:end]


class RecordedLine(OneByOne):
    """See drivers/contract.py, Line: reads are answered from the recorded registers of one poll."""

    def __init__(self, name: str, pieces: Sequence[Piece], framing: Framing) -> None:
        self.name = name
        self.in_flight = 1
        self._framing: Framing = framing
        self._all = exchanges(pieces, framing)
        self._shown: list[Exchange] = []
        self._next = 0

    def show(self, first: int, end: int) -> None:
        """Answer from the pieces `first` up to `end` from now on; `first` never goes back."""
        while self._next < len(self._all) and self._all[self._next].at < first:
            self._next += 1
        upto = self._next
        while upto < len(self._all) and self._all[upto].at < end:
            upto += 1
        self._shown = self._all[self._next : upto]

    async def exchange(self, request: Request) -> bytes:
        """The registers as they were. Raises FieldError as their exchange did, LineDown if they were not asked for."""
        question = asked(request.frame, self._framing)
        if question is None:
            raise LineDown(NOT_RECORDED)
        unit, function, address, count = question
        values = [self._value(unit, function, address + place) for place in range(count)]
        if function in (1, 2):
            packed = sum(bit << place for place, bit in enumerate(values))
            return packed.to_bytes((count + 7) // 8, "little")
        return b"".join(value.to_bytes(2, "big") for value in values)

    def _value(self, unit: int, function: int, address: int) -> int:
        """The last word on that register: an answer beats a refusal, because a refused read is split."""
        covering = [one for one in self._shown if one.covers(unit, function, address)]
        if not covering:
            silent = next((one.answer for one in self._shown if isinstance(one.answer, NoReply)), None)
            # a poll ends with its first silence: what it would have asked for then was not answered either
            raise silent if silent is not None else LineDown(NOT_RECORDED)
        answered = [one for one in covering if isinstance(one.answer, bytes)]
        return (answered or covering)[-1].value(address)
