"""A sample of `python -m tests.fuzz modbus`: 100,000 inputs in four parts, so that none is long on a slow machine."""

import random

import pytest

from tests.fuzz.modbus import run

SAMPLE = 25_000


@pytest.mark.parametrize("part", range(4))
def test_garbage_ends_only_in_declared_errors(part: int) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"part {part}, seed {seed}")
    # a slow machine is no fault of the codec: ten times the command's bound here
    result = run(SAMPLE, seed, slowest_s=0.1)
    assert result.inputs == SAMPLE
    assert min(result.outcomes[kind] for kind in ("whole", "crc", "exception", "wrong_function", "more")) > 25
