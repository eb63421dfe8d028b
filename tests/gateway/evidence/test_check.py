"""What the check of a feed finds, and what it must not take for damage."""

import random
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch import digest
from gateway.evidence.check import check_feed, check_messages
from gateway.evidence.item import Item
from gateway.evidence.report import Report
from gateway.evidence.words import FINDINGS, NOTES
from gateway.reading import Event
from gateway.signing import checkpoint_text
from tests.fakes.feed import GATEWAY, FakeFeed, packed, signed_feed, signer
from tests.gateway.evidence.mutations import BEFORE_LAST_CHECKPOINT, WAYS, mutated

PINNED = signer().key


def check(bodies: Iterable[bytes], pinned: str | None = PINNED, topic: str | None = None) -> Report:
    return check_feed((Item(topic, body, f"line {n}") for n, body in enumerate(bodies, 1)), pinned)


def kinds(report: Report) -> list[str]:
    return sorted({finding.kind for finding in report.findings})


def edited(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new, 1)


def test_whole_feed_with_its_pinned_key_is_proven() -> None:
    report = check(signed_feed().bodies)
    assert (report.consistent, report.proven) == (True, True)
    assert report.verdict()[0] == f"Consistent, origin proven by key {PINNED}."


def test_without_a_pinned_key_the_origin_is_unproven() -> None:
    report = check(signed_feed().bodies, None)
    assert (report.consistent, report.proven) == (True, False)
    assert "Consistent, origin unproven" in report.text("feed.jsonl", 0)


def test_any_order_repeats_and_compression_are_no_finding() -> None:
    bodies = signed_feed().bodies
    mixed = [*bodies, *packed(bodies[:5]), *bodies[3:9]]
    random.Random(7).shuffle(mixed)
    report = check(mixed)
    assert report.proven
    assert report.streams[0].repeats == 11


def test_removed_batch_is_named() -> None:
    bodies = signed_feed().bodies
    report = check([*bodies[:4], *bodies[6:]])
    assert kinds(report) == ["gap"]
    assert (report.findings[0].first, report.findings[0].last) == (5, 6)
    assert "Batches 5-6 (2) are missing" in report.text("x", 0)


def test_edited_batch_is_named() -> None:
    bodies = signed_feed().bodies
    bodies[4] = edited(bodies[4], b"12.375", b"11.375")
    report = check(bodies)
    assert kinds(report) == ["edit"]
    assert (report.findings[0].first, report.findings[0].last) == (5, 5)
    text = report.text("x", 0)
    assert "Batch 5 was changed: its SHA-256 is not the one stated by the batch after it.\n" in text
    assert "第 5 批被改动：其 SHA-256 与后一批所记载的不符。\n" in text


def test_doubled_batch_with_another_content_is_named() -> None:
    bodies = signed_feed().bodies
    report = check([*bodies, edited(bodies[4], b"12.375", b"11.375")])
    assert kinds(report) == ["double"]
    assert report.findings[0].first == 5


def test_forged_double_before_the_real_one_is_a_double_and_no_edit() -> None:
    bodies = signed_feed().bodies
    assert kinds(check([edited(bodies[4], b"12.375", b"11.375"), *bodies])) == ["double"]


def test_feed_signed_again_with_another_key_is_named_when_pinned() -> None:
    forged = signed_feed(feed=FakeFeed(key=signer(2))).bodies
    report = check(forged)
    assert kinds(report) == ["key.pinned", "unsigned"]
    assert report.findings[0].details["key"] == signer(2).key
    assert check(forged, None).consistent


def test_feed_signed_again_from_some_point_on_is_a_changed_key() -> None:
    feed = signed_feed()
    feed.key = signer(2)
    feed.poll()
    feed.checkpoint()
    report = check(feed.bodies, None)
    assert kinds(report) == ["key.changed"]
    assert signer(2).key in report.text("x", 0)


def test_feed_without_any_checkpoint_does_not_pass_a_pinned_key() -> None:
    feed = FakeFeed()
    feed.start()
    feed.poll()
    assert kinds(check(feed.bodies)) == ["unsigned"]
    assert check(feed.bodies, None).consistent


def test_rewritten_chain_after_an_edit_fails_at_the_next_checkpoint() -> None:
    """The forger changes batch 3 and computes every later `prev` again, but cannot sign."""
    bodies = signed_feed().bodies
    bodies[2] = edited(bodies[2], b'"so2":12.1', b'"so2":11.1')
    for index in range(3, len(bodies)):
        body = orjson.loads(bodies[index])
        body["prev"] = digest(bodies[index - 1])
        bodies[index] = orjson.dumps(body)
    assert kinds(check(bodies)) == ["checkpoint", "unsigned"]


def test_rewritten_checkpoint_has_a_wrong_signature() -> None:
    feed = signed_feed(3, 9)
    feed.bodies.pop()
    feed.add(events=[Event(0, "log.checkpoint", feed.checkpoint_data() | {"signature": "00" * 64})])
    report = check(feed.bodies)
    assert kinds(report) == ["signature", "unsigned"]


def test_checkpoint_of_another_batch_is_named() -> None:
    feed = signed_feed(3, 9)
    data = feed.checkpoint_data()
    feed.poll()
    feed.add(events=[Event(0, "log.checkpoint", data)])
    feed.checkpoint()
    assert kinds(check(feed.bodies)) == ["checkpoint"]


def test_checkpoint_under_another_number_is_named() -> None:
    feed = FakeFeed()
    feed.start()
    head = digest(feed.bodies[0])
    data = {"seq": 9, "head": head, "signature": feed.key.sign(checkpoint_text(GATEWAY, feed.stream, 9, head))}
    feed.add(events=[Event(0, "log.checkpoint", data | {"key": feed.key.key})])
    feed.checkpoint()
    assert kinds(check(feed.bodies)) == ["checkpoint"]


def test_batch_without_chain_start_is_named() -> None:
    feed = FakeFeed()
    feed.bodies.append(b"not the feed's")
    feed.start()
    body = edited(feed.bodies[1], b'"seq":2', b'"seq":1')
    assert kinds(check([body], None)) == ["first"]


def test_reported_eviction_explains_a_gap_and_is_stated() -> None:
    feed = signed_feed()
    evicted = {"stream": feed.stream, "first": 4, "last": 6, "batches": 3, "from": 0, "to": 9, "reason": "size"}
    feed.add(events=[Event(0, "log.evicted", evicted)])
    feed.checkpoint()
    report = check([*feed.bodies[:3], *feed.bodies[6:]])
    assert report.proven
    assert [(note.kind, note.first, note.last) for note in report.notes if note.kind == "evicted"] == [
        ("evicted", 4, 6)
    ]


def test_gap_wider_than_the_eviction_is_still_a_finding() -> None:
    feed = signed_feed()
    feed.add(events=[Event(0, "log.evicted", {"stream": feed.stream, "first": 5, "last": 5, "reason": "size"})])
    feed.checkpoint()
    report = check([*feed.bodies[:3], *feed.bodies[6:]])
    assert [(row.kind, row.first, row.last) for row in report.findings] == [("gap", 4, 4), ("gap", 6, 6)]


def test_record_may_begin_within_the_first_stream_only() -> None:
    one = signed_feed()
    two = FakeFeed(stream="01JD9QBBBB")
    two.at_ms = one.at_ms + 5000
    two.start({"stream": one.stream, "last": len(one.bodies)})
    two.checkpoint()
    assert check([*one.bodies[3:], *two.bodies]).proven
    report = check([*one.bodies, *two.bodies[1:]])
    assert [(row.kind, row.stream, row.first) for row in report.findings] == [("gap", two.stream, 1)]


def test_end_missing_from_a_stream_is_told_by_the_next() -> None:
    one = signed_feed()
    two = FakeFeed(stream="01JD9QBBBB")
    two.at_ms = one.at_ms + 5000
    two.start({"stream": one.stream, "last": len(one.bodies)})
    two.checkpoint()
    report = check([*one.bodies[:-2], *two.bodies])
    assert [(row.kind, row.first, row.last) for row in report.findings] == [("gap.end", 13, 14)]


def test_whole_stream_missing_between_two_is_named() -> None:
    feeds = [signed_feed()]
    for name in ("01JD9QBBBB", "01JD9QCCCC"):
        feed = FakeFeed(stream=name)
        feed.at_ms = feeds[-1].at_ms + 5000
        feed.start({"stream": feeds[-1].stream, "last": len(feeds[-1].bodies)})
        feed.checkpoint()
        feeds.append(feed)
    assert check([*feeds[0].bodies, *feeds[1].bodies, *feeds[2].bodies]).proven
    report = check([*feeds[0].bodies, *feeds[2].bodies])
    assert [(row.kind, row.stream) for row in report.findings] == [("gap.stream", "01JD9QBBBB")]


def test_start_told_in_mid_stream_is_named() -> None:
    feed = signed_feed()
    feed.start()
    feed.checkpoint()
    assert kinds(check(feed.bodies)) == ["start"]


def test_several_gateways_are_kept_apart() -> None:
    other = signed_feed(feed=FakeFeed(gateway="lyu-water-002", key=signer(2)))
    one = signed_feed()
    report = check([body for pair in zip(one.bodies, other.bodies, strict=True) for body in pair], None)
    assert report.consistent
    assert [stream.gateway for stream in report.streams] == [GATEWAY, "lyu-water-002"]


def test_batch_on_another_gateway_s_topic_is_named() -> None:
    assert kinds(check(signed_feed().bodies, topic="fieldgate/v1/other/data")) == ["topic"]
    assert check(signed_feed().bodies, topic=f"fieldgate/v1/{GATEWAY}/backfill").proven


@pytest.mark.parametrize(
    "payload",
    [
        packed([b"{}"])[0] + b"x",
        b"",
        b"{",
        b"\xff",
        b"\x78\x01junk",
        b"[]",
        b"{}",
        b'{"v":2,"seq":1}',
        packed([b"{}" * 99])[0][:-3],
    ],
)
def test_what_is_no_batch_is_named_with_its_place(payload: bytes) -> None:
    report = check([payload], topic=f"x/{GATEWAY}/data")
    assert kinds(report) == ["unreadable"]
    assert report.findings[0].details["place"] == "line 1"


def test_zlib_that_unpacks_to_gigabytes_is_refused() -> None:
    report = check(packed([b" " * (65 * 2**20)]))
    assert kinds(report) == ["unreadable"]


def test_other_topics_are_counted_only() -> None:
    items = [Item(f"fieldgate/v1/{GATEWAY}/{kind}", b"{}", "") for kind in ("status", "points", "reply")]
    report = check_feed(items)
    assert (report.consistent, report.other_messages) == (True, 3)
    assert "no batch" in report.verdict()[0]


def test_findings_beyond_the_listed_thousand_are_counted() -> None:
    report = check([b"{"] * 1500)
    assert (len(report.findings), report.omitted) == (1000, 500)
    assert "1500 findings" in report.verdict()[0]


async def test_messages_of_a_broker_are_checked_as_they_come() -> None:
    async def messages() -> Any:
        for body in signed_feed().bodies:
            yield f"fieldgate/v1/{GATEWAY}/data", body

    assert (await check_messages(messages(), PINNED)).proven


@given(
    st.sampled_from(BEFORE_LAST_CHECKPOINT),
    st.sampled_from(WAYS),
    st.integers(0, 10_000),
    st.integers(0, 255),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_every_mutation_before_the_last_checkpoint_is_found(
    index: int, how: str, place: int, value: int, order: random.Random
) -> None:
    """The last batch has no successor that speaks of it: the report states that it is not signed yet."""
    bodies = signed_feed().bodies
    feed = mutated(bodies, index, how, place, value)
    order.shuffle(feed)
    report = check(feed)
    assert not report.consistent, (how, index, place, value)
    assert report.text("x", 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["gateway", "stream", "seq", "prev", "created", "samples", "events", "v"]), json_values
    ),
    st.sampled_from(["log.checkpoint", "log.evicted", "log.started", "completeness", "x"]),
    st.dictionaries(
        st.sampled_from(["seq", "head", "key", "stream", "first", "last", "previous", "null"]), json_values
    ),
)
@settings(max_examples=150, deadline=None)
def test_nonsense_in_a_body_never_stops_the_check(fields: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    feed = FakeFeed()
    feed.add(events=[Event(0, kind, {}, "cems-1")])
    body = (
        orjson.loads(feed.bodies[0]) | {"events": [{"ts": 0, "kind": kind, "instrument": "i", "data": data}]} | fields
    )
    try:
        raw = orjson.dumps(body)
    except TypeError:  # an integer beyond 64 bits
        return
    assert check([raw, feed.bodies[0]]).text("x", 0)


def test_every_sentence_can_be_said() -> None:
    """Both languages name the same fields."""
    import string

    for words in (FINDINGS, NOTES):
        for kind, (english, chinese) in words.items():
            fields = [
                {name.removesuffix("_zh") for _, name, _, _ in string.Formatter().parse(text) if name}
                for text in (english, chinese)
            ]
            assert fields[0] == fields[1], kind
