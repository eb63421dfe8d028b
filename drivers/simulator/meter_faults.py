"""A hostile meter: answers that are late, cut, doubled, mixed up or nonsense, at random, seeded, counted by name.

    bus = MeterBus(meters, mischief=MeterHostility(framing, share=0.05, seed=7, timeout_s=0.03))

The counterpart of drivers/simulator/faults.py for protocols that mark their own frames. What must not be believed
carries decoy data, so that a driver that believes it is found out; a frame that is spoilt on purpose is made sure to
be wrong, because a sum of eight bits is right by chance once in 256 times and would prove nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from drivers import frames
from drivers.simulator.slave import Act, Send


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A right answer about to be spoilt."""

    question: bytes
    frame: bytes
    wrongs: Mapping[str, bytes]
    framing: frames.Framing
    random: Random
    timeout_s: float

    @property
    def decoy(self) -> bytes:
        """A good frame with data that must not be believed."""
        return self.wrongs["decoy"]

    def noise(self, most: int = 12) -> bytes:
        """A few random bytes in which no frame can begin."""
        data = self.random.randbytes(self.random.randint(1, most))
        while frames.sight(self.framing, data)[0] < len(data):
            data = self.random.randbytes(len(data))
        return data

    def no_frame(self, data: bytes) -> bytes:
        """The bytes, changed if need be until no part of them is a good frame."""
        while frames.split(self.framing, bytearray(data)):
            data = self.random.randbytes(len(data))
        return data

    def cut(self) -> int:
        """A place inside the frame."""
        return self.random.randrange(1, len(self.frame)) if len(self.frame) > 1 else 0

    def late_s(self) -> float:
        """After the timeout, and well before three of them: the unit still settles."""
        return self.timeout_s * self.random.uniform(1.1, 2.6)

    def in_time_s(self) -> float:
        """Long enough to matter, short enough to be waited for."""
        return self.timeout_s * self.random.uniform(0.05, 0.4)


Fault = Callable[[Spoilt], Iterable[Act]]


def _hang(spoilt: Spoilt) -> Iterable[Act]:
    return ()


def _drip(spoilt: Spoilt) -> Iterable[Act]:
    """Byte by byte, whole in time."""
    step_s = spoilt.in_time_s() / len(spoilt.frame)
    return tuple(Send(spoilt.frame[at : at + 1], at * step_s) for at in range(len(spoilt.frame)))


def _drip_too_slowly(spoilt: Spoilt) -> Iterable[Act]:
    """Byte by byte, whole only after the timeout."""
    step_s = spoilt.late_s() / max(1, len(spoilt.frame) - 1)
    return tuple(Send(spoilt.frame[at : at + 1], at * step_s) for at in range(len(spoilt.frame)))


def _late(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.frame, spoilt.late_s()),)


def _wrong(spoilt: Spoilt) -> Iterable[Act]:
    """A good frame that is not the answer."""
    names = [name for name in spoilt.wrongs if name != "decoy"]
    return (Send(spoilt.wrongs[spoilt.random.choice(names)]),) if names else ()


def _wrong_before(spoilt: Spoilt) -> Iterable[Act]:
    """Another unit's frame, then the right one."""
    return (Send(spoilt.wrongs.get("wrong unit", b"") + spoilt.frame),)


def _noise_before(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.noise() + spoilt.frame),)


def _noise_after(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.frame + spoilt.noise()),)


def _noise_inside(spoilt: Spoilt) -> Iterable[Act]:
    at = spoilt.random.randrange(1, len(spoilt.decoy)) if len(spoilt.decoy) > 1 else 0
    return (Send(spoilt.no_frame(spoilt.decoy[:at] + spoilt.noise(3) + spoilt.decoy[at:])),)


def _nonsense(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.no_frame(spoilt.random.randbytes(spoilt.random.randint(1, 60)))),)


def _partial(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.frame[: spoilt.cut()]),)


def _bad_check(spoilt: Spoilt) -> Iterable[Act]:
    """One byte of it is wrong."""
    data = bytearray(spoilt.decoy)
    data[spoilt.random.randrange(len(data))] ^= spoilt.random.randint(1, 255)
    return (Send(spoilt.no_frame(bytes(data))),)


def _wrong_baud(spoilt: Spoilt) -> Iterable[Act]:
    """What a receiver at half the speed makes of it."""
    return (Send(spoilt.no_frame(bytes((byte & 0x0F) * 0x11 ^ 0x5A for byte in spoilt.frame[::2]))),)


def _echo(spoilt: Spoilt) -> Iterable[Act]:
    """The adapter hears itself: the request, then the answer."""
    return (Send(spoilt.question + spoilt.frame),)


def _gap(spoilt: Spoilt) -> Iterable[Act]:
    at = spoilt.cut()
    return Send(spoilt.frame[:at]), Send(spoilt.frame[at:], spoilt.in_time_s())


def _twice(spoilt: Spoilt) -> Iterable[Act]:
    return (Send(spoilt.frame * 2),)


def _babble(spoilt: Spoilt) -> Iterable[Act]:
    """Bytes without a pause until after the timeout."""
    step_s = 0.002
    return tuple(Send(spoilt.noise(8), at * step_s) for at in range(int(spoilt.late_s() / step_s)))


FAULTS: Mapping[str, Fault] = {
    "hang": _hang, "drip": _drip, "drip too slowly": _drip_too_slowly, "late": _late, "wrong": _wrong,
    "wrong before": _wrong_before, "noise before": _noise_before, "noise after": _noise_after,
    "noise inside": _noise_inside, "nonsense": _nonsense, "partial": _partial, "bad check": _bad_check,
    "wrong baud": _wrong_baud, "echo": _echo, "gap": _gap, "twice": _twice, "babble": _babble,
}  # fmt: skip


class MeterHostility:
    """Mischief for a MeterBus: spoils `share` of its answers with one of `faults`; `done` counts them.

    Each fault comes once before any comes again.
    """

    def __init__(
        self,
        framing: frames.Framing,
        share: float,
        seed: int,
        timeout_s: float,
        faults: Iterable[str] | None = None,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._framing = framing
        self._names = tuple(FAULTS if faults is None else faults)
        self._deck: list[str] = []
        self._share = share
        self._random = Random(seed)
        self._timeout_s = timeout_s

    def __call__(self, question: bytes, reply: bytes, wrongs: Mapping[str, bytes]) -> Iterable[Act]:
        """What goes on the wire for this answer."""
        if self._random.random() >= self._share or not reply:
            return (Send(reply),) if reply else ()
        if not self._deck:
            self._deck = self._random.sample(self._names, len(self._names))
        name = self._deck.pop()
        self.done[name] += 1
        return FAULTS[name](Spoilt(question, reply, wrongs, self._framing, self._random, self._timeout_s))
