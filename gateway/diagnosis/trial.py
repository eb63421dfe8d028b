"""One question on a line and everything that was heard until the next: sifted by the protocol's own codec. Pure.

The line stops reading at the first answer; here the codec goes on over what came after it, so that a second answer, an
echo and bytes that belong to nobody are each counted as what they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from drivers.contract import Request, Skip
from drivers.errors import Babbling, BadReply, FieldError, Refused
from drivers.line.transcript import Piece

LONGEST = 256
"""Bytes of the longest frame (Modbus over Serial Line V1.02 §2.5.1): more that is no frame is no spoilt answer."""
SPEEDS_DIFFER = 0.02
"""Two clocks of a serial line may differ by about this much before characters are lost."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that every check accepts: bytes `begin` to `end` of all heard, complete at `at_s`."""

    at_s: float
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One question. Seconds count from the end of the question on the wire.

    `outcome` is ok, exception, timeout, babbling, line, settling; or the fault of a bad answer: crc, wrong_count…
    `character_s` is the wire time of one character, 0.0 where a quiet time has no meaning (a network).
    """

    unit: str
    outcome: str
    detail: str = ""
    timeout_s: float = 1.0
    character_s: float = 0.0
    question_bytes: int = 0
    arrivals: tuple[tuple[float, int], ...] = ()
    """(when, how many bytes) as the operating system handed them over."""
    answers: tuple[Answer, ...] = ()
    echoes: int = 0
    stray_bytes: int = 0
    """Bytes that are no part of any frame."""
    strangers: tuple[str, ...] = ()
    """Units that nobody asked and whose frames came in."""

    @property
    def answered(self) -> bool:
        """Whether the line took an answer; an exception is one."""
        return self.outcome in ("ok", "exception")

    @property
    def late(self) -> bool:
        """Whether a right answer came when the line had given up waiting."""
        return self.outcome == "timeout" and bool(self.answers)

    @property
    def silent(self) -> bool:
        """Whether nothing came that may have been an answer."""
        return self.outcome == "timeout" and not self.answers and not self.stray_bytes and not self.strangers

    @property
    def babbling(self) -> bool:
        """Whether something spoke on and on."""
        return self.outcome == "babbling" or self.stray_bytes > LONGEST

    @property
    def garbage(self) -> bool:
        """Whether bytes came and not even the beginning of an answer among them."""
        return self.outcome == "timeout" and not self.answers and self.stray_bytes > 0

    @property
    def quiet_s(self) -> float | None:
        """Quiet time between question and answer, at most: adapters and machines only add to it.

        Less than nothing: this port hands bytes over faster than its baudrate has them (a pseudo-terminal).
        """
        if not self.answers or not self.character_s:
            return None
        first = self.answers[0]
        size = first.end - first.begin
        quiet_s = first.at_s - size * self.character_s
        return quiet_s + SPEEDS_DIFFER * (size + self.question_bytes) * self.character_s

    @property
    def response_s(self) -> float | None:
        """How long the unit thought before its first right answer; None without one."""
        if not self.answers:
            return None
        if self.quiet_s is not None and self.quiet_s >= 0:
            return self.quiet_s
        return max(0.0, self.answers[0].at_s + self.question_bytes * self.character_s)

    @property
    def pause_s(self) -> float:
        """The longest time within the first answer for which no byte was on the wire."""
        if not self.answers or not self.character_s:
            return 0.0
        first, upto, longest_s, before_s = self.answers[0], 0, 0.0, 0.0
        for at_s, size in self.arrivals:
            if first.begin < upto < first.end:
                longest_s = max(longest_s, at_s - before_s - size * self.character_s)
            upto += size
            before_s = at_s
        return longest_s


def trial(
    unit: str,
    request: Request,
    pieces: Iterable[Piece],
    error: FieldError | None,
    character_s: float,
    sifted: bool = True,
) -> Trial:
    """What happened when `request` was made: `pieces` of the wire from then on, and how the line ended it.

    `sifted=False` is for framings whose requests are numbered: what comes in is not looked at again.
    """
    sent_end_s, question_bytes, before, heard = 0.0, 0, 0, list[tuple[float, bytes]]()
    for piece in pieces:
        if piece.mark == ">>" and not heard:  # what is sent later is an acknowledgement, or a question made again
            question_bytes = len(piece.data)
            sent_end_s = piece.at_s + question_bytes * character_s
        elif piece.mark == "<<" and not question_bytes and request.frame:
            before += len(piece.data)
        elif piece.mark == "<<":
            heard.append((piece.at_s - sent_end_s, piece.data))
    found = Trial(
        unit,
        _outcome(error),
        error.detail if error is not None else "",
        request.timeout_s,
        character_s if question_bytes else 0.0,
        question_bytes,
        tuple((at_s, len(data)) for at_s, data in heard),
    )
    sieve = _Sieve(request)
    if sifted and request.silence_s is None:
        for at_s, data in heard:
            sieve.take(at_s, data)
        sieve.end()
    if found.answered and heard and not sieve.answers:
        sieve.answers.append(Answer(heard[-1][0], 0, sum(len(data) for _, data in heard)))
        sieve.stray_bytes = 0
    return replace(
        found,
        answers=tuple(sieve.answers),
        echoes=sieve.echoes,
        stray_bytes=sieve.stray_bytes + before,
        strangers=tuple(sieve.strangers),
    )


def _outcome(error: FieldError | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, BadReply):
        return error.fault
    return "babbling" if isinstance(error, Babbling) else error.cause


@dataclass(slots=True)
class _Sieve:
    """All that came in after one question, in the codec's terms."""

    request: Request
    answers: list[Answer] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    echoes: int = 0
    stray_bytes: int = 0
    _input: bytearray = field(default_factory=bytearray)
    _dropped: int = 0

    def take(self, at_s: float, data: bytes) -> None:
        """One arrival."""
        self._input += data
        while self._input:
            try:
                verdict = self.request.receive(self._input)
            except FieldError as error:
                if self._echo():
                    continue
                if isinstance(error, Refused):
                    self.answers.append(Answer(at_s, self._dropped, self._dropped + len(self._input)))
                elif isinstance(error, BadReply) and self.answers:
                    self.stray_bytes += len(self._input)
                self._drop(len(self._input))
                return
            if verdict is None:
                return
            if isinstance(verdict, Skip):
                self._skip(verdict)
            else:
                self.answers.append(Answer(at_s, self._dropped, self._dropped + verdict.end))
                self._drop(verdict.end)

    def end(self) -> None:
        """Nothing more comes: what is left over is no frame."""
        self._echo()
        self.stray_bytes += len(self._input)

    def _skip(self, verdict: Skip) -> None:
        if self._echo():
            return
        if verdict.fault == "wrong_unit":
            self.strangers.append(str(verdict.unit))
        elif verdict.fault:
            self.stray_bytes += verdict.upto
        self._drop(verdict.upto)

    def _echo(self) -> bool:
        """Whether our own question stood at the front; it is gone then."""
        frame: Sequence[int] = self.request.frame
        if not frame or not self._input.startswith(self.request.frame):
            return False
        self.echoes += 1
        self._drop(len(frame))
        return True

    def _drop(self, count: int) -> None:
        del self._input[:count]
        self._dropped += count
