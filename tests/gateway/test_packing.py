"""The stored form of a body: what a receiver can tell of it, and how small it is."""

import random
import zlib

import pytest

from drivers.contract import Sample
from gateway.batch import FIRST_PREV, encode, pack, plain
from gateway.reading import Reading

POINTS = tuple(f"p{at}" for at in range(100))


def body(instruments: int) -> bytes:
    """Readings with two decimals that have nothing to do with one another: the hardest to compress."""
    chance = random.Random(7)
    samples = [Sample(tuple(round(chance.uniform(0, 500), 2) for _ in POINTS)) for _ in range(instruments)]
    readings = [Reading(f"d{at}", POINTS, 1_764_000_000_000 + at, 7, sample) for at, sample in enumerate(samples)]
    return encode("bench", "01JD9QAAAA", 7, FIRST_PREV, 1_764_000_000_000, "synced", readings)


@pytest.mark.parametrize("instruments", [0, 1, 20])
def test_a_compressed_body_tells_its_form_and_reads_back_exactly(instruments: int) -> None:
    text = body(instruments)
    packed = pack(text, "zlib")
    assert (packed[0], text[0]) == (0x78, ord("{"))
    assert plain(packed) == zlib.decompress(packed) == text == plain(text) == pack(text, "none")


def test_even_unrelated_values_with_decimals_take_less_than_the_fastest_level_makes_of_them() -> None:
    text = body(20)
    assert len(pack(text, "zlib")) <= 0.93 * len(zlib.compress(text, 1))
