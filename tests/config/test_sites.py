"""Every site sample is asked the same questions."""

from functools import cache
from pathlib import Path

import pytest

from drivers.modbus.load import line_load
from drivers.modbus.plan import plan_instrument
from drivers.modbus.source import ModbusPoint
from drivers.profile import line_for
from gateway.settings import Site, load
from gateway.settings.quantities import Vocabulary
from gateway.settings.site import quantities
from tests.config.limits import within_limits

FOLDER = Path(__file__).parents[2] / "config" / "sites"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def shipped(name: str) -> Site:
    return load(FOLDER / f"{name}.yaml")


@pytest.fixture(params=NAMES)
def site(request: pytest.FixtureRequest) -> Site:
    return shipped(request.param)


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return quantities([FOLDER.parent], [])


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


def test_units_and_factor_codes_are_those_of_the_vocabulary(site: Site, words: Vocabulary) -> None:
    """Measured and calculated ones; a factor code stands for one unit only."""
    units = {quantity.factor: quantity.unit for quantity in words.quantities.values() if quantity.factor}
    for instrument in site.everything:
        for point in instrument.points:
            name = f"{instrument.id}.{point.id}"
            assert point.unit is None or point.unit in words.units, name
            assert point.quantity is None or point.quantity in words.quantities, name
            assert point.factor is None or units.get(point.factor) == point.unit, name


def test_plans_keep_the_limits_and_leave_the_lines_room(site: Site) -> None:
    """Reads as long as the profile allows, every point in one, half of the wire free, no value much older than due."""
    for name, line in site.lines.items():
        specs = [spec for spec in site.instruments if spec.line == name and spec.protocol == "modbus"]
        plans = [(spec, plan_instrument(spec, line_for(spec, line))) for spec in specs]
        for spec, plan in plans:
            within_limits(spec, plan)
        cost = line_load(line, plans)
        assert not cost.problems
        assert not cost.warnings
        assert cost.load < 0.5, f"{name}: {cost.load:.0%}"
        for (spec, _), one in zip(plans, cost.instruments, strict=True):
            late = {point: age_s for point, age_s in one.worst_age_s.items() if age_s > 1.5 * spec.every_s}
            assert not late, f"{spec.id}: {late}"


def test_loads_are_made_of_slices_of_five_seconds_at_most(site: Site) -> None:
    """HJ 212-2017 Annex D: flow times concentration at every reading of the flow."""
    every_s = {instrument.id: instrument.every_s for instrument in site.instruments}
    for derived in site.derived:
        for point, formula in derived.formulas.items():
            if "load_rate(" in formula or "mass_rate(" in formula:
                assert every_s[derived.at] <= 5, f"{derived.spec.id}.{point} goes with {derived.at}"
                flows = [place for name, place in derived.inputs.items() if name in ("q", "flow", "velocity")]
                assert flows
                assert all(every_s[place.partition("/")[0]] <= 5 for place in flows), flows


def test_some_sample_has_loads_and_one_has_a_heat_balance() -> None:
    formulas = str([one.formulas for name in NAMES for one in shipped(name).derived])
    wanted = ("load_rate(", "mass_rate(", "lost_share(", "heat_power(")
    assert [word for word in wanted if word not in formulas] == []


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
    ids = [shipped(name).gateway_id for name in NAMES]
    assert len(ids) == len(set(ids))
