"""A simulated text instrument: prints its profile's messages with the values of a behaviour in their groups."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from drivers.contract import Flag, Value
from drivers.profile import InstrumentSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.rendering import rendered
from drivers.simulator.slave import Act, Send
from drivers.simulator.truth import Truth
from drivers.text.codec import computed, sealed
from drivers.text.source import Message, TextOptions, TextPoint

_FORMS = ("{:.3f}", "{:.2f}", "{:.1f}", "{:.0f}", "{:+.3f}", "{:+.2f}", "{:+.0f}", "{:07.2f}", "{:06.0f}", "{:+08.0f}")
"""How a number may be printed; the first that fits the pattern's group is taken."""

Mischief = Callable[[bytes, bytes], Iterable[Act]]
"""(request, right answer) -> what goes on the wire instead: drivers/simulator/message_faults.py."""


class TextInstrument:
    """One instrument. `truth` is told what it printed, as the number that stands in the text."""

    def __init__(
        self,
        instrument: InstrumentSpec,
        behaviour: Behaviour,
        truth: Truth | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        assert isinstance(instrument.options, TextOptions)
        self.instrument = instrument
        self.options = instrument.options
        self.period_s = instrument.every_s or 1.0
        self._points = [point for point in instrument.points if isinstance(point, TextPoint)]
        self._behaviour = behaviour
        self._truth = truth
        self._now = now

    def requests(self) -> Iterator[tuple[bytes, Message]]:
        """Its requests as they come in."""
        for message in self.options.messages:
            if message.request is not None:
                text = message.request.replace("{address}", str(self.instrument.address)).encode(self.options.encoding)
                yield sealed(text, self.options.checksum), message

    def said(self) -> bytes:
        """Everything it says unasked now."""
        return b"".join(self.printed(message) for message in self.options.messages)

    def printed(self, message: Message) -> bytes:
        """One message with its checksum and its end."""
        now_s = self._now()
        values = dict(zip((point.id for point in self._points), self._behaviour.at(now_s), strict=True))
        condition = self._behaviour.condition(now_s)
        shown: dict[str, Value] = {}

        def fill(group: str, fits: Callable[[str], bool]) -> str | None:
            if group == "address":
                return str(self.instrument.address)
            if (text := self._status(group, condition)) is not None or (text := self._time(group, now_s, fits)):
                return text
            for point in self._points:
                if group == point.printed and point.unit in point.units.values():
                    return next(printed for printed, unit in point.units.items() if unit == point.unit)
                if group == point.held_in:
                    text, value = _shown(point, values[point.id], fits)
                    if text is not None:
                        shown[point.id] = value
                        return text
            return None

        text = rendered(message.pattern, fill)
        if self._truth is not None:
            for point_id, value in shown.items():
                self._truth.note(self.instrument.id, point_id, int(now_s * 1000), value)
        return self._framed(text.encode(self.options.encoding))

    def _status(self, group: str, condition: Flag) -> str | None:
        """What a status shows in this condition."""
        rules = [rule for rule in self.options.flags if rule.group == group]
        if not rules:
            return None
        for rule in rules:
            for text, flag in rule.codes.items():
                if flag is condition and condition is not Flag.NORMAL:
                    return text
        quiet = [text for rule in rules for text, flag in rule.codes.items() if flag is Flag.NORMAL]
        # what a point shows and no rule speaks of means that all is well
        for point in self._points:
            if point.held_in == group:
                quiet += [text for text in (*point.true, *point.false) if all(text not in rule.codes for rule in rules)]
        return quiet[0] if quiet else None

    def _time(self, group: str, now_s: float, fits: Callable[[str], bool]) -> str | None:
        time_ = self.options.time
        if time_ is None or group not in time_.groups:
            return None
        sign = -1 if time_.utc_offset.startswith("-") else 1
        offset = timedelta(hours=int(time_.utc_offset[1:3]), minutes=int(time_.utc_offset[4:])) * sign
        moment = datetime.fromtimestamp(now_s, UTC).astimezone(timezone(offset))
        for written in reversed(time_.formats):
            parts = written.split(" ") if len(time_.groups) > 1 else [written]
            text = moment.strftime(parts[time_.groups.index(group)])
            if fits(text):
                return text
        return None

    def _framed(self, text: bytes) -> bytes:
        checksum = self.options.checksum
        end = self.options.end or b""
        if checksum is None:
            return text + end
        if checksum.kind == "nmea":
            return b"$" + text + b"*" + computed(text, checksum) + end
        begin = (
            (self.options.begins or "").encode(self.options.encoding)[: checksum.first].ljust(checksum.first, b"\x02")
        )
        return begin + text + b"\x03" * checksum.between + computed(text, checksum) + b"\x04" * checksum.behind + end


def _shown(point: TextPoint, value: Value, fits: Callable[[str], bool]) -> tuple[str | None, Value]:
    """The text of a value, and the value that this text stands for; None where it has to be made up."""
    if point.type == "bool":
        text = next((one for one in (point.true if value else point.false) if fits(one)), None)
        return text, bool(value)
    if point.states:
        text = next((one for one, word in point.states.items() if word == value and fits(one)), None)
        return text, value
    if point.type == "angle" and isinstance(value, (int, float)):
        minutes = abs(value) % 1 * 60
        for width in (2, 3):
            text = f"{int(abs(value)):0{width}d}{minutes:07.4f}"
            if fits(text):
                return text, None
        return None, None
    if point.type == "number" and isinstance(value, (int, float)):
        raw = (value - point.offset) / point.scale
        for form in _FORMS:
            text = form.format(raw)
            if fits(text):
                return text, float(text) if point.scale == 1 and point.offset == 0 and point.reads is None else None
    return None, None


class TextStream:
    """Requests in what comes in: whatever ends as one of the known requests does."""

    def __init__(self, instruments: Sequence[TextInstrument]) -> None:
        self._known = sorted({frame for one in instruments for frame, _ in one.requests()}, key=len, reverse=True)
        self._input = bytearray()

    def questions(self, data: bytes) -> Iterator[bytes]:
        """Every request that is whole now."""
        self._input += data
        while found := min(((self._input.find(one), one) for one in self._known if one in self._input), default=None):
            at, frame = found
            del self._input[: at + len(frame)]
            yield frame

    def forget(self) -> None:
        """The line was silent: what was begun will not be finished."""
        self._input.clear()


class TextBus:
    """Text instruments that are asked, all of one line."""

    def __init__(
        self, instruments: Sequence[TextInstrument], think_s: float = 0.0, mischief: Mischief | None = None
    ) -> None:
        self._answers = {frame: (one, message) for one in instruments for frame, message in one.requests()}
        self._think_s = think_s
        self._mischief = mischief

    def acts(self, question: bytes, stream: Any) -> Iterable[Act]:
        """What the line does about one request."""
        one, message = self._answers[question]
        answer = one.printed(message)
        return self._mischief(question, answer) if self._mischief is not None else (Send(answer, self._think_s),)
