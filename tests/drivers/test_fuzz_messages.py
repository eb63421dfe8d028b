"""A sample of `python -m tests.fuzz messages`, for each codec."""

import random

import pytest

from tests.fuzz.messages import run
from tests.fuzz.targets import TARGETS

SAMPLE = 5000


@pytest.mark.parametrize("codec", sorted(TARGETS))
def test_garbage_ends_only_in_declared_errors(codec: str) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    # a slow machine is no fault of the codec: ten times the command's bound here
    result = run(TARGETS[codec], SAMPLE, seed, slowest_s=0.1)
    assert result.inputs == SAMPLE
    assert result.outcomes["sample"] > 100
