"""Garbage through every protocol beside Modbus: `python -m tests.fuzz meters dlt645 --count 1000000 --seed 7`.

Each round is one poll of an instrument with a shipped profile. Every answer in it is right, or made wrong (random, cut,
doubled, mixed, bits flipped, a good frame that is no answer). Only declared errors may come of it: a poll ends as a
sample whose nulls all have their reasons, and none takes longer than the limit.
"""

import gc
import random
import time

from drivers.simulator.meter import Readings
from drivers.simulator.meters import KINDS
from tests.fakes.meters import ADDRESSES, FULLEST, FunctionLine, at_once, fixed, instrument, made, whole
from tests.fuzz.garbage import Account, Garbage, shown

SLOWEST_S = 0.050
"""CPU time of the slowest poll; a poll is up to seven answers of up to 1800 bytes."""

GARBAGE = Garbage(wild=0.15, repeated=0.05, changed=0.25, cut=0.1, first=0.5)


def run(protocol: str, count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Account:
    """Make at least `count` answers. Raises AssertionError, naming the inputs of the poll, for anything undeclared."""
    gc.freeze()  # what the test tools have loaded is no part of what is measured
    chance = random.Random(seed)
    result = Account()
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
        given = parts[0] if chance.random() < 0.3 else GARBAGE.of(chance, parts)
        heard.append(given)
        return given

    driver = made(spec, FunctionLine(reply))
    while result.inputs < count:
        heard.clear()
        started_s = time.thread_time()
        try:
            sample = at_once(driver.poll())
            whole(sample)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; inputs {shown(*heard)}") from error
        result.took(time.thread_time() - started_s, *heard)
        result.inputs += len(heard)
        result.outcomes[sample.result] += 1
    return result.within(slowest_s)
