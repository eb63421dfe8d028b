"""Garbage through the codecs that speak in messages: `python -m tests.fuzz messages text --count 1000000 --seed 7`.

Each input is random, or a stream of right messages that are cut, doubled, mixed or have bytes changed. It is fed to the
codec's own ear in pieces, once in random pieces and once byte by byte for every tenth: both must hear the same. Only
the declared errors may come out, memory stays within its bound, every null has a reason, and no single input may take
longer than the limit.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers import catalogue
from drivers.contract import Heard, Hearing, Sample
from drivers.line.ear import Ear
from tests.fuzz.targets import Target

SLOWEST_S = 0.010


@dataclass(slots=True)
class Result:
    """What came out. `slowest_s` is CPU time, so that a busy machine does not look like a slow codec."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""


def garbled(chance: random.Random, parts: list[bytes]) -> bytes:
    """An input: right, nearly right, or wild."""
    pieces = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        kind = chance.random()
        piece = bytearray(chance.choice(parts))
        if kind < 0.12:
            piece = bytearray(chance.randbytes(chance.choice((1, 3, 8, 64, 300))))
        elif kind < 0.2:
            piece = bytearray([chance.randrange(256)]) * chance.choice((4, 40, 600))
        elif kind < 0.55 and piece:
            for _ in range(chance.randint(1, 3)):
                piece[chance.randrange(len(piece))] = chance.choice(b"\r\n$*,.;=&#0123456789ABCDEFabcxyz\x00\xff")
        elif kind < 0.7:
            del piece[chance.randrange(len(piece) + 1) :]
        pieces.append(bytes(piece))
    return b"".join(pieces)


def listened(make: Callable[[], Hearing], data: bytes, step: int, outcomes: Counter[str]) -> list[Sample]:
    """Every sample that is heard in the data, in pieces of `step` bytes."""
    hearing = make()
    said: list[Heard] = []
    ear = Ear(hearing, outcomes, said.append, lambda reply: None)
    for at in range(0, len(data), step):
        ear.add(data[at : at + step])
        while ear.work(8) == 8:
            pass
        assert len(ear) <= hearing.longest + step, "memory is not bounded"
    samples = [one.sample for one in said if one.sample is not None]
    for sample in samples:
        assert all(value is not None or at in sample.why for at, value in enumerate(sample.values))
        outcomes["sample"] += 1
    return samples


def run(target: Target, count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Result:
    """Feed `count` inputs. Raises AssertionError, naming the input, for anything undeclared."""
    chance = random.Random(seed)
    result = Result()
    variants = target()
    while result.inputs < count:
        spec, line, parts = chance.choice(variants)

        def make(spec=spec, line=line) -> Hearing:  # type: ignore[no-untyped-def]
            hear = catalogue.protocol(spec.protocol).hearing
            assert hear is not None
            return hear([spec], line)

        data = garbled(chance, parts)
        result.inputs += 1
        step = chance.randint(1, 400)
        started_s = time.thread_time()
        try:
            samples = listened(make, data, step, result.outcomes)
            spent_s = time.thread_time() - started_s
            for _ in range(3 if spent_s > slowest_s else 0):  # a pause of the machine or its garbage is no slow codec
                started_s = time.thread_time()
                listened(make, data, step, Counter())
                spent_s = min(spent_s, time.thread_time() - started_s)
            if result.inputs % 10 == 0:
                assert listened(make, data, 1, Counter()) == samples, "byte by byte is something else"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; input {data[:400]!r}") from error
        if spent_s > result.slowest_s:
            result.slowest_s, result.slowest = spent_s, repr(data[:200])
    assert result.slowest_s <= slowest_s, f"{result.slowest_s * 1000:.1f} ms for {result.slowest}"
    return result
