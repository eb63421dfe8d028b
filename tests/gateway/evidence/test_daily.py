"""Daily accounts against the samples: what the gateway counts, the check counts again from the feed alone."""

import random
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.evidence import daily
from gateway.evidence.check import check_feed
from gateway.evidence.item import Item
from gateway.evidence.report import Report
from gateway.pipeline.completeness import Completeness
from gateway.reading import Event, Reading
from tests.fakes.feed import FakeFeed, reading, signer

MIDNIGHT = 1_764_000_000_000  # in Shanghai
DAY = 86_400_000


def check(bodies: list[bytes]) -> Report:
    return check_feed((Item(None, body, f"line {n}") for n, body in enumerate(bodies, 1)), signer().key)


def told_feed(change: Callable[[dict[str, Any]], None] = lambda data: None, stream: str = "01JD9QAAAA") -> FakeFeed:
    """A day of a poll every half hour, told at its end; `change` lets the gateway tell it wrongly."""
    feed, account = FakeFeed(stream), Completeness(ZoneInfo("Asia/Shanghai"))
    feed.start()
    feed.at_ms = MIDNIGHT - DAY - 1000
    for number in range(49):
        due = MIDNIGHT - DAY + number * 1_800_000
        row = reading(due + 120, (1.0, None if number % 5 == 0 else 2.0))
        account.count(row)
        feed.at_ms = due
        feed.add([row])
        if number % 12 == 11:
            feed.checkpoint()
    feed.at_ms = MIDNIGHT + 120_000
    events = account.events(feed.at_ms)
    for event in events:
        change(event.data)  # type: ignore[arg-type]
    feed.add(events=events)
    feed.checkpoint()
    return feed


def test_daily_account_that_agrees_is_counted() -> None:
    report = check(told_feed().bodies)
    assert report.proven
    assert report.days == 1


def test_order_and_repeats_do_not_change_the_sums() -> None:
    bodies = told_feed().bodies
    bodies = [*bodies, *bodies[10:30]]
    random.Random(5).shuffle(bodies)
    assert check(bodies).proven


def _one_less(data: dict[str, Any]) -> None:
    data["measured"] -= 1
    data["expected"] -= 1


def _another_class(data: dict[str, Any]) -> None:
    data["null"]["timeout"] -= 1
    data["null"]["crc"] += 1


@pytest.mark.parametrize("change", [_one_less, _another_class])
def test_account_that_differs_from_the_samples_is_named(change: Callable[[dict[str, Any]], None]) -> None:
    report = check(told_feed(change).bodies)
    assert [finding.kind for finding in report.findings] == ["completeness"]
    assert "account of cems-1 for 2025-11-24" in report.text("", 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(expected=data["expected"] + 1),
        lambda data: data.update(measured="86"),
        lambda data: data.update(to=data["from"]),
        lambda data: data.pop("null"),
    ],
)
def test_account_that_contradicts_itself_is_named(change: Callable[[dict[str, Any]], None]) -> None:
    assert [finding.kind for finding in check(told_feed(change).bodies).findings] == ["completeness.event"]


def test_partial_account_is_not_compared() -> None:
    report = check(told_feed(lambda data: data.update(partial=True, measured=1, expected=11)).bodies)
    assert (report.proven, report.days) == (True, 0)


def test_highest_revision_is_the_one_compared() -> None:
    feed = told_feed(_one_less)
    right = told_feed().bodies[-2]
    from orjson import loads

    data = loads(right)["events"][0]["data"] | {"rev": 1}
    feed.add(events=[Event(feed.at_ms, "completeness", data, "cems-1")])
    feed.checkpoint()
    assert check(feed.bodies).proven
    assert check(list(reversed(feed.bodies))).proven


def test_account_told_before_its_day_ended_is_not_the_last_word() -> None:
    """A clock that is set back across midnight has the day told that it left; the day goes on later, and is revised."""
    feed, account = FakeFeed(), Completeness(ZoneInfo("Asia/Shanghai"))
    feed.start()
    for due, told in ((MIDNIGHT + 1000, MIDNIGHT - 60_000), (MIDNIGHT + 90_000, MIDNIGHT + 91_000)):
        row = reading(due, (1.0, 2.0))
        account.count(row)
        feed.at_ms = due
        feed.add([row])
        feed.add(events=account.events(told))
    feed.checkpoint()
    assert check(feed.bodies).proven
    feed.add(events=account.events(MIDNIGHT + DAY + 61_000))
    feed.checkpoint()
    assert check(feed.bodies).proven


def test_account_of_a_day_with_missing_batches_is_a_note_beside_the_gap() -> None:
    bodies = told_feed().bodies
    report = check([*bodies[:20], *bodies[21:]])
    assert [finding.kind for finding in report.findings] == ["gap"]
    assert "unchecked" in [note.kind for note in report.notes]


def test_account_of_a_day_before_the_record_begins_is_a_note() -> None:
    report = check(told_feed().bodies[10:])
    assert report.proven
    assert [note.kind for note in report.notes if note.kind != "open"] == ["begins", "unchecked"]


def test_more_samples_than_told_are_never_excused_by_missing_batches() -> None:
    report = check(told_feed(lambda data: data.update(measured=0, expected=10)).bodies[2:])
    assert [finding.kind for finding in report.findings] == ["completeness"]


def test_eviction_of_another_week_excuses_nothing() -> None:
    feed = told_feed(_one_less)
    gone = {"stream": feed.stream, "first": 3, "last": 3, "from": MIDNIGHT - 9 * DAY, "to": MIDNIGHT - 8 * DAY}
    feed.add(events=[Event(0, "log.evicted", gone)])
    feed.checkpoint()
    assert [finding.kind for finding in check(feed.bodies).findings] == ["completeness"]


def test_slots_without_an_event_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting the oldest quarter hours makes a day uncheckable, not wrong."""
    monkeypatch.setattr(daily, "SLOTS_LIMIT", 10)
    report = check(told_feed().bodies)
    assert report.proven
    assert "unchecked" in [note.kind for note in report.notes]


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_what_the_gateway_counts_the_check_finds_again(seed: int) -> None:
    """Several instruments, late polls, clock steps and revisions; the record in any order."""
    chance = random.Random(seed)
    feed, account = FakeFeed(), Completeness(ZoneInfo("Asia/Kathmandu"))
    feed.start()
    for _ in range(80):
        feed.at_ms += chance.choice([60_000, 7_200_000, 40_000_000, -1_800_000])
        rows: list[Reading] = [
            reading(feed.at_ms, (1.0, chance.choice([None, 2.0])), chance.choice("ab"), chance.randrange(30_000_000))
            for _ in range(chance.randrange(4))
        ]
        for row in rows:
            account.count(row)
        feed.add(rows, account.events(feed.at_ms))
    feed.add(events=account.events(feed.at_ms + 9 * DAY))
    feed.checkpoint()
    bodies = list(feed.bodies)
    chance.shuffle(bodies)
    report = check(bodies)
    assert report.proven, report.text("", 0)
    assert report.days > 3
