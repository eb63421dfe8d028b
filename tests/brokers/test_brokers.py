"""A seeded sample of `python -m tests.brokers`."""

import random
from pathlib import Path

import pytest

from tests.brokers.setting import check, setting
from tests.brokers.takeover import takeover
from tests.brokers.trials import QUICK_TO_TRY, hostile, kills

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def seed() -> int:
    chosen = random.randrange(1_000_000)
    print(f"seed {chosen}")
    return chosen


def test_every_batch_is_delivered_over_kills_and_restarts_of_the_broker(tmp_path: Path, seed: int) -> None:
    with setting(tmp_path) as on:
        files = on.files()
        kills(on, 6, random.Random(seed), print)
        on.drained()
        assert on.files() <= files + 2
        assert on.gateway.stop() == 0
        account = check(on)
        assert not account.findings
        assert account.batches > 20


def test_hostile_brokers_are_named_survived_and_lose_nothing(tmp_path: Path, seed: int) -> None:
    with setting(tmp_path) as on:
        hostile(on, QUICK_TO_TRY, 1, random.Random(seed), print)
        on.drained()
        assert on.gateway.stop() == 0
        account = check(on)
        assert not account.findings


def test_a_takeover_of_the_client_id_is_alarmed_once_and_calmed(tmp_path: Path) -> None:
    takeover(tmp_path, wait_s=3.0, watch_s=7.0, told=print)
