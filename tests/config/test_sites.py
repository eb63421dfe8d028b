"""Every site sample is asked the same questions."""

from pathlib import Path

import pytest

from drivers.modbus.source import ModbusPoint
from gateway.settings import Site, load

FOLDER = Path(__file__).parents[2] / "config" / "sites"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.fixture(params=NAMES)
def site(request: pytest.FixtureRequest) -> Site:
    return load(FOLDER / f"{request.param}.yaml")


def test_the_three_of_the_demo_are_there() -> None:
    assert set(NAMES) >= {"petrol_station", "boiler_house", "water_station"}


def test_nothing_is_wrong_with_it_but_the_password_that_is_not_shipped(site: Site) -> None:
    assert ["password" in str(warning) for warning in site.warnings] == [True] * len(site.uplinks)


def test_it_is_complete(site: Site) -> None:
    assert site.uplinks
    assert site.health is not None
    assert site.timezone == "Asia/Shanghai"
    assert all(uplink.tls for uplink in site.uplinks.values())
    assert site.log.max_age_s >= 365 * 86400


def test_serial_ports_have_names_that_stay(site: Site) -> None:
    for line in site.lines.values():
        assert line.kind != "serial" or (line.path or "").startswith(("/dev/serial/by-id/", "/dev/serial/by-path/"))


def test_addresses_on_the_network_are_those_kept_for_documentation(site: Site) -> None:
    """RFC 5737, RFC 2606: a sample must never reach somebody's machine."""
    for line in site.lines.values():
        assert line.host is None or line.host.startswith("192.0.2.")
    assert all(uplink.host.endswith(".example") for uplink in site.uplinks.values())


def test_instruments_have_words_for_people(site: Site) -> None:
    assert all(instrument.title for instrument in site.instruments)


def test_numbers_have_units(site: Site) -> None:
    bare = [
        f"{instrument.id}.{point.id}"
        for instrument in site.instruments
        for point in instrument.points
        if isinstance(point, ModbusPoint) and not point.unit and point.type not in ("bool", "bits", "string")
        if not point.states and not point.is_bool
    ]
    assert not bare


def test_it_teaches(site: Site) -> None:
    text = site.path.read_text("utf-8")
    assert text.count("#") >= 8
    assert "# change" in text


def test_gateways_have_names_of_their_own() -> None:
    ids = [load(FOLDER / f"{name}.yaml").gateway_id for name in NAMES]
    assert len(ids) == len(set(ids))
