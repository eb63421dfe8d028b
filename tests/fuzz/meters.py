"""Garbage through every protocol beside Modbus: `python -m tests.fuzz meters dlt645 --count 1000000 --seed 7`.

Each round is one poll of an instrument with a shipped profile. Every answer in it is right, or made wrong (random, cut,
doubled, mixed, bits flipped, a good frame that is no answer). Only declared errors may come of it: a poll ends as a
sample whose nulls all have their reasons, and none takes longer than the limit.
"""

import gc
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.simulator.meter import Readings
from drivers.simulator.meters import KINDS
from tests.fakes.meters import ADDRESSES, FULLEST, FunctionLine, at_once, fixed, instrument, made, whole

SLOWEST_S = 0.050
"""CPU time of the slowest poll; a poll is up to seven answers of up to 1800 bytes."""


@dataclass(slots=True)
class Result:
    """What came out. `slowest_s` is CPU time, so that a busy machine does not look like a slow codec."""

    polls: int = 0
    frames: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0


def garbled(chance: random.Random, parts: Sequence[bytes]) -> bytes:
    """An input: right, nearly right, or wild."""
    pieces = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.random()
        piece = bytearray(parts[0] if chance.random() < 0.5 else chance.choice(parts))
        if kind < 0.15:
            piece = bytearray(chance.randbytes(chance.choice((1, 3, 8, 64, 300))))
        elif kind < 0.2:
            piece = bytearray([chance.randrange(256)]) * chance.choice((4, 40, 600))
        elif kind < 0.45 and piece:
            for _ in range(chance.randint(1, 3)):
                piece[chance.randrange(len(piece))] ^= 1 << chance.randrange(8)
        elif kind < 0.55:
            del piece[chance.randrange(len(piece) + 1) :]
        pieces.append(bytes(piece))
    return b"".join(pieces)


def run(protocol: str, count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Result:
    """Make at least `count` answers. Raises AssertionError, naming the inputs of the poll, for anything undeclared."""
    gc.freeze()  # what the test tools have loaded is no part of what is measured
    chance = random.Random(seed)
    result = Result()
    spec = instrument({"profile": FULLEST[protocol], "address": ADDRESSES[protocol]})
    kind = KINDS[protocol]
    meter = kind.meter(Readings(spec, fixed(spec, {})))
    heard: list[bytes] = []
    known: dict[bytes, list[bytes]] = {}

    def reply(request: bytes) -> bytes:
        asked = request.lstrip(kind.framing.filler) if kind.framing.filler else request
        parts = known.get(asked)
        if parts is None:  # what a request brings is always the same here, and encoding it takes the most time
            parts = known[asked] = [meter.answer(asked) or b"", *meter.wrongs(asked).values(), request]
        given = parts[0] if chance.random() < 0.3 else garbled(chance, parts)
        heard.append(given)
        return given

    driver = made(spec, FunctionLine(reply))
    while result.frames < count:
        heard.clear()
        started_s = time.thread_time()
        try:
            sample = at_once(driver.poll())
            whole(sample)
        except Exception as error:
            shown = "; ".join(data.hex(" ") for data in heard)
            raise AssertionError(f"{type(error).__name__}: {error}; inputs {shown}") from error
        result.slowest_s = max(result.slowest_s, time.thread_time() - started_s)
        result.polls += 1
        result.frames += len(heard)
        result.outcomes[sample.result] += 1
    assert result.slowest_s <= slowest_s, f"{result.slowest_s * 1000:.1f} ms for one poll"
    return result
