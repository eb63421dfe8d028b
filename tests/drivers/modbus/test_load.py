"""What `fieldgate plan` tells of a line."""

import pytest

from drivers.modbus.load import LineLoad, line_load, wire_s
from drivers.modbus.plan import plan_instrument
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec

SLOW = LineSpec(name="bus", kind="serial", path="/dev/null", baudrate=9600)


def instrument(name: str, registers: int, every_s: float = 5.0) -> InstrumentSpec:
    points = tuple(
        ModbusPoint.model_validate({"id": f"p{at}", "table": "holding", "address": at, "type": "uint16"})
        for at in range(registers)
    )
    return InstrumentSpec(
        id=name, line="bus", protocol="modbus", profile=None, address=1, every_s=every_s, timeout_s=1.0, points=points,
        options=ModbusOptions(),
    )  # fmt: skip


def load(*specs: InstrumentSpec, line: LineSpec = SLOW, dead: tuple[str, ...] = ()) -> LineLoad:
    return line_load(line, [(spec, plan_instrument(spec, line)) for spec in specs], dead)


def test_ten_registers_at_9600_baud_take_what_they_take() -> None:
    """8 bytes out, 25 back, ten bits each, 3.5 characters of quiet before, 20 ms of thinking."""
    found = load(instrument("a", 10))
    characters_s = (8 + 25 + 3.5) * 10 / 9600
    assert found.cycle_s == pytest.approx(characters_s + 0.02)
    assert found.load == pytest.approx((characters_s + 0.02) / 5)
    assert found.instruments[0].worst_age_s["p0"] == pytest.approx(5 + characters_s + 0.02)
    assert (found.instruments[0].registers, len(found.instruments[0].blocks)) == (10, 1)
    assert (found.problems, found.warnings) == ((), ())


def test_dead_instrument_costs_the_others_one_timeout_of_age() -> None:
    all_well, one_dead = (
        load(instrument("a", 10), instrument("b", 10)),
        load(instrument("a", 10), instrument("b", 10), dead=("b",)),
    )
    poll_s = all_well.cycle_s / 2
    assert one_dead.cycle_s == pytest.approx(poll_s + 1.0)
    assert one_dead.instruments[0].worst_age_s["p0"] == pytest.approx(5 + poll_s + 1.0)
    assert one_dead.instruments[1].dead
    assert one_dead.instruments[1].load == pytest.approx(1 / 11)


def test_period_shorter_than_the_wire_time_alone_is_a_problem() -> None:
    spec = instrument("a", 100, every_s=0.2)
    assert wire_s(SLOW, plan_instrument(spec, SLOW)) == pytest.approx((8 + 205 + 3.5) * 10 / 9600)
    assert load(spec).problems == (("a", "one poll takes 226 ms on the wire alone, longer than its period of 200 ms"),)


def test_line_that_is_asked_too_much_is_a_warning_at_the_busiest() -> None:
    found = load(instrument("a", 100, 0.4), instrument("b", 100, 0.5))
    assert found.problems == ()
    assert found.warnings == (("a", "line bus is busy 110% of the time, so polls will be left out"),)


def test_full_line_is_a_warning() -> None:
    found = load(instrument("a", 100, 0.29))
    assert found.problems == ()
    assert [name for name, _ in found.warnings] == ["a"]
    assert "no room for a timeout" in found.warnings[0][1]


def test_fastest_takes_what_is_left_and_is_no_trouble() -> None:
    found = load(instrument("a", 10, 0.0))
    assert found.load == pytest.approx(1)
    assert (found.problems, found.warnings) == ((), ())


def test_network_line_has_no_wire_time() -> None:
    network = LineSpec(name="net", kind="tcp", host="192.0.2.1", port=502)
    spec = instrument("a", 100, 0.05)
    assert wire_s(network, plan_instrument(spec, network)) == 0
    assert load(spec, line=network).problems == ()
