"""A simulated HJ 212 sender: answers requests (9011, data, 9012), or pushes, with the values of a behaviour."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from drivers.contract import Value, Whole
from drivers.errors import BadReply
from drivers.hj212.frame import Framing, framed
from drivers.hj212.message import Message, parsed, split, written
from drivers.hj212.source import VERSIONS, Hj212Options, Hj212Point
from drivers.hj212.values import Zone
from drivers.keys import sm4_key
from drivers.profile import InstrumentSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.slave import Act, Send
from drivers.simulator.truth import Truth

Mischief = Callable[[bytes, bytes], Iterable[Act]]
"""(request, right answer) -> what goes on the wire instead: drivers/simulator/message_faults.py."""
ASK_TIME = "1011"
"""Every sender tells its time."""
MOST_AREA = 950
"""Bytes of a data area (HJ 212-2017 table 2); what does not fit is sent in parts."""


class Hj212Instrument:
    """One command of one sender. `most` bounds a data area in bytes; `flag` is the letter that its values bear."""

    def __init__(
        self,
        instrument: InstrumentSpec,
        behaviour: Behaviour,
        truth: Truth | None = None,
        now: Callable[[], float] = time.time,
        most: int = MOST_AREA,
    ) -> None:
        assert isinstance(instrument.options, Hj212Options)
        self.instrument = instrument
        self.options = instrument.options
        self.period_s = instrument.every_s or 1.0
        self.mn = str(instrument.address)
        self.most = most
        self._points = [point for point in instrument.points if isinstance(point, Hj212Point)]
        self._behaviour = behaviour
        self._truth = truth
        self._now = now
        self._clock = Zone(self.options.utc_offset)
        self._key = sm4_key(self.options.key_file)
        self._qn = 0

    def said(self) -> bytes:
        """Data that it pushes now, acknowledgement wanted."""
        return b"".join(self.uploads(self._clock.written(self._now()), answer=True))

    def uploads(self, at: str, answer: bool) -> list[bytes]:
        """The frames of its values of that time."""
        now_s = self._now()
        flag = self._behaviour.condition(now_s).value
        groups = []
        for point, value in zip(self._points, self._behaviour.at(now_s), strict=True):
            name = point.name(self.options.command)
            assert name is not None
            text, shown = _written(point, value)
            if self._truth is not None:
                self._truth.note(self.instrument.id, point.id, int(now_s * 1000), shown)
            groups.append([(name, text), (f"{name.partition('-')[0]}-Flag", flag)])
        areas = split(groups, at, self.most)
        several = len(areas) > 1
        bits = VERSIONS[self.options.version] << 2 | (2 if several else 0) | int(answer)
        frames = []
        for number, area in enumerate(areas, 1):
            parts = {"PNUM": str(len(areas)), "PNO": str(number)} if several else {}
            fields = {
                "QN": self._next_qn(), "ST": self.options.system, "CN": self.options.command, "PW": "123456",
                "MN": self.mn, "Flag": str(bits), **parts,
            }  # fmt: skip
            frames.append(framed(written(fields, area), self.options.crc, self._key))
        return frames

    def answers(self, request: Message) -> list[bytes]:
        """What it says to a request: refused, or taken in, the data, done."""
        fields = {"QN": request.qn, "ST": "91", "CN": "9011", "PW": "123456", "MN": self.mn, "Flag": "4"}
        asked = request.item("BeginTime")
        at = asked if asked is not None else self._clock.written(self._now())
        taken = framed(written(fields, "QnRtn=1"), self.options.crc)
        done = framed(written({**fields, "CN": "9012"}, "ExeRtn=1"), self.options.crc)
        if request.cn == ASK_TIME:
            told = written({**fields, "ST": self.options.system, "CN": ASK_TIME}, f"SystemTime={at}")
            return [taken, framed(told, self.options.crc), done]
        return [taken, *self.uploads(at, answer=False), done]

    def _next_qn(self) -> str:
        self._qn = max(self._qn + 1, int(self._clock.written(self._now(), "%Y%m%d%H%M%S%f")[:17]))
        return f"{self._qn:017d}"


def _written(point: Hj212Point, value: Value) -> tuple[str, Value]:
    """The text of a value, and the value that it stands for."""
    if point.states:
        text = next((one for one, word in point.states.items() if word == value), next(iter(point.states)))
        return text, point.states[text]
    if isinstance(value, str):
        return value, value
    text = f"{(float(value or 0) - point.offset) / point.scale:.{3 if point.decimals is None else point.decimals}f}"
    plain = point.scale == 1 and point.offset == 0
    return text, (float(text) if "." in text else int(text)) if plain else None


class Hj212Stream:
    """Requests in what comes in."""

    def __init__(self, instruments: Sequence[Hj212Instrument]) -> None:
        options = instruments[0].options
        self._framing = Framing(options.crc, options.longest, sm4_key(options.key_file))
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[Message]:
        """Every request that is whole now."""
        self._input += data
        while self._input and (found := self._framing.cut(self._input)) is not None:
            if isinstance(found, Whole):
                del self._input[: found.end]
                with suppress(BadReply):
                    yield parsed(self._framing.opened(found.payload).data)
            else:
                del self._input[: found.upto]

    def forget(self) -> None:
        """A stream of frames has no silent intervals."""


class Hj212Bus:
    """Senders that are asked, all of one line."""

    def __init__(
        self, instruments: Sequence[Hj212Instrument], think_s: float = 0.0, mischief: Mischief | None = None
    ) -> None:
        self._instruments = {(one.mn, str(one.options.command)): one for one in instruments}
        self._think_s = think_s
        self._mischief = mischief

    def acts(self, question: Message, stream: Any) -> Iterable[Act]:
        """What the line does about one request; what nobody is meant by stays silent."""
        one = self._instruments.get((question.mn, question.cn))
        if question.cn == ASK_TIME:
            one = next((each for each in self._instruments.values() if each.mn == question.mn), None)
        if one is None:
            return ()
        answer = b"".join(one.answers(question))
        return self._mischief(b"", answer) if self._mischief is not None else (Send(answer, self._think_s),)
