"""The daily account: days of the site's time zone, revisions, restarts, and sums that agree with the samples."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import Flag, Sample
from gateway.pipeline import completeness
from gateway.pipeline.calendar import day_bounds
from gateway.pipeline.completeness import CLASSES, GRACE_MS, KEPT_DAYS, Completeness, null_class
from gateway.reading import Event, Reading
from tests.fakes.feed import FakeFeed

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = 1_764_000_000_000  # 2025-11-24T16:00:00Z, midnight in Shanghai
DAY = 86_400_000


def reading(due_ms: int, why: str | None = None, instrument: str = "cems-1", lag_ms: int = 100) -> Reading:
    """Two points; with a reason the second is null."""
    if why is None:
        sample = Sample((1.0, 2.0))
    else:
        sample = Sample((1.0, None), {1: Flag.COMMUNICATION}, {1: why}, why.partition(":")[0])
    return Reading(instrument, ("so2", "nox"), due_ms + lag_ms, lag_ms, sample)


def counter(readings: Iterable[Reading] = (), zone: str = "Asia/Shanghai") -> Completeness:
    account = Completeness(ZoneInfo(zone))
    for row in readings:
        account.count(row)
    return account


def test_day_is_told_with_the_contract_s_data_once_it_is_over() -> None:
    account = counter([reading(MIDNIGHT - 3000), reading(MIDNIGHT - 2000, "timeout: no answer in 1.0 s")])
    assert account.events(MIDNIGHT + GRACE_MS - 1) == []
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    assert event == Event(
        MIDNIGHT + GRACE_MS,
        "completeness",
        {
            "day": "2025-11-24",
            "from": MIDNIGHT - DAY,
            "to": MIDNIGHT,
            "expected": 4,
            "measured": 3,
            "unchanged": 0,
            "null": dict.fromkeys(CLASSES, 0) | {"timeout": 1},
        },
        "cems-1",
    )
    assert account.events(MIDNIGHT + GRACE_MS + 1) == []


def test_poll_belongs_to_the_day_it_was_due_in() -> None:
    account = counter([reading(MIDNIGHT - 1, lag_ms=5000), reading(MIDNIGHT)])
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    assert (event.data["day"], event.data["expected"]) == ("2025-11-24", 2)


@pytest.mark.parametrize(
    ("zone", "due", "hours"),
    [
        ("Asia/Shanghai", "2025-11-24T12:00Z", 24),
        ("Europe/Berlin", "2025-03-30T12:00Z", 23),
        ("Europe/Berlin", "2025-10-26T12:00Z", 25),
        ("Australia/Lord_Howe", "2025-04-06T00:00Z", 24.5),
        ("America/Sao_Paulo", "2018-11-04T12:00Z", 23),  # midnight does not exist: the day begins at one o'clock
        ("Asia/Kathmandu", "2025-11-24T12:00Z", 24),
        ("UTC", "1970-01-01T00:00Z", 24),
    ],
)
def test_local_days_have_their_real_length(zone: str, due: str, hours: float) -> None:
    from datetime import datetime

    due_ms = int(datetime.fromisoformat(due).timestamp()) * 1000
    first, after, name = day_bounds(due_ms, ZoneInfo(zone))
    assert (after - first) / 3_600_000 == hours
    assert first <= due_ms < after
    assert name == due[:10]


@given(st.sampled_from(["Asia/Shanghai", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"]), st.data())
@settings(max_examples=300)
def test_days_follow_one_another_without_gap_or_overlap(zone: str, data: st.DataObject) -> None:
    due = data.draw(st.integers(0, 4_000_000_000_000))
    first, after, _ = day_bounds(due, ZoneInfo(zone))
    assert first <= due < after
    assert day_bounds(first, ZoneInfo(zone))[:2] == (first, after)
    assert day_bounds(after, ZoneInfo(zone))[0] == after
    assert day_bounds(after - 1, ZoneInfo(zone))[:2] == (first, after)


@pytest.mark.parametrize(
    ("why", "word"),
    [("crc: 41 0A", "crc"), ("silent", "silent"), ("sunspots: many", "invalid"), (None, "invalid"), ("", "invalid")],
)
def test_null_goes_to_the_class_its_reason_begins_with(why: str | None, word: str) -> None:
    assert null_class(why) == word


def test_flagged_value_that_was_kept_is_measured() -> None:
    sample = Sample((999.0, 2.0), {0: Flag.OUT_OF_RANGE}, {0: "invalid: above 500"})
    account = counter([Reading("cems-1", ("so2", "nox"), MIDNIGHT - 5, 0, sample)])
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    assert event.data["measured"] == 2


def test_late_sample_revises_a_told_day() -> None:
    account = counter([reading(MIDNIGHT - 5000)])
    account.events(MIDNIGHT + GRACE_MS)
    account.count(reading(MIDNIGHT - 4000))
    (event,) = account.events(MIDNIGHT + 2 * GRACE_MS)
    assert (event.data["rev"], event.data["expected"]) == (1, 4)


def test_unchanged_polls_are_expected_but_not_measured() -> None:
    account = counter([reading(MIDNIGHT - 5000)])
    account.count_unchanged("cems-1", MIDNIGHT - 4000, 2)
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    assert (event.data["expected"], event.data["measured"], event.data["unchanged"]) == (4, 2, 2)


def test_reading_lost_before_its_commit_is_taken_back() -> None:
    lost = reading(MIDNIGHT - 4000, "crc: 00")
    account = counter([reading(MIDNIGHT - 5000), lost])
    account.count(lost, -1)
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    assert (event.data["expected"], event.data["null"]["crc"]) == (2, 0)


def test_event_lost_before_its_commit_is_told_again() -> None:
    account = counter([reading(MIDNIGHT - 5000)])
    (event,) = account.events(MIDNIGHT + GRACE_MS)
    account.lost(event)
    (again,) = account.events(MIDNIGHT + GRACE_MS)
    assert again.data == event.data | {"rev": 1}


def test_day_the_clock_was_set_back_from_is_told_at_once() -> None:
    account = counter([reading(MIDNIGHT + 30 * DAY)])
    (event,) = account.events(MIDNIGHT)
    assert event.data["expected"] == 2


def test_kept_state_continues_the_account() -> None:
    account = counter([reading(MIDNIGHT - 5000, "crc: 00"), reading(MIDNIGHT - DAY)])
    account.events(MIDNIGHT - 3000)
    later = Completeness(SHANGHAI)
    later.restore(account.state())
    for one in (account, later):
        one.count(reading(MIDNIGHT - 4000))
    assert later.events(MIDNIGHT + GRACE_MS) == account.events(MIDNIGHT + GRACE_MS)
    assert later.state() == account.state()


def test_day_told_before_a_kill_is_not_told_again() -> None:
    feed, account = FakeFeed(), counter()
    kept = account.state()
    row = reading(MIDNIGHT - 5000)
    account.count(row)
    feed.add([row])
    feed.add(events=account.events(MIDNIGHT + GRACE_MS))
    after = counter()
    after.restore(kept)
    for body in feed.bodies:
        after.count_body(orjson.loads(body))
    assert after.events(MIDNIGHT + 2 * GRACE_MS) == []
    after.count(reading(MIDNIGHT - 4000))
    (event,) = after.events(MIDNIGHT + 3 * GRACE_MS)
    assert event.data["rev"] == 1


def test_committed_batches_are_counted_without_asking_the_calendar_for_each_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, live, after = FakeFeed(), counter(), counter()
    rows = [reading(MIDNIGHT + second * 1000, instrument=name) for second in range(-50, 50) for name in ("a", "b")]
    rows += [reading(MIDNIGHT - 30_000, "crc: 00", "a"), reading(MIDNIGHT + 1000, "timeout: x", "b")]
    for row in rows:
        live.count(row)
    feed.add(rows)
    asked: list[int] = []

    def counted_bounds(due_ms: int, zone: ZoneInfo) -> tuple[int, int, str]:
        asked.append(due_ms)
        return day_bounds(due_ms, zone)

    monkeypatch.setattr(completeness, "day_bounds", counted_bounds)
    after.count_body(orjson.loads(feed.bodies[0]))
    assert after.state() == live.state()
    assert len(asked) == 5  # two days for each, and back to the first one once


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"v":1}', b'{"v":1,"forgotten":{},"days":[[1]]}', b"\xff"])
def test_what_is_no_kept_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="no kept state"):
        counter().restore(state)


def test_kept_state_of_a_later_release_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        counter().restore(b'{"v":2,"forgotten":{},"days":[]}')


def test_changed_time_zone_tells_the_open_day_as_partial() -> None:
    account = counter([reading(MIDNIGHT - 5000)])
    moved = Completeness(ZoneInfo("Europe/Berlin"))
    moved.restore(account.state())
    moved.count(reading(MIDNIGHT - 4000))
    events = moved.events(MIDNIGHT + 2 * DAY)
    assert [(event.data["expected"], event.data.get("partial")) for event in events] == [(2, True), (2, True)]


def test_other_name_of_the_same_time_zone_changes_nothing() -> None:
    account = counter([reading(MIDNIGHT - 5000)])
    renamed = Completeness(ZoneInfo("Asia/Chongqing"))
    renamed.restore(account.state())
    assert renamed.events(MIDNIGHT + DAY) == account.events(MIDNIGHT + DAY)


def test_days_remembered_are_bounded_and_a_forgotten_one_says_so() -> None:
    account = Completeness(SHANGHAI)
    for number in range(KEPT_DAYS + 20):
        account.count(reading(MIDNIGHT + number * DAY))
        account.events(MIDNIGHT + (number + 2) * DAY)
    assert len(orjson.loads(account.state())["days"]) == KEPT_DAYS
    account.count(reading(MIDNIGHT))
    (event,) = account.events(MIDNIGHT + 999 * DAY)
    assert event.data["partial"] is True


def _slow_sums(feed: FakeFeed, data: dict[str, Any]) -> Counter[str]:
    """The obvious count over the whole feed."""
    sums: Counter[str] = Counter()
    for body in map(orjson.loads, feed.bodies):
        for sample in body["samples"]:
            if data["from"] <= sample["ts"] - sample["lag"] < data["to"]:
                for point, value in sample["values"].items():
                    sums["measured" if value is not None else sample["why"][point].partition(":")[0]] += 1
    return sums


@given(st.integers(0, 2**32), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_sums_agree_with_the_samples_across_kills_and_clock_steps(seed: int, kill_percent: int) -> None:
    """Batches are committed one by one; a kill forgets the memory and finds the kept state and the later batches."""
    chance = random.Random(seed)
    feed, account = FakeFeed(), Completeness(SHANGHAI)
    kept, kept_at = account.state(), 0
    now = MIDNIGHT - DAY
    for _ in range(60):
        now += chance.choice([600_000, 3_600_000, -300_000])
        batch = [
            reading(now - chance.randrange(7_200_000), chance.choice([None, "timeout: x", "crc: y"]))
            for _ in range(chance.randrange(3))
        ]
        for row in batch:
            account.count(row)
        events = account.events(now)
        if chance.randrange(100) >= kill_percent:
            feed.add(batch, events)
            if chance.randrange(4) == 0:
                kept, kept_at = account.state(), len(feed.bodies)
            continue
        if chance.randrange(2):  # the kill came after the commit
            feed.add(batch, events)
        account = Completeness(SHANGHAI)
        account.restore(kept)
        for body in feed.bodies[kept_at:]:
            account.count_body(orjson.loads(body))
    feed.add(events=account.events(now + 9 * DAY))
    last: dict[str, dict[str, Any]] = {}
    for body in map(orjson.loads, feed.bodies):
        for event in body["events"]:
            assert event["data"].get("rev", 0) >= last.get(event["data"]["day"], {}).get("rev", 0)
            last[event["data"]["day"]] = event["data"]
    assert last or not any(orjson.loads(body)["samples"] for body in feed.bodies)
    for data in last.values():
        told = Counter({word: n for word, n in (data["null"] | {"measured": data["measured"]}).items() if n})
        assert told == _slow_sums(feed, data)
        assert data["expected"] == told.total() + data["unchanged"]
