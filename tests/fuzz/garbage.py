"""Inputs that are right, nearly right, or wild, and the account of what came of them."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MOST_SHOWN = 400
"""Bytes of an input that are named."""


def flipped(chance: random.Random, byte: int) -> int:
    """With one bit the other way round, as noise does to binary frames."""
    return byte ^ 1 << chance.randrange(8)


@dataclass(frozen=True, slots=True)
class Garbage:
    """How inputs are made of right parts. The shares of pieces that are `wild`, one byte `repeated`, have bytes
    `changed`, or are `cut` (of 1 together; the rest stays right). `first`: share of pieces that begin as the first
    part, the others as any. `pieces`: how many make an input, drawn from these. `spoilt`: what a byte changes to."""

    wild: float
    repeated: float
    changed: float
    cut: float
    first: float = 0.0
    pieces: tuple[int, ...] = (1, 1, 1, 2, 3)
    spoilt: Callable[[random.Random, int], int] = flipped

    def of(self, chance: random.Random, parts: Sequence[bytes]) -> bytes:
        """One input."""
        return b"".join(self._piece(chance, parts) for _ in range(chance.choice(self.pieces)))

    def _piece(self, chance: random.Random, parts: Sequence[bytes]) -> bytes:
        kind = chance.random()
        piece = bytearray(parts[0] if self.first and chance.random() < self.first else chance.choice(parts))
        if (kind := kind - self.wild) < 0:
            return chance.randbytes(chance.choice((1, 3, 8, 64, 300)))
        if (kind := kind - self.repeated) < 0:
            return bytes([chance.randrange(256)]) * chance.choice((4, 40, 600))
        if (kind := kind - self.changed) < 0 and piece:
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(piece))
                piece[at] = self.spoilt(chance, piece[at])
        elif 0 <= kind < self.cut:
            del piece[chance.randrange(len(piece) + 1) :]
        return bytes(piece)


@dataclass(slots=True)
class Account:
    """What came of the inputs. `slowest_s` is CPU time, so that a busy machine does not look like a slow codec;
    `slowest` are the inputs of that call."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: Sequence[bytes] = ()

    def took(self, spent_s: float, *inputs: bytes) -> None:
        """One call with these inputs."""
        if spent_s > self.slowest_s:
            self.slowest_s, self.slowest = spent_s, inputs

    def within(self, limit_s: float) -> "Account":
        """Raises AssertionError, naming the inputs, if a call took longer."""
        assert self.slowest_s <= limit_s, f"{self.slowest_s * 1000:.1f} ms for {shown(*self.slowest)}"
        return self


def shown(*inputs: bytes) -> str:
    """In hex, cut where it gets long; the seed gives the rest."""
    return "; ".join(f"{len(data)} bytes: {data[:MOST_SHOWN].hex(' ')}" for data in inputs)
