"""What is said of each part of a range that somebody asked to have again. Pure."""

from collections.abc import Sequence
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.batch import Batch
from gateway.uplink.ranges import EVICTED, NEVER, SENT, Range

QUIET_MS = 1000


def batch(seq: int, created_ms: int, stream: str = "s") -> Batch:
    body = {"samples": [{"ts": created_ms - 50, "lag": 40}]}
    return Batch(seq, stream, seq, created_ms, orjson.dumps(body))


def answers(
    request: Range, batches: Sequence[Batch], evicted: Sequence[tuple[int, int]] = ()
) -> list[tuple[int, int, str]]:
    for one in batches:
        request.take(one)
    parts = request.intervals(evicted)
    return [(int(part["from"]), int(part["to"]), str(part["answer"])) for part in parts]


def test_batches_that_follow_one_another_are_one_interval_and_a_pause_is_told() -> None:
    batches = [batch(1, 5000), batch(2, 5500), batch(3, 6000), batch(4, 9000), batch(5, 9500)]
    assert answers(Range(4000, 12_000, QUIET_MS), batches) == [
        (4000, 6001, SENT),  # a batch tells of the time since the one before, as long as a site may be quiet
        (6001, 8910, NEVER),
        (8910, 9501, SENT),
        (9501, 12_000, NEVER),
    ]


def test_a_range_before_the_oldest_batch_is_evicted_and_nothing_beyond_its_end_is_told() -> None:
    assert answers(Range(1000, 2000, QUIET_MS), [batch(9, 2500)], [(1000, 2000)]) == [(1000, 2000, EVICTED)]
    assert answers(Range(1000, 2000, QUIET_MS), [batch(9, 5000)]) == [(1000, 2000, NEVER)]


@given(
    st.integers(0, 5000),
    st.integers(1, 5000),
    st.lists(st.integers(0, 12_000), max_size=12),
    st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 3000)), max_size=3),
)
def test_the_parts_cover_the_range_once_whatever_is_in_it(
    begin: int, length: int, created: list[int], gone: list[tuple[int, int]]
) -> None:
    request, end = Range(begin, begin + length, QUIET_MS), begin + length
    evicted = []
    at = begin
    for start, wide in sorted(gone):
        low, high = max(start, at), min(start + wide, end)
        if low < high:
            evicted.append((low, high))
            at = high
    batches = [batch(number + 1, at_ms) for number, at_ms in enumerate(sorted(created)) if at_ms >= begin]
    parts = answers(request, batches, evicted)
    assert parts[0][0] == begin
    assert parts[-1][1] == end
    assert all(one[1] == other[0] and one[2] != other[2] for one, other in pairwise(parts))
    assert all(start < until for start, until, _ in parts)
    for one in batches:
        if one.created_ms < end:
            assert any(start <= one.created_ms < until and said == SENT for start, until, said in parts)


def test_only_what_did_not_get_through_is_sent_again() -> None:
    request = Range(4000, 12_000, QUIET_MS)
    for seq in (1, 2, 3, 4):
        request.take(batch(seq, 4000 + 500 * seq))
    request.all_sent()
    request.settled(1)
    request.refused(2)
    assert (request.again, request.after) == ({2}, 4)
    request.begin(on_their_way={3})  # over another connection: 4 was on its way over the one before
    assert request.again == {2, 4}
    request.sent_again(2)
    for seq in (2, 3):
        request.settled(seq)
    assert not request.answered.is_set()
    request.settled(4)  # set aside for good
    assert request.answered.is_set()
