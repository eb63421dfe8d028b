"""A valid site file -> resolved values."""

import os
import time
from pathlib import Path

import pytest

from drivers.modbus.source import ModbusOptions
from gateway.settings import Site, load
from tests.gateway.settings.example import SITE, changed, put


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return load(put(tmp_path))


def test_everything_written_comes_out_resolved(site: Site) -> None:
    assert (site.gateway_id, site.title, site.timezone) == ("lyu-gas-017", "Ring Road", "Asia/Shanghai")
    forecourt, plc, server = (site.lines[name] for name in ("forecourt", "plc", "server"))
    assert (forecourt.kind, forecourt.path, forecourt.timeout_s) == ("serial", "/dev/serial/by-id/usb-none", 0.5)
    assert (plc.kind, plc.host, plc.port, plc.in_flight) == ("tcp", "192.0.2.10", 502, 2)
    assert (server.framing, server.settle_s) == ("rtu", 2.0)
    assert site.log.max_size == 2 << 30
    assert site.log.max_age_s == 400 * 86400
    assert site.health is not None
    assert site.health.address == ("127.0.0.1", 9469)
    assert (site.clock.hold_s, site.clock.hold_until) == (600.0, "synced")
    assert site.commands.allow == ("status", "read")


def test_a_profile_is_joined_with_the_changes_of_the_site(site: Site) -> None:
    nozzle = site.instruments[0]
    points = {point.id: point for point in nozzle.points}
    assert list(points) == ["n1_record", "n1_fuel", "n1_vapour", "n1_time", "n2_vapour", "n2_time", "extra"]
    assert points["n1_fuel"].range == (0, 30000)
    assert points["n1_fuel"].address == 3  # type: ignore[attr-defined]
    assert (nozzle.timeout_s, nozzle.every_s, nozzle.address) == (1.0, 5.0, 161)


def test_an_instrument_says_its_own_timeout_or_takes_profile_or_line(tmp_path: Path) -> None:
    site = load(put(tmp_path, changed("    timeout: 2s\n", "").replace("in_flight: 2", "timeout: 3s")))
    assert [spec.timeout_s for spec in site.instruments] == [1.0, 3.0, 0.5]


def test_a_quantity_gives_what_the_point_does_not_say(site: Site) -> None:
    so2, nox, door = site.instruments[1].points
    assert (so2.unit, so2.factor, so2.decimals, so2.range) == ("mg/m3", "a21026", 2, (0, 100000))
    assert (nox.unit, nox.factor, nox.range) == ("mg/m3", "a21002", (0, 500))
    assert door.unit is None


def test_a_point_in_another_unit_gets_no_factor_code_and_no_range(tmp_path: Path) -> None:
    site = load(put(tmp_path, changed("quantity: so2}", "quantity: so2, unit: ppb}")))
    so2 = site.instruments[1].points[0]
    assert (so2.unit, so2.factor, so2.range, so2.decimals) == ("ppb", None, None, None)


def test_a_conversion_uses_the_unit_of_the_quantity(tmp_path: Path) -> None:
    site = load(put(tmp_path, changed("quantity: so2}", "quantity: so2, reads: ppb, molar_mass: 64}")))
    assert site.instruments[1].points[0].unit == "mg/m3"


def test_an_omitted_point_leaves_the_flag_rules(tmp_path: Path) -> None:
    text = changed("room/xy_md02", "boiler_cems/teledyne_t100").replace("every: fastest", "omit: [so2_range2]")
    options = load(put(tmp_path, text)).instruments[2].options
    assert isinstance(options, ModbusOptions)
    assert [rule.points for rule in options.flags] == [("so2",)] * 4


def test_fastest_is_a_period_of_zero(site: Site) -> None:
    assert site.instruments[2].every_s == 0.0


def test_uplinks_have_the_numbers_of_the_contract(site: Site) -> None:
    city, lab = site.uplinks["city"], site.uplinks["lab"]
    assert (city.host, city.port, city.tls, city.protocol) == ("broker.example", 8883, True, "5")
    assert (lab.host, lab.port, lab.tls, lab.protocol) == ("127.0.0.1", 1883, False, "3.1.1")
    assert (city.acknowledge_timeout_s, city.reconnect_min_s, city.reconnect_max_s) == (20.0, 1.0, 20.0)
    assert (city.stable_after_s, city.takeover_wait_s, city.unheard_retry_s) == (60.0, 60.0, 10.0)
    assert city.client_id == "fieldgate-lyu-gas-017-city"
    assert not city.accept_unheard


def test_a_short_site_gets_the_defaults_and_listens_nowhere(tmp_path: Path) -> None:
    text = """\
gateway: {id: g}
lines: {plc: {tcp: "192.0.2.10:502"}}
instruments: [{id: i, line: plc, profile: water/ysi_odo, address: 1}]
"""
    site = load(put(tmp_path, text))
    assert site.health is None
    assert (site.timezone, site.uplinks) == ("UTC", {})
    assert (site.log.path, site.log.commit_every_s, site.log.compression) == ("/var/lib/fieldgate/log.db", 1.0, "none")
    assert site.commands.allow == ("status", "read", "backfill")
    assert (site.clock.hold_s, site.clock.hold_until) == (600.0, "plausible")
    assert site.instruments[0].every_s == 5.0


def test_health_alone_asks_for_the_default_address(tmp_path: Path) -> None:
    site = load(put(tmp_path, changed('health: {listen: "127.0.0.1:9469"}', "health:")))
    assert site.health is not None
    assert site.health.listen == "127.0.0.1:9469"


def test_the_hash_covers_the_profile_and_nothing_of_the_layout(tmp_path: Path) -> None:
    before = load(put(tmp_path)).hash
    assert load(put(tmp_path, "# a comment\n" + SITE.replace("every: 5s", "every:  5000ms"))).hash == before
    assert load(put(tmp_path, changed("every: 5s", "every: 6s"))).hash != before
    own = tmp_path / "profiles" / "room"
    own.mkdir(parents=True)
    shipped = Path("config/profiles/room/xy_md02.yaml").read_text("utf-8")
    (own / "xy_md02.yaml").write_text(shipped, "utf-8")
    assert load(put(tmp_path)).hash == before
    (own / "xy_md02.yaml").write_text(shipped.replace("scale: 0.1", "scale: 0.2"), "utf-8")
    assert load(put(tmp_path)).hash != before


def test_the_operators_folder_comes_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    (own / "profiles" / "room").mkdir(parents=True)
    text = Path("config/profiles/room/xy_md02.yaml").read_text("utf-8").replace("id: humidity", "id: moisture")
    (own / "profiles" / "room" / "xy_md02.yaml").write_text(text, "utf-8")
    (own / "quantities.yaml").write_text(
        "units: {grain: grains}\nquantities: {so2: {unit: grain, en: sulphur dioxide, zh: 二氧化硫}}\n", "utf-8"
    )
    for site in (load(put(tmp_path), own), _with_environment(monkeypatch, own, tmp_path)):
        assert site.instruments[2].points[1].id == "moisture"
        assert site.instruments[1].points[0].unit == "grain"


def _with_environment(monkeypatch: pytest.MonkeyPatch, own: Path, folder: Path) -> Site:
    monkeypatch.setenv("FIELDGATE_CONFIG", str(own))
    return load(put(folder))


def test_a_secret_is_looked_for_among_the_credentials_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed("    username: lyu\n", "    username: lyu\n    password_file: password\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "password").write_text("x")
    assert load(put(tmp_path, text)).uplinks["city"].password_file == str(tmp_path / "password")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert load(put(tmp_path, text)).uplinks["city"].password_file == str(credentials / "password")


def test_a_secret_that_everybody_can_read_is_a_warning_and_one_that_is_missing_too(tmp_path: Path) -> None:
    text = changed("    username: lyu\n", "    username: lyu\n    password_file: password\n")
    assert ["No such file" in str(warning) for warning in load(put(tmp_path, text)).warnings] == [True]
    secret = tmp_path / "password"
    secret.write_text("hidden-word")
    os.chmod(secret, 0o644)
    site = load(put(tmp_path, text))
    assert ["chmod 600" in str(warning) for warning in site.warnings] == [True]
    assert "hidden-word" not in repr(site)
    os.chmod(secret, 0o600)
    assert not load(put(tmp_path, text)).warnings


def test_reading_takes_time_in_proportion_to_the_points(tmp_path: Path) -> None:
    """Four times the points, four times the time; eight leaves room for a busy machine."""

    def seconds(points: int) -> float:
        entries = "".join(
            f"      - {{id: p{number}, table: input, address: {2 * number}, type: float32, unit: mg/m3}}\n"
            for number in range(points)
        )
        text = SHORT + "    points:\n" + entries
        path = put(tmp_path, text)
        begun = time.process_time()
        assert len(load(path).instruments[0].points) == points
        return time.process_time() - begun

    seconds(50)  # imports and caches
    assert seconds(1000) < 8 * seconds(250)


SHORT = """\
gateway: {id: g}
lines: {plc: {tcp: "192.0.2.10:502"}}
instruments:
  - id: i
    line: plc
    protocol: modbus
    address: 1
    every: 1s
"""


def test_a_site_never_changes_after_it_is_read(site: Site) -> None:
    with pytest.raises((AttributeError, ValueError)):
        site.log.path = "elsewhere"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        site.title = "other"  # type: ignore[misc]
