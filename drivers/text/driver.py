"""A text instrument that is asked: one request for each of its messages, in turn.

A poll ends with the first request that brings no answer: the rest get the same reason untried, so that a dead
instrument costs its line one timeout.
"""

from collections.abc import Hashable

from drivers.contract import Line, Request, Sample, Skip, Verdict, Whole
from drivers.errors import BadReply, FieldError
from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.codec import Framing, body, sealed
from drivers.text.source import Message, TextOptions, TextPoint
from drivers.text.values import Groups, Pattern, Values
from drivers.written import shown

WORST_FIRST = ("line", "timeout", "crc", "settling")


class Question:
    """One request and how its answer is found. `receive` is pure (drivers/contract.py, Request)."""

    def __init__(self, message: Message, spec: InstrumentSpec, options: TextOptions) -> None:
        assert message.request is not None
        self.pattern = Pattern(message, str(spec.address))
        self._options = options
        self._framing = Framing(options)
        text = message.request.replace("{address}", str(spec.address)).encode(options.encoding)
        frame = sealed(text, options.checksum)
        self._echo = frame.removesuffix(options.end or b"").strip(b"\r\n")
        self.request = Request(
            unit=spec.address,
            frame=frame,
            receive=self.receive,
            timeout_s=spec.timeout_s,
            pause_s=options.pause,
            settle_s=spec.settle_s,
            silence_s=options.silence,
            at_silence=self.whole,
        )

    def receive(self, data: bytes | bytearray) -> Verdict:
        """The first message of the input. Raises BadReply for one that is not the answer."""
        verdict = self._framing.cut(data)
        if not isinstance(verdict, Whole):
            return verdict
        bare = verdict.payload.strip(b"\r\n")
        if not bare:
            return Skip(verdict.end, "empty")
        if bare == self._echo:
            return Skip(verdict.end, "echo")
        return Whole(verdict.end, self.whole(verdict.payload))

    def whole(self, message: bytes) -> bytes:
        """The message itself, checked. Raises BadReply."""
        self.groups(message)
        return message

    def groups(self, message: bytes) -> Groups:
        """What is in it. Raises BadReply for what is not the answer."""
        text = body(message, self._options.checksum, self._options.encoding)
        groups = self.pattern.match(text)
        if groups is None:
            raise BadReply(f"not the answer to this request: {shown(text)}", "wrong_text")
        return groups


class TextDriver:
    """See drivers/contract.py, Driver. Raises ValueError for settings that cannot work."""

    def __init__(self, spec: InstrumentSpec, line: Line, line_spec: LineSpec) -> None:
        assert isinstance(spec.options, TextOptions)
        points = [point for point in spec.points if isinstance(point, TextPoint)]
        self.points = tuple(point.id for point in points)
        self.unit: Hashable = spec.address
        self._line = line
        self._questions = [Question(message, spec, spec.options) for message in spec.options.messages]
        self._values = Values(points, spec.options)

    async def poll(self) -> Sample:
        """See drivers/contract.py: one value or one reason for each point."""
        groups: dict[str, str | None] = {}
        missing: dict[str, str] = {}
        failure: FieldError | None = None
        for question in self._questions:
            error = failure
            if error is None:
                try:
                    groups.update(question.groups(await self._line.exchange(question.request)))
                    continue
                except FieldError as caught:
                    error = caught
                    # a wrong answer to one request says nothing of the next; silence does
                    failure = None if isinstance(caught, BadReply) else caught
            missing.update(dict.fromkeys(question.pattern.groups, error.why))
        causes = {reason.partition(":")[0] for reason in missing.values()}
        return self._values.sample(groups, missing, next((word for word in WORST_FIRST if word in causes), "ok"))
