"""`python -m tests.benchmarks.recount [--batches 20000]`: what the start after an unclean end takes from a long log.

CPU µs for each batch of 100 points (ten samples), which is unpacked, parsed, and counted for the day as after a kill
(gateway/accounts.py `take_up`), and the same without the counting; in pairs, one after the other.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from drivers.contract import Flag, Sample
from gateway.batch import FIRST_PREV, encode, pack, plain
from gateway.pipeline.completeness import Completeness
from gateway.reading import Reading

START_MS = 1_763_999_940_000
"""A minute before midnight in Shanghai, so that the day changes."""
INSTRUMENTS = 10
POINTS = tuple(f"p{at}" for at in range(10))
PAIRS = 5


def batch(number: int) -> bytes:
    """One second of ten instruments, packed as the log keeps it; each hundredth poll has no answer."""
    ts_ms = START_MS + 1000 * number
    readings = []
    for at in range(INSTRUMENTS):
        if (number + at) % 100:
            sample = Sample(tuple(round(number % 977 + place / 8, 2) for place in range(len(POINTS))))
        else:
            sample = Sample.nothing(len(POINTS), "timeout: no answer in 1.0 s", Flag.COMMUNICATION)
        readings.append(Reading(f"cems-{at}", POINTS, ts_ms, 30, sample))
    return pack(encode("lyu-gas-017", "01JD9QAAAA", number + 1, FIRST_PREV, ts_ms, "synced", readings, (), ()), "zlib")


def spent_s(bodies: list[bytes], count: Callable[[dict[str, Any]], None]) -> float:
    """CPU s of going over all batches once."""
    started_ns = time.process_time_ns()
    for body in bodies:
        count(orjson.loads(plain(body)))
    return (time.process_time_ns() - started_ns) / 1e9


def main() -> None:
    """Print the pairs and their medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recount", description=__doc__)
    parser.add_argument("--batches", type=int, default=20_000)
    bodies = [batch(number) for number in range(parser.parse_args().batches)]
    pairs = []
    for _ in range(PAIRS):
        account = Completeness(ZoneInfo("Asia/Shanghai"))
        pairs.append((spent_s(bodies, account.count_body), spent_s(bodies, lambda body: None)))
        counted, read = pairs[-1]
        print(f"{counted:6.2f} s, without counting {read:6.2f} s, the count {1 - read / counted:4.0%} of it")
    shares = median(1 - read / counted for counted, read in pairs)
    each_us = median(counted for counted, _ in pairs) / len(bodies) * 1e6
    print(f"median: {each_us:.1f} µs of CPU a batch, {shares:.0%} of it for the count")


if __name__ == "__main__":
    main()
