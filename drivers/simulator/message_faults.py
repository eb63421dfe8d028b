"""Faults of instruments that speak in messages, whatever the protocol: late, cut, doubled, changed, in noise.

    TextBus(instruments, mischief=MessageFaults(0.05, seed=7, timeout_s=0.3, changed=True))

`changed` says that messages carry a check that finds one changed byte; without one, no driver could know.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from random import Random

from drivers.simulator.slave import Act, Hangup, Send

Fault = Callable[[bytes, bytes, Random, float], Iterable[Act]]
"""(request, right answer, chance, timeout in s) -> what goes on the wire instead."""


def _cut(message: bytes, chance: Random) -> bytes:
    return message[: chance.randrange(1, len(message))]


def _changed(message: bytes, chance: Random) -> bytes:
    """One byte of the inside becomes another letter or digit."""
    spoilt = bytearray(message)
    at = chance.randrange(1, max(2, len(message) - 4))
    spoilt[at] = 0x30 + (spoilt[at] + chance.randint(1, 40)) % 0x4A
    return bytes(spoilt) if bytes(spoilt) != message else message[:-1] + b"?"


def _noise(chance: Random) -> bytes:
    return bytes(chance.choice(b"\x00\x07\x11\x80\xfe\xff") for _ in range(chance.randint(1, 12)))


FAULTS: Mapping[str, Fault] = {
    "hang": lambda request, answer, chance, timeout_s: (),
    "late": lambda request, answer, chance, timeout_s: (Send(answer, timeout_s * chance.uniform(1.1, 2.0)),),
    "partial": lambda request, answer, chance, timeout_s: (Send(_cut(answer, chance)),),
    "drip": lambda request, answer, chance, timeout_s: tuple(
        Send(bytes([byte]), at * timeout_s * 0.4 / len(answer)) for at, byte in enumerate(answer)
    ),
    "echo": lambda request, answer, chance, timeout_s: (Send(request + answer),),
    "nonsense": lambda request, answer, chance, timeout_s: (Send(_noise(chance) * 4),),
    "babble": lambda request, answer, chance, timeout_s: tuple(
        Send(_noise(chance), at * 0.002) for at in range(int(timeout_s * 1.5 / 0.002))
    ),
    "twice": lambda request, answer, chance, timeout_s: (Send(answer * 2),),
    "hang up": lambda request, answer, chance, timeout_s: (Hangup(reset=chance.random() < 0.5),),
}
CHANGED: Mapping[str, Fault] = {
    "changed": lambda request, answer, chance, timeout_s: (Send(_changed(answer, chance)),),
}
"""Only where messages carry a check."""


class MessageFaults:
    """Spoils `share` of the answers, each fault as likely as the others; `done` counts them."""

    def __init__(self, share: float, seed: int, timeout_s: float, *, changed: bool) -> None:
        self.done: Counter[str] = Counter()
        self._faults = {**FAULTS, **(CHANGED if changed else {})}
        self._share = share
        self._random = Random(seed)
        self._timeout_s = timeout_s

    def __call__(self, request: bytes, answer: bytes) -> Iterable[Act]:
        """What goes on the wire for this answer."""
        if self._random.random() >= self._share:
            return (Send(answer),)
        name = self._random.choice(list(self._faults))
        self.done[name] += 1
        return self._faults[name](request, answer, self._random, self._timeout_s)
