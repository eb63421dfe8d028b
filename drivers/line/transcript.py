"""What went over a wire, written down, and read again.

# line forecourt                              what it is of: one word, then its value
12.345678 >> 01 03 00 00 00 02 c4 0b          sent: seconds since it began, hex
12.361204 << 01 03 04 00 06 00 05 da 31       received, as the operating system handed it over
12.360011 << [7] 23 23 30                     the same, of the 7th connection made to us
12.361301 == cems-1 {"values":{"so2":12.31}}  what the poll that ends here made of it (gateway/recording.py)
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Mark = Literal[">>", "<<", "=="]
MARKS: Mapping[str, Mark] = {">>": ">>", "<<": "<<", "==": "=="}


class Paper(Protocol):
    """What a transcript is written on: a text file, for example."""

    def write(self, text: str, /) -> object:
        """Take this text."""


class Transcript:
    """Writes such lines."""

    def __init__(self, out: Paper, seconds: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._seconds = seconds
        self._began_s = seconds()

    def note(self, name: str, value: str) -> None:
        """One thing to know about all that follows."""
        self._out.write(f"# {name} {value}\n")

    def sent(self, data: bytes, peer: int = 0) -> None:
        """One write; `peer` numbers the connections of a line that has several."""
        self._write(">>", _of(peer) + data.hex(" "))

    def received(self, data: bytes, peer: int = 0) -> None:
        """One arrival, as the operating system handed it over."""
        self._write("<<", _of(peer) + data.hex(" "))

    def made(self, instrument: str, what: str) -> None:
        """What one poll made of the lines since the last one."""
        self._write("==", f"{instrument} {what}")

    def _write(self, mark: Mark, words: str) -> None:
        self._out.write(f"{self._seconds() - self._began_s:.6f} {mark} {words}\n")


def _of(peer: int) -> str:
    return f"[{peer}] " if peer else ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line: bytes on the wire, or what `instrument` made of them. `peer` is 0 where a line has one connection."""

    at_s: float
    mark: Mark
    data: bytes = b""
    instrument: str = ""
    made: str = ""
    peer: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """A transcript as it was read; `notes` are its `#` lines by their first word."""

    notes: Mapping[str, str]
    pieces: tuple[Piece, ...]


def read(lines: Iterable[str]) -> Recording:
    """The transcript in these lines. Raises ValueError with the number of the first line that is none.

    A last line without an end, of a recorder that was killed, is left out.
    """
    notes: dict[str, str] = {}
    pieces: list[Piece] = []
    ended = False
    for number, line in enumerate(lines, 1):
        if ended and not line.endswith("\n"):
            break
        ended = line.endswith("\n")
        text = line.strip()
        if text.startswith("#"):
            name, _, value = text[1:].strip().partition(" ")
            notes[name] = value.strip()
        elif text:
            pieces.append(_piece(text, number))
    return Recording(notes, tuple(pieces))


def _piece(text: str, number: int) -> Piece:
    at, _, rest = text.partition(" ")
    mark = MARKS.get(rest[:2])
    words = rest[2:].strip()
    try:
        at_s = float(at)
        if mark is None:
            raise ValueError
        if mark == "==":
            instrument, _, made = words.partition(" ")
            return Piece(at_s, mark, instrument=instrument, made=made)
        peer, words = _peer(words)
        return Piece(at_s, mark, bytes.fromhex(words), peer=peer)
    except ValueError:
        example = "`12.345678 >> 01 03 …`, with >> for sent and << for received"
        raise ValueError(f"line {number}: {text[:60]!r} is no line of a transcript; right is {example}") from None


def _peer(words: str) -> tuple[int, str]:
    """The connection's number, 0 where there is none, and the hex. Raises ValueError."""
    if not words.startswith("["):
        return 0, words
    number, _, data = words[1:].partition("]")
    return int(number), data
