"""`fieldgate plan` from outside."""

import re
from pathlib import Path

import pytest

from tests.gateway.cli.process import SITES, fieldgate, together

SITE = """\
gateway: {id: demo-1, site: A site, timezone: Asia/Shanghai}
lines:
  bus: {serial: /dev/ttyUSB9, baudrate: 9600}
instruments:
  - id: first
    line: bus
    protocol: modbus
    address: 1
    every: PERIOD
    points: [POINTS]
  - id: second
    line: bus
    protocol: modbus
    address: 2
    every: 5s
    points: [{id: t, table: input, address: 3, type: uint16}]
"""


def site(folder: Path, period: str, registers: int) -> Path:
    points = ", ".join(f"{{id: p{at}, table: holding, address: {at}, type: uint16}}" for at in range(registers))
    file = folder / f"{period}.yaml"
    file.write_text(SITE.replace("PERIOD", period).replace("POINTS", points), "utf-8")
    return file


def test_plan_says_what_the_wire_will_carry(tmp_path: Path) -> None:
    """9600 8N1, ten registers: 8 bytes out, 25 back, 3.5 characters of quiet, 20 ms of thinking; then 8 and 7."""
    file = site(tmp_path, "5s", 10)
    told, well, ill = together(
        ("plan", file, "--dead", "second"), ("plan", file, "--json"), ("plan", file, "--json", "--dead", "second")
    )
    first_s, second_s = (8 + 25 + 3.5) * 10 / 9600 + 0.02, (8 + 7 + 3.5) * 10 / 9600 + 0.02
    assert (told.code, told.err) == (0, "")
    assert "2 requests touching 11 registers, 97 ms a cycle" in told.out
    assert "with second dead: 1 request touching 10 registers, 1058 ms a cycle" in told.out
    assert "holding 0 to 9" in told.out
    assert "\x1b" not in told.out, "colours are for terminals"

    line = well.json["lines"][0]
    assert line["cycle_s"] == pytest.approx(first_s + second_s)
    assert line["load"] == pytest.approx((first_s + second_s) / 5)
    assert line["instruments"][0]["worst_age_s"]["p9"] == pytest.approx(5 + first_s + second_s)
    gone = ill.json["lines_with_dead"][0]
    assert ill.json["dead"] == ["second"]
    assert gone["cycle_s"] == pytest.approx(first_s + 1.0)
    assert gone["instruments"][0]["worst_age_s"]["p0"] == pytest.approx(5 + first_s + 1.0)
    assert gone["instruments"][1]["dead"]


def test_plan_refuses_what_the_wire_cannot_carry_and_warns_of_what_leaves_no_room(tmp_path: Path) -> None:
    impossible, tight = site(tmp_path, "50ms", 60), site(tmp_path, "240ms", 100)
    refused, refused_json, warned, unknown = together(
        ("plan", impossible), ("plan", impossible, "--json"), ("plan", tight), ("plan", tight, "--dead", "third")
    )
    assert (refused.code, refused_json.code, warned.code, unknown.code) == (78, 78, 0, 2)
    assert f"{impossible}:9:12: first is asked every 50ms, its bytes alone take 143ms" in refused.err
    assert "nothing was started" in refused.err
    assert refused.out == ""
    assert refused_json.json["problems"][0]["line"] == 9
    assert f"{tight}:9:12: warning: line bus is busy 103% of the time" in warned.err
    assert "third" in unknown.err
    assert "first, second" in unknown.err


def test_every_shipped_site_can_be_planned() -> None:
    """The sample with the most lines stands for all: tests/config plans every one."""
    ended = fieldgate("plan", SITES / "water_station.yaml", "--json")
    assert ended.code == 0
    assert {line["line"] for line in ended.json["lines"]} == {"probes", "cabinet"}


SHARED = """\
gateway: {id: demo-1}
lines:
  bus: {serial: /dev/ttyUSB9, baudrate: 9600}
instruments:
  - {id: plc, line: bus, profile: generic/pressure_transmitter, address: 1, every: 5s}
  - {id: meter, line: bus, profile: energy/dlt645_single_phase, address: 7, every: 15sOWN}
"""


def test_plan_counts_what_other_protocols_and_the_switch_of_serial_settings_take(tmp_path: Path) -> None:
    plain, switched, alike = tmp_path / "plain.yaml", tmp_path / "switched.yaml", tmp_path / "alike.yaml"
    plain.write_text(SHARED.replace("OWN", ""), "utf-8")
    switched.write_text(SHARED.replace("OWN", ", serial: {parity: even}"), "utf-8")
    alike.write_text(SHARED.replace("OWN", ", serial: {baudrate: 9600}"), "utf-8")
    one, two, same, words, dead = together(
        ("plan", plain, "--json"), ("plan", switched, "--json"), ("plan", alike, "--json"), ("plan", switched),
        ("plan", switched, "--json", "--dead", "meter"),
    )  # fmt: skip
    (line,), (with_switch,) = one.json["lines"], two.json["lines"]
    plc, meter = line["instruments"]
    assert meter["load"] == pytest.approx(meter["poll_s"] / 15)
    assert line["cycle_s"] == pytest.approx(plc["poll_s"] + meter["poll_s"])
    assert line["load"] == pytest.approx(plc["load"] + meter["load"])
    assert meter["worst_age_s"]["energy"] == pytest.approx(15 + line["cycle_s"])
    assert same.json["lines"] == one.json["lines"], "settings that do not differ are not switched"

    plc_too, meter_too = with_switch["instruments"]
    # 11 instead of 10 bits a character, 10 ms for the port, and 3.5 characters of quiet; and back again
    thinking_s = 4 * 0.1  # four identifiers, four requests
    wire_s = (meter["poll_s"] - thinking_s) * 1.1
    assert meter_too["poll_s"] == pytest.approx(wire_s + thinking_s + 0.01 + 3.5 * 11 / 9600)
    assert plc_too["poll_s"] == pytest.approx(plc["poll_s"] + 0.01 + 3.5 * 10 / 9600)
    assert plc_too["load"] == pytest.approx(plc_too["poll_s"] / 5)
    assert with_switch["cycle_s"] == pytest.approx(plc_too["poll_s"] + meter_too["poll_s"])
    assert dead.json["lines_with_dead"][0]["cycle_s"] == pytest.approx(plc_too["poll_s"] + 1.0)
    assert "1 instrument of other protocols, 28 ms of switching" in words.out
    assert re.search(r"meter +15s +dlt645 +[0-9]+ ", words.out)
    assert "switch of the port" in words.out


def test_plan_names_those_of_whom_nobody_knows_what_they_take(tmp_path: Path) -> None:
    file = tmp_path / "text.yaml"
    file.write_text(
        "gateway: {id: demo-1}\nlines: {bus: {serial: /dev/ttyUSB9}}\n"
        "instruments: [{id: scale, line: bus, profile: generic/scale_mt_sics, address: scale}]\n", "utf-8",
    )  # fmt: skip
    (ended,) = together(("plan", file))
    assert ended.code == 0
    assert "scale on line bus speaks text: how long that takes is not known" in ended.out
