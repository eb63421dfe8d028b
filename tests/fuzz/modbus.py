"""Garbage through every framing and the decoder: `python -m tests.fuzz modbus --count 10000000 --seed 7`.

Each round makes an input (random, or a right answer that is cut, doubled, mixed or has bits flipped), feeds it to the
receiver of a random request, and decodes what comes through. Only the declared errors may come out, no single call
may take longer than the limit, and a payload that comes through must have the length that was asked for.
"""

import random
import time
from dataclasses import dataclass

from drivers.contract import Request, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.modbus import codec, mbap
from drivers.modbus.source import ModbusPoint, spellings
from drivers.modbus.words import Decoder, decoder
from tests.fuzz.garbage import Account, Garbage, shown

SLOWEST_S = 0.010
GARBAGE = Garbage(wild=0.15, repeated=0.1, changed=0.35, cut=0.15)
FRAMINGS: tuple[codec.Framing, ...] = ("tcp", "rtu", "ascii")
KINDS = (
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "bcd16", "bcd32", "string", "bits",
)  # fmt: skip


@dataclass(slots=True)
class Target:
    """One request with the decoder of its answer and some right and nearly right answers."""

    request: Request
    size: int
    decoding: Decoder
    parts: list[bytes]


def target(chance: random.Random) -> Target:
    """A random request."""
    unit, framing = chance.randint(1, 247), chance.choice(FRAMINGS)
    function = chance.choice((1, 2, 3, 3, 3, 4))
    count = chance.choice((1, 2, 10, 64, 125)) if function > 2 else chance.choice((1, 8, 9, 100, 2000))
    ask = codec.read(unit, function, 0, count)
    table = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}[function]
    points = list(enumerate(_points(chance, table, count)))
    data = chance.randbytes(ask.size)
    frames = [
        _wire(unit, bytes([function, len(data) & 0xFF]) + data, framing),
        _wire(unit % 247 + 1, bytes([function, len(data) & 0xFF]) + data, framing),
        _wire(unit, bytes([function | 0x80, chance.randint(0, 255)]), framing),
        _wire(unit, bytes([chance.randint(0, 255)]) + data[:20], framing),
        codec.frame(ask, framing),
    ]
    request = codec.request(ask, framing, codec.Timing(1.0))
    return Target(request, ask.size, decoder(points, table, 0, "ABCD"), frames)


def _points(chance: random.Random, table: str, count: int) -> list[ModbusPoint]:
    if table in ("coil", "discrete"):
        return [ModbusPoint.model_validate({"id": f"p{at}", "table": table, "address": at}) for at in range(count)]
    made = []
    for number in range(chance.randint(1, 12)):
        kind = chance.choice(KINDS)
        keys = {"id": f"p{number}", "table": table, "type": kind, "address": 0}
        if kind == "string":
            keys["length"] = chance.randint(1, count)
        if kind not in ("bool", "string", "bits"):
            keys |= {"scale": chance.choice((1, 0.1, 3)), "range": (-5, 5), "invalid": (0, "nan", 0x8000)}
        point = ModbusPoint.model_validate(keys)
        if point.count <= count:
            moved = {"address": chance.randint(0, count - point.count)}
            moved |= {"order": chance.choice(spellings(kind, point.count))}
            made.append(point.model_copy(update=moved))
    return made or [ModbusPoint.model_validate({"id": "p", "table": table, "type": "uint16", "address": 0})]


def _wire(unit: int, pdu: bytes, framing: codec.Framing) -> bytes:
    return codec.frame(codec.Ask(unit, pdu[0], pdu[1:], b"", 0), framing)


def run(count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Account:
    """Feed `count` inputs. Raises AssertionError, naming the input, for anything undeclared."""
    chance = random.Random(seed)
    result = Account()
    tags = mbap.MbapTags()
    one = target(chance)
    while result.inputs < count:
        if result.inputs % 50 == 0:
            one = target(chance)
        data = GARBAGE.of(chance, one.parts)
        result.inputs += 1
        started_s = time.thread_time()
        try:
            outcome = feed(one, data, tags)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; input {shown(data)}") from error
        spent_s = time.thread_time() - started_s
        result.outcomes[outcome] += 1
        result.took(spent_s, data)
    return result.within(slowest_s)


def feed(one: Target, data: bytes, tags: mbap.MbapTags) -> str:
    """What one input ends as."""
    held = bytearray(data)
    while held:
        found = tags.split(held)
        assert found is None or isinstance(found, (Skip, tuple))
        try:
            verdict = one.request.receive(held)
        except BadReply as bad:
            return bad.fault
        except Refused:
            return "exception"
        if verdict is None:
            return "more"
        if isinstance(verdict, Whole):
            assert len(verdict.payload) == one.size
            values, marks = one.decoding.decode(verdict.payload)
            assert len(values) == len(one.decoding.members)
            assert all(values[at] is not None or at in marks for at in range(len(values)))
            return "whole"
        assert 0 < verdict.upto <= len(held)
        del held[: verdict.upto]
    return "nothing"
