"""Which commands were carried out, so that a repeated one is answered again and not carried out again. Pure.

Those that change something are remembered until they have expired and are kept by the log before they are carried
out; when there is no room for a further one it is refused, because forgetting one would let it be replayed. The
others are remembered as far as there is room, and are harmless to repeat.

A clock that is set back makes an expired command valid again. So the latest expiry of all that were forgotten is
kept too, and a command that expires no later than that is refused: it may be one of them. The same holds where the
log's file was lost: the mark beside it knows the latest expiry of all.
"""

from collections import OrderedDict
from dataclasses import dataclass

import orjson

MOST = 1000
"""Commands that change something, remembered at once."""
MOST_HARMLESS = 200
MARGIN_MS = 3_600_000
"""So much longer than it is valid a command is remembered, in case the clock is set back."""


@dataclass(slots=True)
class Executed:
    """One command: the SHA-256 of its text, and the reply; None while, or in case, it has none."""

    digest: str
    expires_ms: int
    reply: bytes | None = None


class Forgotten(Exception):
    """Whether this command was carried out before is not known any more."""


class NoRoom(Exception):
    """Too many unexpired commands are remembered."""


class Memory:
    """By id."""

    def __init__(self) -> None:
        self._changes: OrderedDict[str, Executed] = OrderedDict()
        self._harmless: OrderedDict[str, Executed] = OrderedDict()
        self._forgotten_ms = 0

    def find(self, identity: str) -> Executed | None:
        """What is known of a command with this id."""
        return self._changes.get(identity) or self._harmless.get(identity)

    def add(self, identity: str, executed: Executed, changes: bool, now_ms: int) -> None:
        """Remember it. Raises NoRoom, Forgotten."""
        if not changes:
            self._harmless[identity] = executed
            if len(self._harmless) > MOST_HARMLESS:
                self._harmless.popitem(last=False)
            return
        over = [key for key, known in self._changes.items() if known.expires_ms + MARGIN_MS <= now_ms]
        for key in over:
            self._forgotten_ms = max(self._forgotten_ms, self._changes.pop(key).expires_ms)
        if executed.expires_ms <= self._forgotten_ms:
            why = "it expires no later than commands that are forgotten: the clock was set back, or the log was lost"
            raise Forgotten(f"{why}; send it with a later expiry than {self._forgotten_ms}")
        if len(self._changes) >= MOST:
            raise NoRoom(f"{MOST} commands that have not expired are remembered; let them expire")
        self._changes[identity] = executed

    @property
    def latest_ms(self) -> int:
        """The latest expiry of all that change something, forgotten or not."""
        return max([self._forgotten_ms, *(known.expires_ms for known in self._changes.values())])

    def drop(self, identity: str) -> None:
        """It was not begun."""
        self._changes.pop(identity, None)

    def to_bytes(self) -> bytes:
        """Those that change something, for the log to keep."""
        rows = [
            [key, known.digest, known.expires_ms, None if known.reply is None else known.reply.decode()]
            for key, known in self._changes.items()
        ]
        return orjson.dumps({"forgotten": self._forgotten_ms, "commands": rows})

    @classmethod
    def from_bytes(cls, kept: bytes | None, kept_until_ms: int = 0) -> "Memory":
        """As it was kept; empty when nothing was. What expires by `kept_until_ms` is forgotten where this is less."""
        memory = cls()
        if kept is not None:
            memory._read(kept)
        if kept_until_ms > memory.latest_ms:
            memory._forgotten_ms = kept_until_ms
        return memory

    def _read(self, kept: bytes) -> None:
        said = orjson.loads(kept)
        self._forgotten_ms = said["forgotten"]
        rows: list[tuple[str, str, int, str | None]] = said["commands"]
        for key, digest, expires_ms, reply in rows:
            self._changes[key] = Executed(digest, expires_ms, None if reply is None else reply.encode())
