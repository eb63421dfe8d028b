"""The pure rules of delivery: when to connect again, what a refusal means, how fast the backlog goes, who may send."""

import asyncio
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.pace import SHARE, Pace
from gateway.uplink.reconnection import LEAST_S, NEARBY_S, SHORT_S, Reconnection
from gateway.uplink.refusals import LANE_REFUSED, REFUSALS, TOO_LARGE, UNHEARD, Asking, LaneState, Refusals
from gateway.uplink.window import Lane, Window

PAYLOAD, QUOTA = 0x99, 0x97


@dataclass(frozen=True, slots=True)
class Waits:
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 20.0
    stable_after_s: float = 60.0
    takeover_wait_s: float = 60.0


def reconnection(seed: int = 1) -> Reconnection:
    return Reconnection(Waits(), Random(seed))


def test_waits_double_from_one_second_to_twenty_and_begin_again_after_a_minute_of_good_connection() -> None:
    again = reconnection()
    steps = []
    for _ in range(7):
        again.lost(2.0, False)
        steps.append(again.wait_s)
    for step, wait_s in zip((1, 2, 4, 8, 16, 20, 20), steps, strict=True):
        assert 0.75 * step <= wait_s <= step
    again.lost(61.0, False)
    assert again.wait_s <= 1.0


def test_a_loss_that_was_noticed_late_is_followed_by_a_shorter_wait() -> None:
    again = reconnection()
    for _ in range(7):
        again.lost(2.0, False)
    again.lost(20.0, False)
    assert again.wait_s <= 8.0


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 100)), max_size=60), st.integers(0, 1000))
def test_there_are_never_more_than_two_attempts_a_second_nor_longer_waits_than_said(
    happenings: list[tuple[bool, bool, float]], seed: int
) -> None:
    again = reconnection(seed)
    for connected, odd, seconds in happenings:
        if connected:
            again.lost(seconds, odd)
        else:
            again.failed(odd, seconds / 100)
        assert LEAST_S <= again.wait_s <= (60.0 if again.taken_over else 20.0)


def test_a_broker_nearby_that_refuses_is_asked_again_within_a_second_however_long_it_is_away() -> None:
    again = reconnection()
    for _ in range(100):
        again.failed(True, 0.01)
        assert again.wait_s <= NEARBY_S
    again.failed(True, 5.0)  # from afar: a firewall that refuses after a while
    assert again.wait_s >= 0.75
    again.failed(False, 8.0)
    assert again.wait_s > 1.0


def test_the_third_takeover_in_a_row_calms_to_one_attempt_a_minute_until_a_connection_lasts() -> None:
    again = reconnection()
    for expected in (False, False, True, True):
        again.lost(0.2, True)
        assert again.taken_over is expected
    assert again.wait_s == 60.0
    again.failed(True, 0.0)
    assert again.wait_s == 60.0
    again.lives(SHORT_S)
    again.lost(SHORT_S, False)
    assert not again.taken_over
    assert again.wait_s <= 20.0


def test_an_ordinary_loss_between_two_takeovers_does_not_hide_the_rival_unless_it_lasted() -> None:
    again = reconnection()
    for taken, lived in ((True, 0.1), (False, 0.1), (True, 0.1), (False, 0.1), (True, 0.1)):
        again.lost(lived, taken)
    assert again.taken_over


def test_one_bad_batch_is_set_aside_after_five_refusals_while_others_get_through() -> None:
    lane, refusals = LaneState("data"), Refusals()
    now = 0.0
    for number in range(REFUSALS - 1):
        wait_s = refusals.refuse(7, lane, now, PAYLOAD)
        assert wait_s is not None
        assert wait_s == 2.0**number
        assert refusals.wait_s(7, now + wait_s / 2) > 0
        now += wait_s
        lane.success()
    assert refusals.refuse(7, lane, now, PAYLOAD) is None
    assert refusals.wait_s(7, now) == 0


def test_no_batch_is_set_aside_when_nothing_else_gets_through_either() -> None:
    lane, refusals = LaneState("data"), Refusals()
    for number in range(10 * REFUSALS):
        assert refusals.refuse(7, lane, float(number), QUOTA) is not None


def test_refusals_while_the_whole_lane_is_refused_do_not_count_against_a_batch() -> None:
    lane, refusals = LaneState("data"), Refusals()
    for number in range(10 * REFUSALS):
        lane.failure(QUOTA)
        assert refusals.refuse(7, lane, float(number), QUOTA) is not None
    lane.success()  # others get through once, which the batch missed
    for number in range(10 * REFUSALS):
        lane.failure(QUOTA)
        assert refusals.refuse(7, lane, 100.0 + number, QUOTA) is not None


def test_a_bad_batch_is_set_aside_after_five_more_refusals_when_its_lane_is_open_again() -> None:
    lane, refusals = LaneState("data"), Refusals()
    for number in range(10 * REFUSALS):
        lane.failure(QUOTA)
        assert refusals.refuse(7, lane, float(number), QUOTA) is not None
    for _ in range(REFUSALS - 2):
        lane.success()
        assert refusals.refuse(7, lane, 100.0, PAYLOAD) is not None
    lane.success()
    assert refusals.refuse(7, lane, 100.0, PAYLOAD) is None


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_lane_that_refuses_now_and_then_costs_no_good_batch_and_keeps_no_bad_one(share: float) -> None:
    """Ten batches a turn; the refused ones are tried again each turn, and number 0 is the bad one."""
    chance, lane, refusals = Random(1), LaneState("data"), Refusals()
    waiting, turns_of_the_bad_one, number = [0], 0, 0
    for turn in range(200):
        for position in [*waiting, *range(number + 1, number + 11)]:
            if position and chance.random() >= share:
                lane.success()
                refusals.settled(position, lane)
                if position in waiting:
                    waiting.remove(position)
            else:
                lane.failure(QUOTA)
                if refusals.refuse(position, lane, 0.0, QUOTA) is None:
                    assert position == 0
                    waiting.remove(position)
                    turns_of_the_bad_one = turn + 1
                elif position not in waiting:
                    waiting.append(position)
        number += 10
    assert REFUSALS <= turns_of_the_bad_one <= 20


@pytest.mark.parametrize(("proofs_refused", "refusals_needed"), [(0, REFUSALS), (1, 25)])
def test_a_batch_alone_is_judged_by_proofs_and_longer_where_these_are_refused_too(
    proofs_refused: int, refusals_needed: int
) -> None:
    lane, refusals, number = LaneState("data"), Refusals(), 1
    assert refusals.refuse(7, lane, 0.0, QUOTA) is not None
    while True:
        assert refusals.alone(7, lane)
        if proofs_refused and number % 2:
            lane.was_good(1)
        else:
            lane.success()
            assert not refusals.alone(7, lane)
        number += 1
        if refusals.refuse(7, lane, float(number), QUOTA) is None:
            break
    assert number == refusals_needed
    assert not refusals.alone(7, lane)


def test_a_batch_larger_than_the_broker_takes_is_set_aside_alone_and_closes_no_lane() -> None:
    lane, refusals = LaneState("data"), Refusals()
    answers = []
    for number in range(REFUSALS):
        lane.failure(TOO_LARGE)
        answers.append(refusals.refuse(7, lane, float(number), TOO_LARGE))
    assert answers[-1] is None
    assert None not in answers[:-1]
    assert lane.asking is None


def test_a_lane_refused_three_times_in_a_row_asks_and_one_success_opens_it() -> None:
    lane = LaneState("data")
    for number in range(LANE_REFUSED):
        assert lane.asking is None, number
        lane.failure(QUOTA)
    assert lane.asking == "quota"
    assert lane.success()
    assert lane.asking is None
    lane.failure(UNHEARD)
    assert lane.asking == "unheard"


def test_two_lanes_that_nobody_hears_share_one_question_every_ten_seconds_in_turn() -> None:
    live, backlog = LaneState("data", wants=True), LaneState("backfill", wants=True)
    asking = Asking(10.0, (live, backlog))
    live.failure(UNHEARD)
    backlog.failure(UNHEARD)
    asked: list[str] = []
    now = 0.0
    while now < 100.0:
        for lane in (live, backlog):
            if asking.wait_s(lane, now) <= 0:
                asking.asked(lane, now)
                asked.append(lane.topic)
        now += 0.5
    assert asked == ["data", "backfill"] * 5


def test_over_a_new_connection_the_live_lane_asks_first_and_the_backlog_in_its_turn() -> None:
    live, backlog = LaneState("data"), LaneState("backfill")
    asking = Asking(10.0, (live, backlog))
    for lane in (live, backlog):
        lane.failure(UNHEARD)
        lane.wants = True
    asking.asked(live, 95.0)
    asking.connected(100.0)
    assert (asking.wait_s(live, 100.0), asking.wait_s(backlog, 100.0)) == (0.0, 10.0)
    live.success()
    assert asking.wait_s(backlog, 100.0) == 0.0  # alone it asks at once


def drained(pace: Pace, sending_s: float, seconds: float, odd_s: float = 0.0) -> int:
    """How many batches go in so long, each taking `sending_s` to send and every hundredth `odd_s`."""
    now, sent = 0.0, 0
    while now < seconds:
        if pace.wait_s(now) > 0:
            now += 0.001
        else:
            took_s = odd_s if odd_s and sent % 100 == 99 else sending_s
            pace.sent(now, now + took_s)
            now += took_s
            sent += 1
    return sent


@pytest.mark.parametrize("sending_s", [0.000_02, 0.000_2, 0.002])
def test_sending_the_backlog_takes_a_third_of_the_time_on_a_fast_board_and_on_a_slow_one(sending_s: float) -> None:
    assert drained(Pace(None, 10, 0.0), sending_s, 20.0) * sending_s == pytest.approx(20.0 / SHARE, rel=0.05)


def test_a_machine_that_is_busy_elsewhere_for_a_moment_does_not_slow_the_backlog_for_long() -> None:
    undisturbed = drained(Pace(None, 10, 0.0), 0.000_1, 10.0)
    assert drained(Pace(None, 10, 0.0), 0.000_1, 10.0, odd_s=0.01) >= 0.4 * undisturbed


def test_the_backlog_is_never_faster_than_the_site_says() -> None:
    assert drained(Pace(50.0, 10, 0.0), 0.000_02, 10.0) == pytest.approx(500, rel=0.02)
    assert drained(Pace(100_000.0, 10, 0.0), 0.002, 10.0) * 0.002 <= 1.05 * 10.0 / SHARE


def test_the_rate_is_kept_over_a_second() -> None:
    pace, now, sent = Pace(100.0, 10, 0.0), 0.0, 0
    while now < 10.0:
        if pace.wait_s(now) > 0:
            now += 0.001
        else:
            pace.sent(now, now)
            sent += 1
    assert 990 <= sent <= 1010


def test_slow_acknowledgements_halve_what_is_on_its_way_and_quick_ones_let_it_grow() -> None:
    pace = Pace(None, 15, 0.0)
    for number in range(30):
        pace.acknowledged(0.01, float(number))
    assert pace.allowance == 15
    pace.acknowledged(0.6, 40.0)
    assert pace.allowance == 7
    pace.acknowledged(0.6, 40.1)  # sent before the halving could help
    assert pace.allowance == 7
    pace.acknowledged(0.6, 41.0)
    assert pace.allowance == 3
    pace.acknowledged(0.05, 42.0)
    assert pace.allowance == 4


async def test_a_live_batch_takes_the_next_free_slot_before_any_of_the_backlog() -> None:
    pace = Pace(None, 3, 0.0)
    for _ in range(9):
        pace.acknowledged(0.01, 0.0)
    window = Window(4, pace)
    while window.try_take(Lane.BACKLOG):
        pass
    assert window.backlog_taken == 3  # one is left for live batches
    assert window.try_take(Lane.LIVE)
    order: list[str] = []

    async def wait(lane: Lane, name: str) -> None:
        await window.take(lane)
        order.append(name)

    waiting = [asyncio.ensure_future(wait(Lane.BACKLOG, "old")), asyncio.ensure_future(wait(Lane.LIVE, "new"))]
    await asyncio.sleep(0)
    window.release(Lane.BACKLOG)
    await asyncio.sleep(0)
    assert order == ["new"]
    window.release(Lane.LIVE)
    await asyncio.sleep(0)
    assert order == ["new"]  # the backlog goes on when half of its slots are free, with several messages in one go
    window.release(Lane.BACKLOG)
    await asyncio.gather(*waiting)
    assert order == ["new", "old"]


@given(
    st.integers(1, 24),
    st.lists(st.tuples(st.sampled_from(["live", "old", "answer"]), st.sampled_from([0.01, 0.2, 3.0])), max_size=150),
)
def test_nobody_waits_for_a_slot_that_nothing_on_its_way_will_give(size: int, steps: list[tuple[str, float]]) -> None:
    asyncio.run(narrow(size, steps))


async def narrow(size: int, steps: list[tuple[str, float]]) -> None:
    """Live batches and the backlog ask for slots, answers come in order, the allowance grows and is halved."""
    pace = Pace(None, size - max(1, size // 4), 0.0)
    window = Window(size, pace)
    on_their_way: list[Lane] = []

    async def go(lane: Lane) -> None:
        await window.take(lane)
        on_their_way.append(lane)

    waiting: dict[Lane, asyncio.Task[None]] = {}  # each lane is one task
    for now, (what, elapsed_s) in enumerate(steps):
        if what == "answer":
            if on_their_way:
                lane = on_their_way.pop(0)
                if lane is Lane.BACKLOG:
                    pace.acknowledged(elapsed_s, float(now))
                window.release(lane)
        else:
            lane = Lane.LIVE if what == "live" else Lane.BACKLOG
            if lane not in waiting or waiting[lane].done():
                waiting[lane] = asyncio.ensure_future(go(lane))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert window.taken == len(on_their_way) <= size
        assert window.backlog_taken == on_their_way.count(Lane.BACKLOG) <= max(1, size - max(1, size // 4))
        for lane, task in waiting.items():
            if not task.done():
                own = window.backlog_taken > 0 and lane is Lane.BACKLOG
                assert own or window.taken == size, f"{lane.name} waits for nothing"
