"""Frames in a stream of bytes: one rule for every protocol that marks where a frame begins and ends. Pure.

The rule has to give the same result however the bytes are cut up. The first byte at which a frame can begin is waited
for to the end of that frame, so that no part of its data can pass for a frame. What then has a right check is judged;
what has not is an error if it begins as our answer must, and otherwise one byte of noise. Bytes before it are noise,
except `filler` (wake-up bytes that a protocol puts before its frames).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from drivers.contract import Skip, Verdict, Whole
from drivers.errors import BadReply

Input = bytes | bytearray


class Framing(Protocol):
    """What a frame of one protocol looks like."""

    filler: bytes
    """Bytes that may stand before a frame and mean nothing."""

    def end(self, data: Input, at: int) -> int | None:
        """Where the frame that begins at `at` ends; more than len(data) while it is not all here; None: none begins."""

    def fault(self, frame: bytes) -> str | None:
        """What is wrong with a frame's check, in words; None when it is right."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A good frame that is not the answer; `unit` says whose it was, where that is known."""

    fault: str
    unit: Hashable | None = None


Judge = Callable[[bytes], bytes | Aside]
"""The payload of a good frame, or why it is not ours. Raises BadReply or Refused."""


def receiver(framing: Framing, judge: Judge, ours: Callable[[bytes], bool]) -> Callable[[Input], Verdict]:
    """`receive` of a Request; `ours` says of a frame with a wrong check whether it begins as our answer must."""

    def receive(data: Input) -> Verdict:
        at, end = sight(framing, data)
        before = bytes(data[:at])
        if before.strip(framing.filler):
            return Skip(at, "noise")
        if end > len(data):
            return None
        if at == end:  # nothing but filler
            return None
        frame = bytes(data[at:end])
        if (fault := framing.fault(frame)) is not None:
            if ours(frame):
                raise BadReply(f"{fault}: {shown(frame)}")
            return Skip(at + 1, "noise")
        judged = judge(frame)
        if isinstance(judged, Aside):
            return Skip(end, judged.fault, judged.unit)
        return Whole(end, judged)

    return receive


def sight(framing: Framing, data: Input) -> tuple[int, int]:
    """(begin, end) of the first frame that can begin in `data`; both len(data) when none can."""
    for at in range(len(data)):
        end = framing.end(data, at)
        if end is not None:
            return at, end
    return len(data), len(data)


def split(framing: Framing, data: bytearray) -> list[bytes]:
    """Take every whole good frame off the front of `data`, with the noise before it; for simulators."""
    frames: list[bytes] = []
    while data:
        at, end = sight(framing, data)
        if end > len(data):
            del data[:at]
            return frames
        frame = bytes(data[at:end])
        if frame and framing.fault(frame) is None:
            frames.append(frame)
            del data[:end]
        else:
            del data[: at + 1]
    return frames


def ending(framing: Framing, data: Input) -> bytes | None:
    """The longest whole good frame that begins inside `data` and ends with it; for simulators, which must not wait on.

    A request for another protocol can look like the beginning of one of ours. On a bus the quiet time behind it tells;
    through a pseudo-terminal the next request follows at once.
    """
    for at in range(1, len(data)):
        if framing.end(data, at) == len(data) and framing.fault(frame := bytes(data[at:])) is None:
            return frame
    return None


def shown(frame: bytes, most: int = 24) -> str:
    """Bytes in messages."""
    return frame[:most].hex(" ") + (" …" if len(frame) > most else "")
