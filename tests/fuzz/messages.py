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

from drivers import catalogue
from drivers.contract import Heard, Hearing, Sample
from drivers.line.ear import Ear
from tests.fuzz.garbage import Account, Garbage, shown
from tests.fuzz.targets import Target

SLOWEST_S = 0.010


def _letter(chance: random.Random, byte: int) -> int:
    return chance.choice(b"\r\n$*,.;=&#0123456789ABCDEFabcxyz\x00\xff")


GARBAGE = Garbage(wild=0.12, repeated=0.08, changed=0.35, cut=0.15, pieces=(1, 1, 2, 3), spoilt=_letter)


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


def run(target: Target, count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Account:
    """Feed `count` inputs. Raises AssertionError, naming the input, for anything undeclared."""
    chance = random.Random(seed)
    result = Account()
    variants = target()
    while result.inputs < count:
        spec, line, parts = chance.choice(variants)

        def make(spec=spec, line=line) -> Hearing:  # type: ignore[no-untyped-def]
            hear = catalogue.protocol(spec.protocol).hearing
            assert hear is not None
            return hear([spec], line)

        data = GARBAGE.of(chance, parts)
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
            raise AssertionError(f"{type(error).__name__}: {error}; input {shown(data)}") from error
        result.took(spent_s, data)
    return result.within(slowest_s)
