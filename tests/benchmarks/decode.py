"""What checking and decoding one answer costs: `python -m tests.benchmarks.decode`.

CPU ns a point for blocks of 62 float32 values (124 registers) of different kinds, for scaled integers and for coils;
µs for the checks of a frame in each framing; the CRC beside pymodbus's. Medians of several rounds in one process.
"""

import random
import struct
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from pymodbus.framer import FramerRTU

from drivers.contract import Whole
from drivers.modbus import codec
from drivers.modbus.crc import crc16
from drivers.modbus.source import ModbusPoint
from drivers.modbus.words import decoder

FLOATS = 62
ANSWERS = 200
"""Different answers that take turns, so that nothing profits from seeing the same twice."""
ROUNDS = 9


def each_ns(calls: list[Callable[[], Any]]) -> float:
    """Median CPU ns of a call."""
    for call in calls:
        call()
    rounds = []
    for _ in range(ROUNDS):
        started_ns = time.process_time_ns()
        for call in calls:
            call()
        rounds.append((time.process_time_ns() - started_ns) / len(calls))
    return median(rounds)


def points(count: int, kind: str, step: int, **keys: Any) -> list[tuple[int, ModbusPoint]]:
    """That many points in a row."""
    return [
        (at, ModbusPoint.model_validate({"id": f"p{at}", "table": "input", "address": at * step, "type": kind} | keys))
        for at in range(count)
    ]


def blocks(chance: random.Random) -> dict[str, tuple[int, list[tuple[int, ModbusPoint]], list[bytes]]]:
    """Name -> points in a block, the points, and answers to decode."""

    def floats(make: Callable[[], float]) -> list[bytes]:
        return [struct.pack(f">{FLOATS}f", *(make() for _ in range(FLOATS))) for _ in range(ANSWERS)]

    whole = floats(lambda: float(chance.randrange(1 << 24)))
    decimal = floats(lambda: round(chance.uniform(0, 500), 2))
    full = floats(lambda: chance.uniform(0, 500))
    plain = points(FLOATS, "float32", 2)
    ranged = points(FLOATS, "float32", 2, range=(-1e9, 1e9))
    words = [chance.randbytes(250) for _ in range(ANSWERS)]
    return {
        "float32, whole numbers": (FLOATS, plain, whole),
        "float32, whole numbers, with ranges": (FLOATS, ranged, whole),
        "float32, two decimals": (FLOATS, plain, decimal),
        "float32, two decimals, with ranges": (FLOATS, ranged, decimal),
        "float32, all 24 bits in use": (FLOATS, plain, full),
        "float32 CDAB, two decimals": (
            FLOATS,
            points(FLOATS, "float32", 2, order="CDAB"),
            [swapped(one) for one in decimal],
        ),
        "uint16": (125, points(125, "uint16", 1), words),
        "uint16 x 0.1": (125, points(125, "uint16", 1, scale=0.1), words),
    }


def swapped(payload: bytes) -> bytes:
    """ABCD as CDAB."""
    return b"".join(payload[at + 2 : at + 4] + payload[at : at + 2] for at in range(0, len(payload), 4))


def frames(payload: bytes) -> dict[str, Callable[[], Any]]:
    """Name -> the check of one right answer of 124 registers."""
    ask = codec.read(1, 4, 0, len(payload) // 2)
    found: dict[str, Callable[[], Any]] = {}
    framings: tuple[codec.Framing, ...] = ("tcp", "rtu", "ascii")
    for framing in framings:
        answer = codec.frame(codec.Ask(1, 4, bytes([len(payload)]) + payload, b"", 0), framing)
        receive = codec.request(ask, framing, codec.Timing(1.0)).receive
        assert receive(answer) == Whole(len(answer), payload)
        found[f"{framing}: all checks of {len(answer)} bytes"] = lambda receive=receive, answer=answer: receive(answer)
    return found


def main() -> None:
    """Print the table."""
    chance = random.Random(1)
    for name, (count, members, answers) in blocks(chance).items():
        decode = decoder(members, "input", 0, "ABCD").decode
        spent_ns = each_ns([lambda answer=answer, decode=decode: decode(answer) for answer in answers])  # type: ignore[misc]
        print(f"{name:40} {spent_ns / count:8.1f} ns a point")
    payload = chance.randbytes(2 * 124)
    for name, check in frames(payload).items():
        print(f"{name:40} {each_ns([check] * 500) / 1000:8.2f} µs")
    frame = payload + b"\x01\x04\xf8"
    ours, theirs = each_ns([lambda: crc16(frame)] * 500), each_ns([lambda: FramerRTU.compute_CRC(frame)] * 500)
    print(f"{'CRC of 251 bytes':40} {ours / 1000:8.2f} µs, pymodbus {theirs / 1000:.1f} µs")


if __name__ == "__main__":
    main()
