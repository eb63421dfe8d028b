"""/healthz: 200 only while polling, committing and delivering are within their bounds (contract.md §5)."""

from pathlib import Path

import pytest

from gateway.health.bounds import Bounds
from gateway.settings import load
from tests.fakes.parts import FakeParts
from tests.gateway.settings.example import put


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    parts = FakeParts(load(put(tmp_path)))
    parts.poll_all()
    return parts


def later(parts: FakeParts, seconds: float, *, poll: bool = True, commit: bool = True) -> None:
    """So much time passes, and what is named went on."""
    parts.clock.now_s += seconds
    if poll:
        parts.poll_all()
    if commit:
        parts.log.last_commit_s = parts.clock.now_s


def test_a_gateway_that_polls_commits_and_delivers_is_healthy(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    for _ in range(100):
        later(parts, 5)
        assert bounds.broken() == []


def test_nulls_with_a_reason_are_polls_too(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    for _ in range(10):
        later(parts, 5, poll=False)
        parts.poll_all(None)
        assert bounds.broken() == []


def test_an_instrument_without_a_reading_for_three_periods_is_named(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    later(parts, 14, poll=False)
    assert not [words for words in bounds.broken() if "nozzle-1" in words]  # every 5 s
    later(parts, 2, poll=False)
    assert "polling: nozzle-1 has no reading for 16 s" in bounds.broken()


def test_an_instrument_that_was_never_read_is_named(tmp_path: Path) -> None:
    parts = FakeParts(load(put(tmp_path)))
    later(parts, 16, poll=False)
    assert "polling: nozzle-1 has no reading for 16 s" in Bounds(parts.parts).broken()


def test_commits_that_fail_or_stop_are_named(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    parts.log.trouble = "OperationalError: database or disk is full"
    assert bounds.broken() == ["committing: OperationalError: database or disk is full"]
    parts.log.trouble = None
    later(parts, 20, commit=False)
    assert bounds.broken() == ["committing: nothing for 20 s"]
    parts.log.holding = True  # readings are kept aside until the clock is set: nothing is to be committed
    assert bounds.broken() == []


def test_a_lost_connection_is_named_with_its_trouble_after_a_minute(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    parts.uplinks["city"].connected, parts.uplinks["city"].trouble = False, "connection refused"
    assert bounds.broken() == []
    later(parts, 59)
    assert bounds.broken() == []
    later(parts, 2)
    assert bounds.broken() == ["delivering: city has no connection for 61 s: connection refused"]
    parts.uplinks["city"].connected = True
    assert bounds.broken() == []


def test_a_broker_that_never_acknowledges_is_named_though_it_is_connected(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    parts.log.undelivered["city"] = 5, parts.clock.now_ms()
    assert bounds.broken() == []
    later(parts, 61)
    assert bounds.broken() == ["delivering: city has 5 batches waiting, none acknowledged for 61 s"]


def test_a_backlog_that_drains_is_healthy_however_old_it_is(parts: FakeParts) -> None:
    bounds = Bounds(parts.parts)
    for left in range(1000, 0, -100):
        parts.log.undelivered["city"] = left, parts.clock.now_ms() - 86_400_000
        parts.uplinks["city"].acknowledged += 100
        assert bounds.broken() == []
        later(parts, 30)


def test_an_uplink_to_which_nobody_listens_is_named(parts: FakeParts) -> None:
    parts.uplinks["city"].unheard = True
    parts.log.undelivered["city"] = 5, parts.clock.now_ms() - 61_000
    assert Bounds(parts.parts).broken() == ["delivering: nobody listens on city"]
