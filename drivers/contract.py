"""All that a driver author must read.

A **line** is one serial port or network endpoint with exactly one owner. A **driver** is one instrument on
a line: it knows its protocol, plans its requests, and answers `poll()` with a **sample**: one value or one
null-with-a-reason for each of its points. The poller decides when to poll and stamps what comes back; a
driver has no clock, no schedule and no memory of the gateway.

    poller ── poll() ──► driver ── exchange(request) ──► line ── bytes ──► instrument
           ◄── Sample ──        ◄── payload | FieldError ─

An instrument that speaks unasked has no driver of its own: its line **listens**. All such instruments of one line
share a **hearing**, which cuts what comes in into messages and says whose each is. An expected period without a
message is told by the gateway, as nulls with a reason.

    instrument ── bytes ──► line ── message ──► hearing ── Heard ──► listener (in the poller's place)
               ◄────────────── reply ◄─────────
"""

from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

from drivers.errors import FieldError


class Flag(StrEnum):
    """Data flags of HJ 212-2017 table 8. Only N counts in means."""

    NORMAL = "N"
    STOPPED = "F"
    MAINTENANCE = "M"
    MANUAL = "S"
    FAULT = "D"
    CALIBRATION = "C"
    OUT_OF_RANGE = "T"
    COMMUNICATION = "B"


Value = bool | int | float | str | None
NO_FLAGS: Mapping[int, Flag] = {}
NO_REASONS: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Sample:
    """One poll of one instrument.

    `values` has one entry per point, in the order of `Driver.points`; None is a value that could not be had.
    `flags` and `why` name, by index into `values`, only the points whose flag is not N; a None always has both.
    `why` begins with its class (contract.md §2 `completeness`): "timeout: no answer in 1.0 s".
    `result` is "ok" or the class of what went wrong; the worst of them where several requests were made.
    `at_ms` is the instrument's own time of the values (ms since 1970 UTC) where it gives one, as it says.
    `earlier` are samples of earlier times that were missed then and that this poll brought along, the oldest first,
    each with its own `at_ms`; they become readings of their own.
    """

    values: tuple[Value, ...]
    flags: Mapping[int, Flag] = field(default_factory=lambda: NO_FLAGS)
    why: Mapping[int, str] = field(default_factory=lambda: NO_REASONS)
    result: str = "ok"
    at_ms: int | None = None
    earlier: "tuple[Sample, ...]" = ()

    @classmethod
    def nothing(cls, count: int, why: str, flag: Flag = Flag.COMMUNICATION) -> "Sample":
        """A poll that gave nothing: `count` nulls, each with the same flag and reason."""
        return cls(
            (None,) * count,
            dict.fromkeys(range(count), flag),
            dict.fromkeys(range(count), why),
            why.partition(":")[0],
        )


@dataclass(frozen=True, slots=True)
class Skip:
    """`upto` bytes at the front of the input are not the answer: drop them, count `fault`, go on reading."""

    upto: int
    fault: str  # noise, echo, wrong_unit, late, crc; "" for what is no fault (an acknowledgement before the answer)
    unit: Hashable | None = None  # whose frame it was, where that is known: its settling goes on from here


@dataclass(frozen=True, slots=True)
class Whole:
    """The first `end` bytes are the answer, checked; `payload` is what the driver asked for."""

    end: int
    payload: bytes
    reply: bytes = b""  # what the instrument wants to hear back


Verdict = Whole | Skip | None
"""What a codec says of the input so far. None: wait for more. It raises BadReply or Refused to end the exchange."""


@dataclass(slots=True)
class Request:
    """One question to one unit, built once by the driver's plan and sent again at each poll.

    `unit` keys settling and silence together with the line. `receive` is pure: it looks at all input since
    the request was sent and says what it is. `reply_bytes` is the expected length of a normal answer (for
    wire time), 0 if not known. An empty `frame` only listens: for what an instrument says on its own after an answer.
    """

    unit: Hashable
    frame: bytes
    receive: Callable[[bytes | bytearray], Verdict]
    timeout_s: float
    pause_s: float = 0.0  # quiet time this instrument needs before a request, beyond the line's own
    first_byte_s: float | None = None  # give up earlier when not even one byte has come
    reply_bytes: int = 0
    settle_s: float | None = None  # quiet time of this instrument after a timeout; None: as the line has it
    resend_s: float | None = None  # ask again when nothing has come for so long, within `timeout_s`; None: ask once
    silence_s: float | None = None  # for answers without an end of their own: it is over after so much quiet
    at_silence: Callable[[bytes], bytes] | None = None  # what the answer is then: its payload, or BadReply, Refused


class Tags(Protocol):
    """Framing in which a request carries a number that its answer repeats (Modbus TCP's transaction id).

    A line given Tags may have several requests under way and knows a late answer from a wanted one.
    """

    def stamp(self, frame: bytes, tag: int) -> bytes:
        """The request with its number (1..65535) put in."""

    def split(self, data: bytes | bytearray) -> tuple[int, int] | Skip | None:
        """(end, tag) of the first whole frame, Skip for what is no frame, None for "need more"."""


class Line(Protocol):
    """One port or endpoint. Only its poller's task may call `exchange` and `exchange_row`."""

    name: str
    in_flight: int

    async def exchange(self, request: Request) -> bytes:
        """Send, read until the codec says the answer is whole, return its payload. Raises FieldError."""

    async def exchange_row(self, requests: Sequence[Request], most: int) -> list[bytes | FieldError]:
        """Several questions to one unit in order, up to `most` under way at once, until one fails.

        Returns payload or failure of those that were asked: fewer than `requests` when one of them failed.
        """

    def ready_at(self, unit: Hashable) -> float:
        """Monotonic second from which `unit` may be asked again; 0.0 when it is not settling."""


Answers: TypeAlias = list["bytes | FieldError"]
"""Payload or failure of each question of a row that was asked."""


@runtime_checkable
class PromptLine(Protocol):
    """A line that can also be asked without a task."""

    generation: int
    """Grows with each new connection."""

    def begin_row(
        self, requests: Sequence[Request], most: int, done: Callable[[Answers], None]
    ) -> Callable[[], None] | None:
        """As `exchange_row`; `done` is called by what brings the last answer, and must not raise.

        Returns what gives the row up (`done` is not called any more then), or None when it cannot begin at once:
        then `exchange_row` knows what to wait for, or why it fails.
        """


class Driver(Protocol):
    """One instrument on a line."""

    points: tuple[str, ...]
    unit: Hashable

    async def poll(self) -> Sample:
        """Ask for every point once. Never raises FieldError: what could not be had is in the sample.

        After the first request without an answer the rest of the poll is not tried, so that a dead
        instrument costs its line one timeout (promise P6).
        """


@runtime_checkable
class Prompt(Protocol):
    """A driver that can also be polled without a task, which is what thousands of polls a second can afford."""

    def begin(self, done: Callable[[Answers], None]) -> Callable[[], None] | None:
        """Send the first question of a poll; `done` gets the answers for `conclude`, and must not raise.

        Returns what gives the poll up (`done` is not called any more then), or None when `poll` must be awaited.
        """

    def conclude(self, answers: Answers) -> Sample | Coroutine[Any, Any, Sample]:
        """The sample, or what is still to be awaited for it."""


@runtime_checkable
class Writing(Protocol):
    """A driver that can write to its instrument."""

    async def write(self, name: str, value: bool | int | float | str) -> Value:
        """Write one point, read it back and return what the instrument now says.

        Raises WriteRefused before anything is sent, FieldError for what failed on the line, BadReply (fault
        "readback") when the instrument holds another value. Never writes twice.
        """


@runtime_checkable
class Excluding(Protocol):
    """A driver that leaves out what its instrument refuses to be asked."""

    def retry_excluded(self) -> None:
        """Ask for it again in the next polls."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message of an instrument that speaks unasked says."""

    instrument: str
    """Id of the instrument."""
    sample: Sample | None = None
    """Its values; None for a message without any: the instrument lives."""
    reply: bytes = b""
    """What the instrument wants to hear back on the connection it spoke on."""
    faults: tuple[str, ...] = ()
    """What was odd about the message and did no harm, counted by the line."""


class Hearing(Protocol):
    """Everything that is heard on one line; one for the line, shared by its connections. No I/O, bounded memory."""

    longest: int
    """Bytes without a whole message after which a stream's input is dropped as noise."""
    silence_s: float | None
    """Quiet time that ends a message; None where messages have an end of their own."""
    safe_start: bool
    """Whether the first bytes of a connection can be taken for a message, and not for the rest of one."""

    def cut(self, data: bytes | bytearray) -> Verdict:
        """The first message, so many bytes to drop, or None for "need more". Raises nothing."""

    def last_only(self, instrument: str) -> bool:
        """Whether only the last message of each period of this instrument counts."""

    def heard(self, message: bytes) -> Iterable[Heard]:
        """What it says, for each instrument it speaks of. Raises BadReply for what is no message of theirs."""
