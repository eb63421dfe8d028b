"""A sample of `python -m tests.torture.mutants`."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.torture import mutants_process
from tests.torture.mutants import run, templates


@pytest.mark.timeout(180)
async def test_no_damage_to_the_log_costs_more_than_what_it_hits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "fieldgate")
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    results = list(await run(tmp_path, 40, seed, 0.2))
    assert [(number, words, verdict.wrong) for number, words, verdict in results if verdict.wrong] == []
    assert sum(verdict.handed_out for _, _, verdict in results) > 0
    assert {"damage", "tail"} & {verdict.new_stream for _, _, verdict in results}


@pytest.mark.timeout(400)
def test_the_real_process_lives_on_with_damaged_logs_and_publishes_nothing_altered(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    made = asyncio.run(templates(tmp_path, random.Random(seed)))
    results = list(mutants_process.run(tmp_path, made, 2, seed, 0.2))
    assert [(number, words, verdict.wrong) for number, words, verdict in results if verdict.wrong] == []
    assert sum(verdict.handed_out for _, _, verdict in results) > 0
