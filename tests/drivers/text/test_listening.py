"""Instruments that speak unasked: whose a message is, what makes a record, what must not become a value."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import catalogue
from drivers.contract import Flag, Heard, Sample
from drivers.line.ear import Ear
from drivers.profile import InstrumentSpec
from tests.drivers.text.instrument import LINE, spec

WEIGHT = [{"id": "weight", "unit": "kg"}]
GS = [{"pattern": r"GS,(?P<weight>[0-9.]+)"}]
GPS = spec(
    [{"id": "lat", "type": "angle", "sign": "ns", "negative": ("S",), "unit": "°"}, {"id": "height", "unit": "m"}],
    "gps",
    messages=[
        {"pattern": r"RMC,(?P<record>\d+),(?P<lat>[\d.]+),(?P<ns>[NS])"},
        {"pattern": r"GGA,(?P<record>\d+),(?P<height>[\d.]+)"},
    ],
    ends="\n",
    time={"groups": ["record"], "formats": ["%H%M%S"], "utc_offset": "+00:00"},
)


def heard(data: bytes, *specs: InstrumentSpec, step: int = 10_000) -> tuple[list[Heard], Counter[str]]:
    """What is heard when the data comes in pieces of `step` bytes; and the line's faults."""
    hearing = catalogue.hearing(specs, LINE)
    assert hearing is not None
    faults: Counter[str] = Counter()
    said: list[Heard] = []
    ear = Ear(hearing, faults, said.append, lambda reply: None)
    for at in range(0, len(data), step):
        ear.add(data[at : at + step])
        while ear.work(4) == 4:
            pass
        assert len(ear) <= hearing.longest + step
    return said, faults


def samples(said: list[Heard]) -> list[Sample]:
    return [one.sample for one in said if one.sample is not None]


@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_rest_of_a_message_never_becomes_a_value(step: int) -> None:
    """A line joined in the middle of `GS,125.3` must not give 5.3."""
    loose = spec(WEIGHT, messages=[{"pattern": r"(GS,)?\d*(?P<weight>\d\.\d)"}])
    said, faults = heard(b"5.3\r\nGS,125.4\r\n", loose, step=step)
    assert [sample.values for sample in samples(said)] == [(5.4,)]
    assert faults == {"joined_late": 1}


def test_after_too_long_a_message_the_next_end_is_awaited_again() -> None:
    one = spec(WEIGHT, messages=[{"pattern": r"(?P<weight>[0-9.]+)"}], longest=16)
    said, faults = heard(b"\r\n1.5\r\n" + b"9" * 40 + b"\r\n2.5\r\n", one)
    assert [sample.values for sample in samples(said)] == [(1.5,), (2.5,)]
    assert faults["joined_late"] == 2


def test_connection_that_begins_with_a_message_loses_none() -> None:
    said, _ = heard(b"GS,1.5\r\n", spec(WEIGHT, messages=GS, whole_from_start=True))
    assert [sample.values for sample in samples(said)] == [(1.5,)]


def test_address_in_the_message_says_whose_it_is() -> None:
    pattern = [{"pattern": r"(?P<address>\d),(?P<weight>[0-9.]+)"}]
    both = [spec(WEIGHT, f"scale-{at}", address=at, messages=pattern) for at in (1, 2)]
    said, faults = heard(b"\r\n2,20.5\r\n1,10.5\r\n3,30.5\r\n", *both)
    assert [(one.instrument, one.sample.values) for one in said if one.sample] == [
        ("scale-2", (20.5,)),
        ("scale-1", (10.5,)),
    ]
    assert faults["unknown"] == 1


@pytest.mark.parametrize("step", [1, 10_000])
def test_sentences_of_one_time_make_one_sample_in_either_order(step: int) -> None:
    said, _ = heard(b"\nRMC,120001,3030.0,S\nGGA,120001,5.5\nGGA,120002,6.5\nRMC,120002,3030.6,N\n", GPS, step=step)
    assert [sample.values for sample in samples(said)] == [(-30.5, 5.5), (30.51, 6.5)]


def test_sentences_of_different_times_are_never_joined() -> None:
    said, _ = heard(b"\nGGA,120001,5.5\nRMC,120002,3030.0,N\nGGA,120003,7.5\nRMC,120003,3030.0,N\n", GPS)
    first, second, third = samples(said)
    assert first.values == (None, 5.5)
    assert first.why == {0: "timeout: its message did not come with the others"}
    assert second.values == (30.5, None)
    assert third.values == (30.5, 7.5)


def test_own_time_of_the_instrument_is_kept_beside_ours() -> None:
    said, _ = heard(b"\nRMC,120001,3030.0,S\nGGA,120001,5.5\n", GPS)
    assert samples(said)[0].at_ms is not None
    assert samples(said)[0].at_ms % 86_400_000 == 43_201_000  # type: ignore[operator]


def test_impossible_angle_is_no_value() -> None:
    said, _ = heard(b"\nRMC,120001,3060.0,S\nGGA,120001,5.5\n", GPS)
    assert samples(said)[0].values == (None, 5.5)
    assert samples(said)[0].flags == {0: Flag.FAULT}


def test_instruments_that_frame_differently_cannot_share_a_line() -> None:
    with pytest.raises(ValueError, match="must agree"):
        catalogue.hearing([spec(WEIGHT, messages=GS), spec(WEIGHT, "two", messages=GS, ends="\n")], LINE)
    with pytest.raises(ValueError, match="only with their like"):
        catalogue.hearing(
            [spec(WEIGHT, messages=GS), spec(WEIGHT, "two", messages=[{"request": "?", "pattern": "(?P<weight>.)"}])],
            LINE,
        )


@given(st.binary(max_size=300), st.sampled_from([1, 7, 300]))
def test_garbage_does_nothing_but_count(data: bytes, step: int) -> None:
    said, _ = heard(data, GPS, step=step)
    again, _ = heard(data, GPS, step=300)
    assert samples(said) == samples(again)
