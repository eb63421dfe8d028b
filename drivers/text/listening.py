"""Text instruments that speak unasked, all of one line. One message may be of use to several of them.

Several patterns of one instrument make one sample, a **record** (the sentences of a GPS receiver). It is over when
each pattern has matched, when one comes again, or when the text of the group `record` (the receiver's time) changes;
what has not come by then is null. At most one record of each instrument is open.
"""

import re
from collections.abc import Iterator, Sequence

from drivers.contract import Heard, Verdict
from drivers.errors import BadReply
from drivers.profile import InstrumentSpec, LineSpec
from drivers.text.codec import Framing, body
from drivers.text.source import TextOptions, TextPoint
from drivers.text.values import RECORD, Pattern, Values
from drivers.written import shown


class Speaker:
    """One instrument."""

    def __init__(self, spec: InstrumentSpec, options: TextOptions) -> None:
        points = [point for point in spec.points if isinstance(point, TextPoint)]
        self.instrument = spec.id
        self._patterns = [Pattern(message, str(spec.address)) for message in options.messages]
        self._values = Values(points, options)
        self._groups: dict[str, str | None] = {}
        self._had: set[int] = set()
        self._record: str | None = None

    def heard(self, text: str) -> Iterator[Heard]:
        """The samples that this message completes: none, one, or the one before and its own."""
        for number, pattern in enumerate(self._patterns):
            groups = pattern.match(text)
            if groups is None:
                continue
            record = groups[RECORD] if pattern.joined else self._record
            if number in self._had or (self._had and record != self._record):
                yield self._finished()
            self._had.add(number)
            self._record = record
            self._groups.update(groups)
            yield self._finished() if len(self._had) == len(self._patterns) else Heard(self.instrument)
            return

    def _finished(self) -> Heard:
        missing = {
            group: "timeout: its message did not come with the others"
            for number, pattern in enumerate(self._patterns)
            if number not in self._had
            for group in pattern.groups
        }
        sample = self._values.sample(self._groups, missing, "timeout" if missing else "ok")
        self._groups, self._had, self._record = {}, set(), None
        return Heard(self.instrument, sample)


class TextHearing:
    """See drivers/contract.py, Hearing. Raises ValueError for instruments that cannot share a line."""

    def __init__(self, specs: Sequence[InstrumentSpec], line: LineSpec) -> None:
        options = [spec.options for spec in specs if isinstance(spec.options, TextOptions)]
        framings = [Framing(one) for one in options]
        alike = {(one.key, each.checksum, each.encoding) for one, each in zip(framings, options, strict=True)}
        if len(alike) > 1:
            raise ValueError("instruments that speak on one line must agree on ends, checksum and encoding")
        self._framing = framings[0]
        self._checksum, self._encoding = options[0].checksum, options[0].encoding
        self._ignore = [re.compile(one.ignore).fullmatch for one in options if one.ignore is not None]
        self._speakers = [Speaker(spec, one) for spec, one in zip(specs, options, strict=True)]
        self._last_only = {spec.id for spec, one in zip(specs, options, strict=True) if one.keep == "last"}
        self.longest = self._framing.longest
        self.silence_s = self._framing.silence_s
        self.safe_start = self._framing.safe_start

    def cut(self, data: bytes | bytearray) -> Verdict:
        """See drivers/contract.py, Hearing."""
        return self._framing.cut(data)

    def last_only(self, instrument: str) -> bool:
        """See drivers/contract.py, Hearing."""
        return instrument in self._last_only

    def heard(self, message: bytes) -> list[Heard]:
        """See drivers/contract.py, Hearing. An empty message says nothing."""
        if not message.strip(b"\r\n"):
            return []
        text = body(message, self._checksum, self._encoding)
        found = [heard for speaker in self._speakers for heard in speaker.heard(text)]
        if not found and not any(ignored(text) for ignored in self._ignore):
            raise BadReply(f"no pattern matches {shown(text)}", "unknown")
        return found
