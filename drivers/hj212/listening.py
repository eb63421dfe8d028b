"""HJ 212 senders that push: data loggers and instruments, over serial lines, connections we make, or made to us.

A message is acknowledged when its Flag asks for it: as soon as it is taken in, and again when it is sent again (the
same DATA within the last ones of its sender), but it makes a sample only once. Parts are joined; a message of which a
part never comes is told, with nulls for what is missing, when the next one begins.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from drivers.contract import Heard, Verdict
from drivers.errors import BadReply
from drivers.hj212.answers import ANSWERS, acknowledgement
from drivers.hj212.frame import Framing
from drivers.hj212.message import Message, Record, parsed
from drivers.hj212.source import Hj212Options
from drivers.hj212.values import MISSING_PART, Parts, Values
from drivers.keys import secret, sm4_key
from drivers.profile import InstrumentSpec, LineSpec

_MN = re.compile(rb"(?:^|;)MN=([^;\s]+);")
"""Whose message it is, where that stands as the standard has it; elsewhere `parsed` finds it."""
REMEMBERED = 64
"""Messages of one sender that are known when they come again: after the retries of the standard (3) that is plenty."""


class Command:
    """One command of one sender: one instrument."""

    def __init__(self, spec: InstrumentSpec, options: Hj212Options) -> None:
        self.instrument = spec.id
        self.values = Values(spec)
        self.parts = Parts(self.values.wanted)


class Sender:
    """One MN."""

    def __init__(self, options: Hj212Options) -> None:
        self.options = options
        self.password = secret(options.password_file)
        self.commands: dict[str, Command] = {}
        self._known: OrderedDict[int, None] = OrderedDict()

    def knows(self, data: bytes) -> bool:
        """Whether this was said before; it is known from now on."""
        key = hash(data)
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return False


class Hj212Hearing:
    """See drivers/contract.py, Hearing. Raises ValueError for instruments that cannot share a line."""

    silence_s: float | None = None
    safe_start: bool = True

    def __init__(self, specs: Sequence[InstrumentSpec], line: LineSpec) -> None:
        options = [(spec, spec.options) for spec in specs if isinstance(spec.options, Hj212Options)]
        links = {(one.crc, one.longest, one.key_file) for _, one in options}
        if len(links) > 1:
            raise ValueError("senders on one line must agree on crc, longest and key_file")
        kind, longest, key_file = next(iter(links))
        self._framing = Framing(kind, longest, sm4_key(key_file))
        self.longest = self._framing.longest
        self._senders: dict[str, Sender] = {}
        for spec, one in options:
            sender = self._senders.setdefault(str(spec.address), Sender(one))
            if one.command in sender.commands:
                other = sender.commands[one.command].instrument
                raise ValueError(f"{spec.id} and {other} are command {one.command} of one sender, {spec.address}")
            sender.commands[one.command] = Command(spec, one)
        self._mns = frozenset(mn.encode() for mn in self._senders)

    def last_only(self, instrument: str) -> bool:
        """Every message counts."""
        return False

    def cut(self, data: bytes | bytearray) -> Verdict:
        """See drivers/contract.py, Hearing."""
        return self._framing.cut(data)

    def heard(self, message: bytes) -> list[Heard]:
        """See drivers/contract.py, Hearing."""
        opened = self._framing.opened(message)
        mine = _MN.search(opened.data)
        if mine is not None and mine[1] not in self._mns:  # strangers are not worth a closer look
            raise BadReply(f"MN {mine[1]!r} is none of this line", "unknown")
        found = parsed(opened.data)
        sender = self._senders.get(found.mn)
        if sender is None:
            raise BadReply(f"MN {found.mn!r} is none of this line", "unknown")
        if sender.password is not None and found.fields.get("PW") != sender.password:
            raise BadReply(f"{found.mn}: another password", "wrong_password")
        if found.cn in ANSWERS:
            return [_alive(sender)]
        if opened.data and sender.knows(opened.data):
            again = Heard(_alive(sender).instrument, None, self._reply(found, sender, opened.kind), ("repeat",))
            return [again]
        oddities = [*opened.oddities, *found.oddities]
        said = list(self._samples(found, sender, oddities))
        reply = self._reply(found, sender, opened.kind)
        first = said[0] if said else _alive(sender)
        faults = tuple(dict.fromkeys(oddities))
        return [Heard(first.instrument, first.sample, reply, faults), *said[1:]]

    def _samples(self, message: Message, sender: Sender, oddities: list[str]) -> Iterator[Heard]:
        command = sender.commands.get(message.cn)
        if command is None:
            return  # acknowledged, and of no use here
        part = message.part
        for record in message.records:
            whole: list[tuple[Record, bool]] = [(record, True)] if part is None else command.parts.add(record, part)
            for one, complete in whole:
                missing = None if complete else MISSING_PART
                yield Heard(command.instrument, command.values.sample(one, oddities, missing))

    def _reply(self, message: Message, sender: Sender, kind: str) -> bytes:
        if not message.wants_answer:
            return b""
        crc = sender.options.crc if sender.options.crc != "either" else kind
        return acknowledgement(message, sender.options.version, crc)  # type: ignore[arg-type]


def _alive(sender: Sender) -> Heard:
    """It lives, whatever it said."""
    return Heard(next(iter(sender.commands.values())).instrument)
