"""Mistakes that come from the keyboard, the manual and another operating system."""

from pathlib import Path

import pytest

from gateway.settings import load
from tests.gateway.settings.example import SITE, changed, line_of, problems, put


@pytest.mark.parametrize(
    ("old", "new", "character"),
    [
        ("  id: lyu-gas-017", "  id：lyu-gas-017", "："),
        ("    baudrate: 9600", "    baudrate： 9600", "："),
        ("  - id: cems-1", "  - id：cems-1", "："),
        ("    parity: none", "    parity:\u3000none", "\u3000"),
        ("    parity: none", "    parity:\u00a0none", "\u00a0"),
        ("    parity: none", "\u3000\u3000parity: none", "\u3000"),
        ('  site: "Ring Road"', "  site: “Ring: Road”", "“"),
        ("range: [0, 500], invalid", "range: [0, 500］, invalid", "］"),
        ("{id: door, table: discrete, address: 3}", "{id: door， table: discrete, address: 3}", "，"),
        ("{id: door, table: discrete, address: 3}", "{id: door, table: discrete, address: 3｝", "｝"),
    ],
)
def test_a_full_width_character_in_place_of_yamls_own_is_named(
    tmp_path: Path, old: str, new: str, character: str
) -> None:
    (found,) = problems(tmp_path, changed(old, new))
    at = new.index(character)
    before = SITE[: SITE.index(old)]
    column = len(before) - (before.rfind("\n") + 1) + at + 1
    assert found.startswith(f"site.yaml:{line_of(SITE, old)}:{column}: "), found
    assert "keyboard set to half-width (English)" in found
    assert "半角" in found


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("    address: 161", "    address: １６１", ": 161"),
        ("    timeout: 500ms", "    timeout: ５００ｍｓ", ": 500ms"),
        ("range: [0, 500]", "range: [0，500]", ": 0,500"),
        ("    parity: none", "    parity: ｎｏｎｅ", ": none"),
    ],
)
def test_full_width_digits_and_letters_are_named_with_what_they_would_be(
    tmp_path: Path, old: str, new: str, meant: str
) -> None:
    found = [problem for problem in problems(tmp_path, changed(old, new)) if "full-width" in problem]
    assert len(found) == 1
    assert found[0].startswith(f"site.yaml:{line_of(SITE, old)}:")
    assert meant in found[0]


def test_titles_and_comments_may_be_chinese(tmp_path: Path) -> None:
    text = changed('  site: "Ring Road"', "  site: 环路：一号站（东），“甲”  # 注释：说明，“乙”")
    assert load(put(tmp_path, text)).title == "环路：一号站（东），“甲”"
    (found,) = problems(tmp_path, text.replace("    baudrate: 9600", "   baudrate: 9600"))
    assert "indent what belongs together alike" in found


DOOR = "{id: door, table: discrete, address: 3}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (DOOR, "{id: a, table: input, address: 90, type: float}", "did you mean 'float16', 'float32' or 'float64'?"),
        (DOOR, "{id: a, table: input, address: 90, type: int}", "did you mean 'int16', 'int32' or 'int64'?"),
        (DOOR, "{id: a, function: 4, address: 90, type: int16}", "unknown key 'function' in point a of"),
        (DOOR, "{id: a, table: input, register: 90, type: int16}", "did you mean 'address'?"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, multiplier: 0.1}", "did you mean 'scale'?"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, factor: 0.1}", "multiplied by is `scale`"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, scale: 1/100}", "write 0.01"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, scale: 5%}", "write 0.05"),
        (DOOR, "{id: a, table: input, address: 005AH, type: int16}", "write 0x005A"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, unit: ℃}", "did you mean '°C'?"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, unit: mg/m³}", "did you mean 'mg/m3'?"),
        (DOOR, "{id: a, table: input, address: 90, type: int16, unit: µS/cm}", "did you mean 'uS/cm'?"),
        ("    every: 5s", "    interval: 5s", "did you mean 'every'?"),
        ("{id: n1_fuel, range", "{id: n1_fule, range", "has no point 'n1_fule' to change; did you mean 'n1_fuel'?"),
        ("    in_flight: 2", "    baudrate: 9600\n    parity: even", "baudrate, parity mean nothing on a tcp line"),
        ('"192.0.2.10:502"', '"modbus://192.0.2.10:502"', "write host:port, such as 192.0.2.10:502"),
    ],
)  # fmt: skip
def test_words_of_other_programs_and_manuals_are_understood_and_named(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    found = problems(tmp_path, changed(old, new))
    assert words in found[0]
    assert found[0].startswith(f"site.yaml:{line_of(SITE, old)}:")
    assert len(found) == 1 or "lacks 'every'" in found[1], found


def test_a_point_beside_the_profiles_own_is_judged_as_one(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("{id: n1_fuel, range", "{id: quite_another, range"))
    assert found
    assert all("point quite_another of instrument nozzle-1 lacks" in problem for problem in found)


def test_a_line_without_its_colon_is_named_itself(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, changed("    timeout: 500ms", "    timeout 500ms"))
    assert found.startswith(f"site.yaml:{line_of(SITE, '    timeout: 500ms')}:5: not YAML: could not find expected ':'")


def test_a_port_alone_is_told_what_it_lacks(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, changed('listen: "127.0.0.1:9469"', "listen: 9469"))
    assert "9469 has no host; write host:port" in found


@pytest.mark.parametrize("key", ["serial: /dev/serial/by-id/usb-none", "username: lyu"])
def test_a_nul_is_refused_at_its_place(tmp_path: Path, key: str) -> None:
    (found,) = problems(tmp_path, changed(key, f'{key.partition(":")[0]}: "a\\0b"'))
    assert found.startswith(f"site.yaml:{line_of(SITE, key)}:")
    assert "NUL means nothing here; remove it" in found


@pytest.mark.parametrize("port", ["COM3", "ttyUSB0", "dev/ttyUSB0"])
def test_a_serial_port_that_is_no_path_is_a_warning(tmp_path: Path, port: str) -> None:
    site = load(put(tmp_path, changed("/dev/serial/by-id/usb-none", port)))
    (found,) = [str(warning) for warning in site.warnings if "serial port" in warning.message]
    assert found.startswith(f"{tmp_path}/site.yaml:7:13: warning: {port!r} of line forecourt")
    assert "/dev/serial/by-id/" in found
    assert not [one for one in load(put(tmp_path)).warnings if "serial port" in one.message]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("table: input, address: 30035", "input address 34"),
        ("table: holding, address: 40001", "holding address 0"),
        ("table: discrete, address: 10016", "discrete address 15"),
    ],
)
def test_an_address_that_looks_like_a_tag_of_a_manual_is_a_warning_once(
    tmp_path: Path, written: str, meant: str
) -> None:
    kind = "" if "discrete" in written else ", type: int16"
    tag = int(written.rpartition(" ")[2])
    points = [f"      - {{id: p{at}, {written.replace(str(tag), str(tag + at))}{kind}}}\n" for at in (0, 1)]
    old = "      - {id: door, table: discrete, address: 3}\n"
    text = changed(old, "".join(points))
    (found,) = load(put(tmp_path, text)).warnings
    assert str(found).startswith(f"{tmp_path}/site.yaml:{line_of(text, '{id: p0')}:")
    assert f"looks like the tag of a manual, which is {meant} on the wire" in str(found)
    assert f"`modicon: {tag}`" in str(found)


@pytest.mark.parametrize(
    "written", ["table: holding, address: 30035", "table: input, address: 40001", "modicon: 40001"]
)
def test_other_high_addresses_are_none(tmp_path: Path, written: str) -> None:
    old = "      - {id: door, table: discrete, address: 3}\n"
    assert not load(put(tmp_path, changed(old, f"      - {{id: p, {written}, type: int16}}\n"))).warnings
