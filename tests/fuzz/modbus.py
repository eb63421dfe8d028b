"""Garbage through every framing and the decoder: `python -m tests.fuzz modbus --count 10000000 --seed 7`.

Each round makes an input (random, or a right answer that is cut, doubled, mixed or has bits flipped), feeds it to the
receiver of a random request, and decodes what comes through. Only the declared errors may come out, no single call
may take longer than the limit, and a payload that comes through must have the length that was asked for.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from drivers.contract import Request, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.modbus import codec, mbap
from drivers.modbus.source import ModbusPoint, spellings
from drivers.modbus.words import Decoder, decoder

SLOWEST_S = 0.010
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


@dataclass(slots=True)
class Result:
    """What came out. `slowest_s` is CPU time, so that a busy machine does not look like a slow codec."""

    frames: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""


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


def garbled(chance: random.Random, parts: list[bytes]) -> bytes:
    """An input: right, nearly right, or wild."""
    pieces = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.random()
        piece = bytearray(chance.choice(parts))
        if kind < 0.15:
            piece = bytearray(chance.randbytes(chance.choice((1, 3, 8, 64, 300))))
        elif kind < 0.25:
            piece = bytearray([chance.randrange(256)]) * chance.choice((4, 40, 600))
        elif kind < 0.6 and piece:
            for _ in range(chance.randint(1, 3)):
                piece[chance.randrange(len(piece))] ^= 1 << chance.randrange(8)
        elif kind < 0.75:
            del piece[chance.randrange(len(piece) + 1) :]
        pieces.append(bytes(piece))
    return b"".join(pieces)


def run(count: int, seed: int, *, slowest_s: float = SLOWEST_S) -> Result:
    """Feed `count` inputs. Raises AssertionError, naming the input, for anything undeclared."""
    chance = random.Random(seed)
    result = Result()
    tags = mbap.MbapTags()
    one = target(chance)
    while result.frames < count:
        if result.frames % 50 == 0:
            one = target(chance)
        data = garbled(chance, one.parts)
        result.frames += 1
        started_s = time.thread_time()
        try:
            outcome = feed(one, data, tags)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; input {shown(data)}") from error
        spent_s = time.thread_time() - started_s
        result.outcomes[outcome] += 1
        if spent_s > result.slowest_s:
            result.slowest_s, result.slowest = spent_s, shown(data)
    assert result.slowest_s <= slowest_s, f"{result.slowest_s * 1000:.1f} ms for {result.slowest}"
    return result


def shown(data: bytes) -> str:
    """The input in hex, cut where it gets long; the seed gives the rest."""
    return f"{len(data)} bytes: {data[:300].hex(' ')}"


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
