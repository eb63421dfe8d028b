"""The feed's body is the JSON of the batch as one object, whatever shape the values have and however it is put
together."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batch import encode
from gateway.reading import Event, Flag, Reading, Sample, Value

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [",", '","', "a,b", "[,]", "\\"]
)
values: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    points = tuple(draw(st.lists(texts, max_size=6, unique=True)))
    had = tuple(draw(values) for _ in points)
    flagged = draw(st.sets(st.sampled_from(range(len(points))))) if points else set()
    flags = {index: draw(st.sampled_from(Flag)) for index in flagged}
    sample = Sample(
        had, flags, {index: draw(texts) for index in flagged}, at_ms=draw(st.none() | st.integers(0, 1 << 42))
    )
    return Reading(draw(texts), points, draw(st.integers(0, 1 << 42)), draw(st.integers(0, 1 << 20)), sample)


def as_object(reading: Reading) -> dict[str, Any]:
    sample, points = reading.sample, reading.points
    own = {} if sample.at_ms is None else {"at": sample.at_ms}
    return {
        "instrument": reading.instrument, "ts": reading.ts_ms, "lag": reading.lag_ms, **own,
        "values": dict(zip(points, sample.values, strict=True)),
        "flags": {points[index]: flag.value for index, flag in sample.flags.items()},
        "why": {points[index]: why for index, why in sample.why.items()},
    }  # fmt: skip


@given(st.lists(readings(), max_size=4), texts)
def test_body_is_the_json_of_the_batch_as_one_object(taken: list[Reading], text: str) -> None:
    event = Event(5, "some.kind", {"text": text}, text)
    body = encode("gw", "01S", 7, "0" * 64, 1_764_000_000_000, "synced", taken, (), [event])
    whole = {
        "v": 1, "gateway": "gw", "stream": "01S", "seq": 7, "prev": "0" * 64, "created": 1_764_000_000_000,
        "clock": "synced", "samples": [as_object(reading) for reading in taken], "windows": [],
        "events": [{"ts": 5, "kind": "some.kind", "instrument": text, "data": {"text": text}}],
    }  # fmt: skip
    assert body == orjson.dumps(whole)


@pytest.mark.parametrize("value", [1 << 64, "\ud800", b"bytes"])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode("gw", "01S", 7, "0" * 64, 0, "synced", [Reading("a", ("p",), 0, 0, Sample((value,)))])
