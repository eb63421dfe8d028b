"""An HJ 212 instrument that is asked: real-time data (2011), or periods of history (2031, 2041, 2051, 2061).

The conversation (§6.6): our request; 9011 (it will be done); the data, in one message or in parts; 9012 (it was done),
which is not waited for. An answer must come from our MN, with our command; history must be of the period asked for. A
poll of history asks for the last whole period, and then for those that were missed, the oldest first, as long as that
takes no more than one timeout: the others on the line wait for no more than for a dead instrument.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import replace

from drivers.contract import Line, Request, Sample, Skip, Verdict, Whole
from drivers.errors import BadReply, FieldError, Refused
from drivers.hj212.answers import ANSWERS, EXE_RETURNS, EXECUTED, QN_RETURNS, TAKEN, acknowledgement
from drivers.hj212.frame import Framing, framed
from drivers.hj212.history import DAY_S, HOUR_S, MINUTE_S, History
from drivers.hj212.message import Message, parsed, written
from drivers.hj212.source import VERSIONS, Hj212Options
from drivers.hj212.values import Values, Zone, records_of
from drivers.keys import secret, sm4_key
from drivers.profile import InstrumentSpec, LineSpec


class Hj212Driver:
    """See drivers/contract.py, Driver. Raises ValueError for settings that cannot work."""

    def __init__(
        self, spec: InstrumentSpec, line: Line, line_spec: LineSpec, now: Callable[[], float] = time.time
    ) -> None:
        assert isinstance(spec.options, Hj212Options)
        self.points = tuple(point.id for point in spec.points)
        self.unit: Hashable = spec.address
        self._spec, self._options = spec, spec.options
        self._line = line
        self._now = now
        self._values = Values(spec)
        self._key = sm4_key(self._options.key_file)
        self._framing = Framing(self._options.crc, self._options.longest, self._key)
        self._password = secret(self._options.password_file)
        self._last_qn = 0
        self._history = _history(self._options, self._values.clock)

    async def poll(self) -> Sample:
        """See drivers/contract.py: one value or one reason for each point."""
        if self._history is None:
            try:
                return await self._ask(None)
            except FieldError as error:
                return Sample.nothing(len(self.points), error.why)
        return await self._poll_history(self._history)

    async def _poll_history(self, history: History) -> Sample:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._spec.timeout_s
        newest = history.newest(self._now())
        try:
            sample = await self._ask(history.begin_s(newest))
        except FieldError as error:
            history.lacks(newest)  # it may not be reckoned yet
            sample = Sample.nothing(len(self.points), error.why)
            if not isinstance(error, Refused):
                return sample
        else:
            history.done(newest)
        earlier: list[Sample] = []
        while (missed := history.missed()) is not None and missed != newest and loop.time() < end_s:
            try:
                earlier.append(await self._ask(history.begin_s(missed)))
            except Refused:
                pass  # the sender does not have it
            except FieldError:
                break
            history.done(missed)
        return replace(sample, earlier=tuple(earlier))

    async def _ask(self, begin_s: float | None) -> Sample:
        """The values of now, or of the period that begins then. Raises FieldError."""
        asked = self._question(begin_s)
        record = records_of(asked.messages(await self._line.exchange(asked.request)))
        return self._values.sample(record, [])

    def _question(self, begin_s: float | None) -> "Question":
        now_s = self._now()
        clock = self._values.clock
        # unique for each MN: two requests of one millisecond get numbers in a row
        self._last_qn = max(self._last_qn + 1, int(clock.written(now_s, "%Y%m%d%H%M%S%f")[:17]))
        period = clock.written(begin_s) if begin_s is not None else None
        area = ""
        if period is not None:
            joint = self._options.history_joint
            area = f"BeginTime={period}{joint}EndTime={period}"
        fields = {
            "QN": f"{self._last_qn:017d}",
            "ST": self._options.system,
            "CN": self._options.command,
            "PW": self._password or "",
            "MN": str(self._spec.address),
            "Flag": str(VERSIONS[self._options.version] << 2 | 1),
        }
        data = written({key: text for key, text in fields.items() if text}, area)
        return Question(fields["QN"], framed(data, self._options.crc, self._key), period, self._spec, self._framing)


def _history(options: Hj212Options, clock: Zone) -> History | None:
    """The periods of a command; None for real-time data."""
    lengths_s = {"2031": DAY_S, "2041": DAY_S, "2061": HOUR_S, "2051": options.period_minutes * MINUTE_S}
    length_s = lengths_s.get(options.command)
    if length_s is None:
        return None
    offset = clock.zone.utcoffset(None)
    assert offset is not None
    return History(length_s, offset.total_seconds(), options.catch_up, min(options.at_start, options.catch_up))


class Question:
    """One request, and what answers it. `receive` is pure (drivers/contract.py, Request)."""

    def __init__(self, qn: str, frame: bytes, period: str | None, spec: InstrumentSpec, framing: Framing) -> None:
        assert isinstance(spec.options, Hj212Options)
        self._qn, self._period = qn, period
        self._spec = spec
        self._mn, self._options = str(spec.address), spec.options
        self._framing = framing
        self.request = Request(
            unit=spec.address,
            frame=frame,
            receive=self.receive,
            timeout_s=spec.timeout_s,
            settle_s=spec.settle_s,
        )

    def receive(self, data: bytes | bytearray) -> Verdict:
        """The answer, all its parts; what stands before it is skipped. Raises Refused or BadReply."""
        held = bytes(data)
        at, parts = 0, dict[int, bytes]()
        replies = b""
        while True:
            found = self._framing.cut(held[at:]) if at < len(held) else None
            if found is None:
                return None
            if isinstance(found, Skip):
                if not parts:
                    return found
                at += found.upto  # between two parts
                continue
            message, kind = self._opened(found.payload)
            fault = self._not_ours(message)
            if fault is not None:
                if not parts:
                    return Skip(at + found.end, fault, message.mn if fault == "wrong_unit" else None)
                at += found.end
                continue
            at += found.end
            which, many = message.part or (1, 1)
            parts[which] = found.payload
            if message.wants_answer:
                crc = self._options.crc if self._options.crc != "either" else kind
                replies += acknowledgement(message, self._options.version, crc)  # type: ignore[arg-type]
            if len(parts) == many:
                return Whole(at, b"".join(parts[number] for number in sorted(parts)), replies)

    def messages(self, payload: bytes) -> list[Message]:
        """The messages of a payload, in the order of the parts."""
        found: list[Message] = []
        while payload:
            # of a frame without an end of its own, the next one or nothing comes behind it
            verdict = self._framing.cut(payload + b"##")
            assert isinstance(verdict, Whole)
            found.append(self._opened(verdict.payload)[0])
            payload = payload[verdict.end :]
        return found

    def as_recorded(self, request: Message) -> "Question":
        """The same question under the number and for the period of a recorded one; for `fieldgate replay`."""
        period = request.item("BeginTime") if self._period is not None else None
        return Question(request.qn, self.request.frame, period, self._spec, self._framing)

    def is_like(self, request: Message) -> bool:
        """Whether a recorded request asks the same of the same instrument."""
        return (request.mn, request.cn) == (self._mn, self._options.command)

    def _opened(self, frame: bytes) -> tuple[Message, str]:
        opened = self._framing.opened(frame)
        return parsed(opened.data), opened.kind

    def _not_ours(self, message: Message) -> str | None:
        """Why a message is not the answer, "" for what may stand before it. Raises Refused, BadReply for a refusal."""
        if message.mn != self._mn:
            return "wrong_unit"
        if message.cn in ANSWERS:
            if message.qn != self._qn:
                return "late"
            self._refusal(message)
            return ""
        if message.cn != self._options.command:
            return "wrong_function"
        if self._period is not None and (not message.records or message.records[0].time != self._period):
            return "wrong_period"
        return None

    @staticmethod
    def _refusal(message: Message) -> None:
        returned = message.item("QnRtn") if message.cn == TAKEN else message.item("ExeRtn")
        words = QN_RETURNS if message.cn == TAKEN else EXE_RETURNS
        if message.cn in (TAKEN, EXECUTED) and returned != "1":
            code = int(returned) if returned and returned.isdecimal() and len(returned) < 5 else 0
            raise Refused(f"{returned} {words.get(returned or '', 'unknown')}", code)
        if message.cn == EXECUTED:
            raise BadReply("it says that it is done, and has sent nothing", "wrong_count")
