"""The kiln, and the calibration that boiler and kiln share."""

import pytest

from drivers.contract import Flag
from drivers.simulator.cement_plant import CementPlant
from tests.drivers.simulator.shipped import DAY_S, MIDNIGHT, hour, play, played


def test_without_the_raw_mill_the_gas_is_hotter_and_dirtier() -> None:
    plant = played("cement_plant")
    for pause in plant.of("raw_mill_off"):
        off, on = (pause.from_s + pause.until_s) / 2, pause.from_s - 1200
        so2, nh3, heat, moisture, oxygen = (
            plant.number("kiln-cems", point, off) - plant.number("kiln-cems", point, on)
            for point in ("so2", "nh3", "temperature", "humidity", "o2")
        )
        assert so2 > 40
        assert nh3 > 2
        assert heat > 30
        assert moisture < -3
        assert oxygen < -0.5


def test_a_kiln_that_stops_cools_and_is_heated_up_with_carbon_monoxide() -> None:
    plant = played("cement_plant")
    kiln = plant.scene(CementPlant)
    start = next(one for one in plant.of("start_up", days=12) if one.from_s > MIDNIGHT)
    assert kiln.load(start.from_s - 60) == 0
    assert kiln.load(start.until_s + 60) > 0.9
    assert plant.number("kiln-cems", "o2", start.from_s - 60) == pytest.approx(20.9, abs=0.4)
    middle = start.from_s + 3600
    assert plant.number("kiln-cems", "co", middle) > 1.3 * plant.number("kiln-cems", "co", hour(12))
    cold, hot = (plant.number("cooler-dust", "ch2", at) for at in (start.from_s - 60, start.until_s + 60))
    assert hot > cold + 50, "no clinker, no heat in the cooler"
    still, flows = (plant.number("filter-1", "pressure", at) for at in (start.from_s - 60, start.until_s + 60))
    assert flows > still + 500


def test_a_stop_comes_on_some_days_not_on_all() -> None:
    stops = [one for one in played("cement_plant").happenings(until_s=MIDNIGHT + 60 * DAY_S) if one.kind == "shut_down"]
    assert 8 <= len(stops) <= 30


def test_a_filter_is_blown_clean_every_quarter_of_an_hour() -> None:
    plant = played("cement_plant")
    values = [plant.number("filter-1", "pressure", hour(5) + at) for at in range(0, 3600, 5)]
    falls = [at for at in range(len(values) - 8) if values[at] - values[at + 8] > 150]
    assert 4 * 1 <= len(falls) <= 4 * 10
    assert max(values) - min(values) < 500


@pytest.mark.parametrize(
    ("name", "instrument", "gas", "content"),
    [("cement_plant", "kiln-cems", "nox", 800), ("boiler_house", "cems", "nox", 240)],
)
def test_zero_and_span_gas_show_what_the_bottles_hold(name: str, instrument: str, gas: str, content: float) -> None:
    site = played(name)
    (span,) = [one for one in site.of("calibration") if one.instrument == instrument]
    zero_until = float(span.data["zero_until"] or 0)
    assert site.number(instrument, gas, zero_until - 60) == pytest.approx(0, abs=0.01 * content)
    assert site.number(instrument, gas, span.until_s - 60) == pytest.approx(content, rel=0.01)
    inside = [site.flag(instrument, at) for at in (span.from_s, zero_until, span.until_s - 1)]
    assert inside == [Flag.CALIBRATION] * 3
    assert [site.flag(instrument, at) for at in (span.from_s - 1, span.until_s)] == [Flag.NORMAL] * 2


def test_contacts_of_an_analyser_say_which_gas_it_has() -> None:
    site = played("boiler_house")
    (span,) = [one for one in site.of("calibration") if one.instrument == "so2-analyser"]
    shown = [
        [site.value("so2-analyser", point, at) for point in ("zero_calibration", "span_calibration", "invalid")]
        for at in (span.from_s - 1, span.from_s + 60, span.until_s - 60, span.until_s)
    ]
    assert shown == [[False] * 3, [True, False, False], [False, True, False], [False] * 3]


def test_what_has_no_gas_does_not_calibrate() -> None:
    site = play("cement_plant")
    (span,) = site.of("calibration")
    assert site.flag("cooler-dust", span.from_s + 60) is Flag.NORMAL
    assert site.flag("filter-1", span.from_s + 60) is Flag.NORMAL


def test_the_bypass_is_open_while_the_boiler_starts() -> None:
    site = played("boiler_house")
    (bypass,) = site.of("bypass_open")
    (start,) = site.of("start_up")
    assert start.from_s - 1200 < bypass.from_s < start.until_s
    times = (bypass.from_s - 1, bypass.from_s, bypass.until_s - 1, bypass.until_s)
    assert [site.value("damper", "di1", at) for at in times] == [False, True, True, False]
