"""A sample of `python -m tests.system.outages`: the broker away, the gateway killed under load."""

import itertools
from pathlib import Path

import pytest

from tests.system.harness import look_at
from tests.system.outages import broker_away, kills, wrong_values

pytestmark = pytest.mark.timeout(240)

SEED = 20261126


def test_after_an_outage_of_the_broker_live_comes_first_the_rest_on_backfill_and_nothing_is_missing(
    tmp_path: Path,
) -> None:
    messages = broker_away(tmp_path, away_s=4.0, backlog_rate=20)
    assert look_at(messages).clean
    assert wrong_values(messages) == []
    pause, after = max((b.at_s - a.at_s, at) for at, (a, b) in enumerate(itertools.pairwise(messages), 1))
    assert pause >= 3.0, "the outage is not in the record"
    later = messages[after:]
    missed = [message.body["seq"] for message in later if message.lane == "backfill"]
    live = [message.body["seq"] for message in later if message.lane == "data"]
    assert len(missed) >= 20
    assert missed == sorted(missed), "the backlog is not in order"
    assert max(missed) < min(live)
    last_of_backlog = max(at for at, message in enumerate(later) if message.lane == "backfill")
    meanwhile = [message for message in later[:last_of_backlog] if message.lane == "data"]
    assert len(meanwhile) >= 10, "live batches wait for the backlog"
    assert all(message.at_s * 1000 - message.body["created"] < 1000 for message in meanwhile)


def test_kill_nine_under_load_loses_and_alters_nothing_that_was_committed(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    messages = kills(tmp_path, times=6, seed=SEED, longest_s=0.8)
    findings = look_at(messages)
    assert findings.clean, findings
    assert findings.batches > 20
    assert wrong_values(messages) == []
    assert len({message.body["stream"] for message in messages}) == 1, "a kill is no reason for a new stream"
