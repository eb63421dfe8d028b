"""A decimal comma is named wherever a number is wanted, with the right spelling; what is no number keeps its commas."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, load
from gateway.settings.document import parse
from tests.gateway.settings.example import SITE, changed, line_of, put

SO2 = "{id: so2, table: input, address: 34, type: float32, order: ABCD, scale: 1, offset: 0, quantity: so2}"
DOOR = "{id: door, table: discrete, address: 3}"


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(put(folder, text))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def block(**keys: str) -> str:
    """A point with each key on a line of its own."""
    written = "".join(f"\n        {key}: {value}" for key, value in keys.items())
    return f"{DOOR}\n      - id: extra{written}\n        table: input\n        type: uint16"


@pytest.mark.parametrize(
    ("old", "new", "seen", "right"),
    [
        (DOOR, block(address="90", scale="0,001"), "scale: 0,001", "write 0.001"),
        (DOOR, block(address="90", scale='"0,001"'), 'scale: "0,001"', "write 0.001"),
        (DOOR, block(address="90", scale="1,000"), "scale: 1,000", "write 1000 or 1.000"),
        (DOOR, block(address="90", offset="-1.234,5"), "offset: -1", "write -1234.5"),
        (DOOR, block(address="90", range="\n          - 0,5\n          - 10"), "- 0,5", "write 0.5"),
        (DOOR, block(address="1,000"), "address: 1,000", "write 1000（"),
        (DOOR, block(address="90", decimals="0,5"), "decimals: 0,5", "write a whole number"),
        (SO2, SO2.replace("scale: 1", "scale: 0,001"), "scale: 0,001", "write 0.001（"),
        (SO2, SO2.replace("scale: 1", "scale: -12,50"), "scale: -12,50", "write -12.50（"),
        (SO2, SO2.replace("quantity: so2", "scale: 0,1").replace("scale: 1, ", ""), "scale: 0,1", "write 0.1（"),
        ("range: [0, 500]", "range: [0,5, 500]", "range: [0,5, 500]", "write [0.5, 500]（"),
        ("range: [0, 500]", "range: [0, 500,25]", "range: [0, 500,25]", "write [0, 500.25]（"),
        ("range: [0, 500]", "range: [-0,05,10,5]", "range: [-0,05", "write [-0.05, 10.5]（"),
        ("range: [0, 500]", "range: [0,5,10]", "range: [0,5,10]", "write [0.5, 10] or [0, 5.10]（"),
        ("range: [0, 30000]", "range: [0,5, 30000]", "range: [0,5,", "write [0.5, 30000]（"),
        ("    timeout: 500ms", "    timeout: 0,5s", "timeout: 0,5s", "write 0.5s（"),
        ("    every: 5s", "    every: 2,5s", "every: 2,5s", "write 2.5s（"),
        ("framing: rtu, settle: 2s", "framing: rtu, settle: 2,5s", "framing: rtu, settle: 2,5s", "write 2.5s（"),
        ("max_size: 2GiB", "max_size: 2,5GiB", "max_size: 2,5GiB", "write 2.5GiB（"),
        ("    window: 20", "    backlog_rate: 0,5", "backlog_rate: 0,5", "write 0.5（"),
        ("hold: 10m", "hold: 0,5h", "hold: 0,5h", "write 0.5h（"),
    ],
)  # fmt: skip
def test_a_decimal_comma_is_named_with_the_right_spelling(
    tmp_path: Path, old: str, new: str, seen: str, right: str
) -> None:
    text = changed(old, new)
    (found,) = problems(tmp_path, text)
    assert found.startswith(f"site.yaml:{line_of(text, seen)}:"), found
    assert "decimal" in found
    assert right in found
    assert "小数点" in found


@pytest.mark.parametrize("mark", ["0,5", "-999.5", "none", ""])
def test_a_mark_for_no_value_that_no_number_can_be_is_refused(tmp_path: Path, mark: str) -> None:
    """It would never be found in what is read; the gateway could not start with it."""
    text = changed(DOOR, block(address="90", invalid=f'["{mark}"]'))
    (found,) = problems(tmp_path, text)
    assert f"no uint16 is ever {mark!r}, as `invalid` says; write numbers plainly" in found
    load(put(tmp_path, changed(DOOR, block(address="90", invalid="['0xFFFF', \"65535\", nan, -inf, 7]"))))


def test_calculated_instruments_and_steps_are_looked_through_too(tmp_path: Path) -> None:
    text = changed("uplinks:\n", """\
derived:
  - {id: calc, from: cems-1, constants: {o2: 20,9, hours: 2}, points: [{id: a, unit: mg/m3, value: so2 * o2}]}
uplinks:
""")  # fmt: skip
    found = "\n".join(problems(tmp_path, text))
    assert "'o2' of 'constants' of derived calc is 20,9, with a decimal comma; write 20.9" in found
    steps = "steps: {limits: [{point: so2, above: 35,5, clear: 30,1}]}"
    found = "\n".join(problems(tmp_path, changed("    phase: 200ms", f"    phase: 200ms\n    {steps}")))
    assert "is 35,5, with a decimal comma; write 35.5" in found
    assert "is 30,1, with a decimal comma; write 30.1" in found


def test_profiles_and_quantities_are_looked_through_too(tmp_path: Path) -> None:
    own = tmp_path / "profiles" / "room"
    own.mkdir(parents=True)
    text = Path("config/profiles/room/xy_md02.yaml").read_text("utf-8").replace("scale: 0.1", "scale: 0,1")
    (own / "xy_md02.yaml").write_text(text, "utf-8")
    found = problems(tmp_path, SITE)
    assert len(found) == text.count("scale: 0,1") > 0
    assert found[0].startswith(f"profiles/room/xy_md02.yaml:{line_of(text, 'scale: 0,1')}:")
    assert all("with a decimal comma; write 0.1（" in problem for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("range: [0, 500]", "range: [0, 5, 500]", "at most 2"),
        (SO2, SO2.replace("scale: 1,", "scale: 1, 5: x,"), "unknown key '5'"),
        (SO2, SO2.replace("scale: 1,", "scale: 1, extra,"), "unknown key 'extra'"),
        (SO2, SO2.replace("quantity: so2", "quantity: so2, 5"), "unknown key '5'"),
        ("    timeout: 500ms", "    timeout: 5,s", "is not a duration"),
    ],
)
def test_what_no_comma_explains_is_said_as_before(tmp_path: Path, old: str, new: str, words: str) -> None:
    found = problems(tmp_path, changed(old, new))
    assert words in found[0]
    assert "小数点" not in "".join(found)


def test_text_may_hold_commas(tmp_path: Path) -> None:
    site = load(put(tmp_path, changed('  site: "Ring Road"', '  site: "0,001"')))
    assert site.title == "0,001"


def test_a_number_keeps_how_it_is_written() -> None:
    values = parse("[05, 0x10, -0, 1.50, true, text]", "x").value
    assert isinstance(values, list)
    assert [(node.value, node.text) for node in values] == [
        (5, "05"), (16, "0x10"), (0, "-0"), (1.5, "1.50"), (True, "true"), ("text", ""),
    ]  # fmt: skip
