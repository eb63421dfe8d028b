"""Recordings of instruments that speak unasked, heard anew under the same and under another configuration."""

import json

from drivers.line.transcript import read
from drivers.profile import InstrumentSpec
from gateway.replay import Made, differences, recorded, replayed
from tests.drivers.text.instrument import LINE, spec

WEIGHT = [{"id": "weight", "unit": "kg"}]
PATTERN = [{"pattern": r"GS,(?P<weight>[0-9.]+)"}]


def transcript(*rows: tuple[str, str]) -> list[str]:
    words = {"<<": lambda text: text.encode().hex(" "), "==": lambda text: f"scale {text}"}
    return [f"{at}.5 {mark} {words[mark](text)}" for at, (mark, text) in enumerate(rows)]


def value(number: float | None) -> str:
    flags = {"weight": "B"} if number is None else {}
    return json.dumps({"values": {"weight": number}, "flags": flags})


async def again(one: InstrumentSpec, lines: list[str]) -> list[Made]:
    return [made async for made in replayed(LINE, [one], read(lines).pieces)]


RECORDED = transcript(
    ("<<", "9.5\r\nGS,1"), ("<<", ".5\r\n"), ("==", value(1.5)), ("==", value(None)),
    ("<<", "GS,2.5\r\nGS,3.5\r\n"), ("==", value(2.5)), ("==", value(3.5)),
)  # fmt: skip


async def test_same_configuration_makes_the_same_of_it_nulls_included() -> None:
    made = await again(spec(WEIGHT, "scale", messages=PATTERN), RECORDED)
    assert [one.points["weight"] for one in made] == [(1.5, "N"), (None, "B"), (2.5, "N"), (3.5, "N")]
    assert list(differences(recorded(read(RECORDED).pieces), made)) == []


async def test_other_scale_shows_in_each_value() -> None:
    made = await again(spec([{**WEIGHT[0], "scale": 2}], "scale", messages=PATTERN), RECORDED)
    found = list(differences(recorded(read(RECORDED).pieces), made))
    assert [(one.was, one.now) for one in found] == [
        ((1.5, "N"), (3.0, "N")),
        ((2.5, "N"), (5.0, "N")),
        ((3.5, "N"), (7.0, "N")),
    ]


async def test_last_message_of_a_period_is_the_one_that_counts() -> None:
    rows = transcript(("<<", "\r\nGS,1.5\r\nGS,2.5\r\n"), ("==", value(2.5)), ("<<", "GS,3.5\r\n"), ("==", value(3.5)))
    made = await again(spec(WEIGHT, "scale", messages=PATTERN, keep="last"), rows)
    assert [one.points["weight"] for one in made] == [(2.5, "N"), (3.5, "N")]


async def test_transcript_without_values_is_shown_as_values() -> None:
    rows = transcript(("<<", "\r\nGS,1.5\r\n"), ("<<", "GS,2.5\r\n"))
    made = await again(spec(WEIGHT, "scale", messages=PATTERN), rows)
    assert [(one.at_s, one.points["weight"]) for one in made] == [(0.5, (1.5, "N")), (1.5, (2.5, "N"))]


async def test_connections_that_speak_at_the_same_time_are_heard_one_by_one() -> None:
    words = [("[1]", "\r\nGS,1"), ("[2]", "\r\nGS,"), ("[1]", ".5\r\n"), ("[2]", "2.5\r\n")]
    rows = [f"{at}.5 << {peer} {text.encode().hex(' ')}" for at, (peer, text) in enumerate(words)]
    made = await again(spec(WEIGHT, "scale", messages=PATTERN), rows)
    assert [one.points["weight"] for one in made] == [(1.5, "N"), (2.5, "N")]
