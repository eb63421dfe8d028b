"""Every mistake has its place and says what to write instead."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, load
from tests.gateway.settings.example import SITE, changed, line_of, problems, put

SO2 = "{id: so2, table: input, address: 34, type: float32, order: ABCD, scale: 1, offset: 0, quantity: so2}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  id: lyu-gas-017", "  id: bad id", "'id' of gateway is 'bad id'; use letters, digits"),
        ('  site: "Ring Road"', "  site: 12", "put it in quotes: '12'"),
        ("  timezone: Asia/Shanghai", "  timezone: Asia/Shanghi", "no time zone"),
        ("    baudrate: 9600", "    baudrat: 9600", "unknown key 'baudrat' in line forecourt; did you mean"),
        ("    baudrate: 9600", "    baudrate: fast", "write a whole number"),
        ("    baudrate: 9600", "    baudrate: true", "true is no value of 'baudrate'"),
        ("    parity: none", "    parity: evn", "did you mean 'even'?"),
        ("    timeout: 500ms", "    timeout: 500", "is not a duration with a unit"),
        ("    timeout: 500ms", "    timeout: 1h", "it must be at most 5m"),
        ('    tcp: "192.0.2.10:502"', '    tcp: "192.0.2.300:502"', "neither an address nor a host name"),
        ('    tcp: "192.0.2.10:502"', '    tcp: "192.0.2.10"', "write host:port"),
        ('    tcp: "192.0.2.10:502"', '    tcp: "fe80::1:502"', "stands in brackets"),
        ("192.0.2.11:4001", "192.0.2.10:502", "line server is on the port of line plc"),
        ("    in_flight: 2", "    baudrate: 9600", "baudrate means nothing on a tcp line"),
        ("    line: forecourt", "    line: forcourt", "there is no line 'forcourt'; did you mean 'forecourt'?"),
        ("anysafe_al2", "anysafe_al3", "there is no profile 'vapour_recovery/anysafe_al3'; did you mean"),
        ("vapour_recovery/anysafe_al2", "../sites/petrol_station", "there is no profile"),
        ("    protocol: modbus", "    protocol: modbuz", "there is no protocol 'modbuz'; did you mean 'modbus'?"),
        ("    every: 5s", "    every: 5", "is not a duration with a unit"),
        ("    every: 5s", "    every: 49ms", "shorter than the shortest period"),
        ("    phase: 200ms", "    phase: 1s", "phase of instrument cems-1 is not shorter than its period"),
        ("  - id: cems-1", "  - id: nozzle-1", "instrument 'nozzle-1' already stands in line 17"),
        ("omit: [n2_record, n2_fuel]", "omit: [n2_record, n2_feul]", "no point 'n2_feul' to omit; did you mean"),
        (SO2, SO2.replace("quantity: so2", "quantity: so22"), "there is no quantity 'so22'; did you mean 'so2'?"),
        (SO2, SO2.replace("float32", "float31"), "did you mean 'float32'?"),
        (SO2, SO2.replace("address: 34", "address: 65535"), "ends beyond 65535"),
        (SO2, SO2.replace("address: 34", "address: 70000"), "it must be at most 65535"),
        ("{id: door, table", "{id: nox, table", "point 'nox' already stands in line 35"),
        (SO2, SO2.replace("scale: 1", "scale: .inf"), "write a finite number"),
        (SO2, SO2.replace("quantity: so2", "unit: kPa, quantity: so2"), "so2 is not measured in kPa"),
        ("unit: mg/m3, factor", "unit: mg/m4, factor", "unit 'mg/m4' is not in quantities.yaml; did you mean 'mg/m3'?"),
        ("range: [0, 500]", "range: [500, 0]", "is no range; write [lowest, highest]"),
        ("range: [0, 500]", "range: [500]", "too few values"),
        ("modicon: 30037", "modicon: 50037", "is no Modicon tag"),
        ("modicon: 30037", "table: holding, modicon: 30037", "but table says holding"),
        ("      order: CDAB", "      ordr: CDAB", "unknown key 'ordr' in options of instrument cems-1"),
        ("    address: 161", "    address: 0", "a Modbus unit on this line has 1 to 247"),
        ("    address: 3\n", "    address: 248\n", "a Modbus unit on this line has 1 to 247"),
        ("points: [so2]}", "points: [so3]}", "there is no point 'so3'; did you mean 'so2'?"),
        ("{table: discrete, address: 15,", "{table: discrete, address: true,", "true is no value of 'flags'"),
        ("flag: D, points", "flg: D, points", "unknown key 'flg' in options of instrument cems-1; did you mean 'fl"),
        ("range: [0, 500]", "range: [false, 500]", "false is no value of 'range'"),
        ("registers_per_request: 64", "registers_per_request: 126", "it must be at most 125"),
        ("mqtts://broker.example:8883", "http://broker.example", "is no broker; write mqtt://host:1883"),
        ("    window: 20", "    password: secret-word", "did you mean 'password_file'?"),
        ("    protocol: 5", "    protocol: 4", "write '5' or '3.1.1'"),
        ("base: fieldgate/v1", "base: /fieldgate/+", "is no topic"),
        ("max_size: 2GiB", "max_size: 2G", "is not a size with a unit"),
        ("commit_every: 1s", "commit_every: 4ms", "it must be at least 5ms"),
        ("clock: {", "clok: {", "unknown key 'clok' in the site file; did you mean 'clock'?"),
        ("allow: [status, read]", "allow: [status, write]", "write must be signed"),
        ("allow: [status, read]", "allow: [status, raed]", "did you mean 'read'?"),
        ('health: {listen: "127.0.0.1:9469"}', "health: []", "health is a list; write keys with values"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = changed(old, new)
    found = problems(tmp_path, text)
    line = line_of(SITE, old)
    assert any(problem.startswith(f"site.yaml:{line}:") and words in problem for problem in found), found
    assert len(found) == 1, found


def test_a_missing_key_is_named_where_its_owner_begins(tmp_path: Path) -> None:
    text = changed("    address: 161\n", "")
    assert problems(tmp_path, text) == ["site.yaml:17:5: instrument nozzle-1 lacks 'address'; add `address: …`"]


@pytest.mark.parametrize("section", ["gateway", "lines", "instruments"])
def test_a_missing_section_is_named(tmp_path: Path, section: str) -> None:
    text = changed(f"\n{section}:\n", f"\nx-{section}:\n") if section != "gateway" else changed("gateway:\n", "gate:\n")
    assert any(f"the site file lacks {section!r}" in problem for problem in problems(tmp_path, text))


def test_all_problems_come_at_once_and_in_order(tmp_path: Path) -> None:
    text = (
        changed("    parity: none", "    parity: evn")
        .replace("every: 5s", "every: 5")
        .replace("window: 20", "window: 0")
    )
    found = problems(tmp_path, text)
    assert [int(problem.split(":")[1]) for problem in found] == sorted(
        line_of(text, piece) for piece in ("parity: evn", "every: 5\n", "window: 0")
    )


def test_a_secret_in_the_address_of_the_broker_is_refused_and_not_repeated(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("mqtts://broker.example:8883", "mqtts://user:hidden-word@broker.example:99999"))
    assert "a secret never stands in the site file" in found[0]
    assert "hidden-word" not in found[0]


def test_two_lines_on_one_device_are_found_behind_a_symbolic_link(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyS9", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    text = changed("/dev/serial/by-id/usb-none", str(device)).replace(
        'server: {tcp: "192.0.2.11:4001", framing: rtu, settle: 2s}', f"server: {{serial: {link}, settle: 2s}}"
    )
    assert "line server is on the port of line forecourt" in problems(tmp_path, text)[0]


def test_two_uplinks_with_one_client_id_are_refused(tmp_path: Path) -> None:
    text = changed("    window: 20", "    client_id: lab").replace(
        "mqtts://broker.example:8883", "mqtt://127.0.0.1:1883"
    )
    text = text.replace("accept_unheard: true", "accept_unheard: true, client_id: lab")
    assert "broker and client id of uplink city" in problems(tmp_path, text)[0]


SECOND = """\
  - {id: again, line: plc, protocol: modbus, address: 1, every: 1s, points: [%s]}
uplinks:
"""


def test_an_instrument_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    text = changed("uplinks:\n", SECOND % "{id: x, table: input, address: 34, type: float32, order: ABCD}")
    assert "instrument again is unit 1 of line plc again, like cems-1" in problems(tmp_path, text)[0]


def test_two_meanings_of_one_register_are_refused(tmp_path: Path) -> None:
    text = changed("uplinks:\n", SECOND % "{id: x, table: input, address: 35, type: int16}")
    assert (
        "x and so2 of instrument cems-1 read one register of unit 1 of line plc differently"
        in (problems(tmp_path, text)[0])
    )


def test_two_instruments_may_share_a_unit_and_even_a_register_they_read_alike(tmp_path: Path) -> None:
    shared = "{id: door, table: discrete, address: 3}, {id: x, table: input, address: 90, type: int16}"
    assert len(load(put(tmp_path, changed("uplinks:\n", SECOND % shared))).instruments) == 4


def test_a_period_shorter_than_the_wire_time_alone_is_refused(tmp_path: Path) -> None:
    """23 + 2 x 8 bytes and their quiet gaps at 300 baud are more than a second, at 9600 baud 60 ms."""
    text = changed("baudrate: 9600", "baudrate: 300").replace("every: 5s", "every: 1s").replace("500ms", "5s")
    found = problems(tmp_path, text)
    assert "nozzle-1 is asked every 1s, its bytes alone take" in found[0]
    assert found[0].startswith(f"site.yaml:{line_of(text, 'every: 1s')}:")
    load(put(tmp_path, changed("every: 5s", "every: 1s")))


def test_a_line_that_is_asked_too_much_is_a_warning(tmp_path: Path) -> None:
    more = "".join(
        f"  - {{id: n{unit}, line: forecourt, profile: vapour_recovery/anysafe_al2, address: {unit}, every: 50ms}}\n"
        for unit in range(162, 166)
    )
    site = load(put(tmp_path, changed("uplinks:\n", f"{more}uplinks:\n")))
    assert any("line forecourt is asked for" in str(warning) for warning in site.warnings)


def test_values_that_belong_together_and_fit_no_read_are_refused(tmp_path: Path) -> None:
    text = (
        changed("registers_per_request: 64", "registers_per_request: 2")
        .replace(
            "{id: door, table: discrete, address: 3}",
            "{id: a, table: input, address: 50, type: uint16, together: t}, "
            "{id: b, table: input, address: 60, type: uint16, together: t}",
        )
        .replace("      - {id: a,", "      - {id: a,")
        .replace("}, {id: b", "}\n      - {id: b")
    )
    assert "instrument cems-1: a, b: one read of 11 is needed" in problems(tmp_path, text)[0]


def test_a_point_that_a_flag_rule_needs_cannot_be_omitted(tmp_path: Path) -> None:
    text = changed("room/xy_md02", "vapour_recovery/fga1000").replace("every: fastest", "every: 5s\n    omit: [state]")
    assert "a flag rule needs point 'state', which is omitted" in problems(tmp_path, text)[0]


def test_a_mistake_in_a_profile_names_the_profile(tmp_path: Path) -> None:
    own = tmp_path / "profiles" / "room"
    own.mkdir(parents=True)
    text = Path("config/profiles/room/xy_md02.yaml").read_text("utf-8").replace("type: int16", "type: int17")
    (own / "xy_md02.yaml").write_text(text, "utf-8")
    line = line_of(text, "type: int17")
    found = problems(tmp_path, SITE)
    assert found[0].startswith(f"profiles/room/xy_md02.yaml:{line}:")
    assert "did you mean 'int16'?" in found[0]


HEALTH = 'health: {listen: "127.0.0.1:9469"}'


@pytest.mark.parametrize(
    ("listen", "reachable"),
    [
        ("0.0.0.0:9469", True),
        ("[::]:9469", True),
        ("192.0.2.5:9469", True),
        ("gateway.example:9469", True),
        ("[::ffff:192.0.2.5]:9469", True),
        ("127.0.0.1:9469", False),
        ("127.8.0.1:9469", False),
        ("[::1]:9469", False),
        ("[::ffff:127.0.0.1]:9469", False),
        ("LocalHost:9469", False),
    ],
)
def test_a_password_for_a_page_that_others_can_reach_is_a_warning(tmp_path: Path, listen: str, reachable: bool) -> None:
    password = tmp_path / "password"
    password.write_text("a long password", "utf-8")
    password.chmod(0o600)
    own = changed(HEALTH, f'health: {{listen: "{listen}", password_file: password}}')
    found = [problem for problem in load(put(tmp_path, own)).warnings if "clear" in problem.message]
    assert len(found) == reachable
    for problem in found:
        place = f"{tmp_path}/site.yaml:{line_of(own, 'health:')}:18: warning: others can reach {listen}"
        assert str(problem).startswith(place)
        assert "listen on 127.0.0.1" in str(problem)
        assert "以明文传输" in str(problem)
    assert not load(put(tmp_path, changed(HEALTH, f'health: {{listen: "{listen}"}}'))).warnings


def test_the_default_address_takes_a_password_without_a_warning(tmp_path: Path) -> None:
    text = changed(HEALTH, "health: {password_file: nothing}")
    (only,) = load(put(tmp_path, text)).warnings
    assert "No such file" in only.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a: \xff\n", "1:4: byte ff is not UTF-8"),
        (b"x" * (5 << 20), "1:1: longer than 4 MiB"),
        (b"- a\n", "not a list"),
    ],
)
def test_what_is_no_site_file_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=words):
        load(path)


def test_a_file_that_is_not_there_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "nothing.yaml")
