"""Marks flag what is normal, keep every value, and end by themselves."""

import pytest

from gateway.pipeline.marks import Mark, Marks
from gateway.reading import Flag, Reading, Sample

READING = Reading(
    "cems-1",
    ("so2", "nox", "o2"),
    1_000,
    5,
    Sample((12.5, None, 26.0), {1: Flag.COMMUNICATION, 2: Flag.OUT_OF_RANGE}, {1: "timeout: x", 2: "range: y"}),
)


def test_a_mark_flags_normal_values_and_changes_neither_values_nor_worse_flags() -> None:
    marks = Marks()
    event = marks.set(Mark("cems-1", Flag.CALIBRATION, "li.wei", 5_000), now_ms=900)
    marked = marks.applied(READING)
    assert marked.sample.values == READING.sample.values
    assert marked.sample.flags == {0: Flag.CALIBRATION, 1: Flag.COMMUNICATION, 2: Flag.OUT_OF_RANGE}
    assert marked.sample.why[0] == "marked: li.wei until 5000"
    assert (event.kind, event.data["who"]) == ("mark.set", "li.wei")


def test_a_mark_ends_by_itself_and_survives_a_restart_until_then() -> None:
    marks = Marks()
    marks.set(Mark("cems-1", Flag.MAINTENANCE, "li.wei", 5_000), now_ms=900)
    marks = Marks.from_bytes(marks.to_bytes())
    assert marks.applied(READING).sample.flags[0] == Flag.MAINTENANCE
    assert marks.ended(4_999) == []
    assert [event.kind for event in marks.ended(5_000)] == ["mark.ended"]
    assert marks.applied(READING) is READING


def test_other_instruments_and_other_flags_are_left_alone() -> None:
    marks = Marks()
    marks.set(Mark("other", Flag.MAINTENANCE, "li.wei", 5_000), now_ms=900)
    assert marks.applied(READING) is READING
    with pytest.raises(ValueError, match="maintenance"):
        marks.set(Mark("cems-1", Flag.FAULT, "li.wei", 5_000), now_ms=900)
