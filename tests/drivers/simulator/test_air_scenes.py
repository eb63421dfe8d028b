"""Road and quarter: traffic, photochemistry, rain and wind, the check at night."""

import math
from itertools import pairwise

import pytest

from drivers.contract import Flag
from drivers.simulator.noise_station import NoiseStation
from drivers.simulator.traffic_air_station import TrafficAirStation
from tests.drivers.simulator.shipped import DAY_S, MIDNIGHT, hour, played

SATURDAY = MIDNIGHT + 4 * DAY_S


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_rush_hours_show_in_nitrogen_oxides_and_noise_of_working_days() -> None:
    road = played("traffic_air_station")
    rush, night, saturday = (
        mean([road.number("nox", "nox", at + minute * 60) for minute in range(0, 60, 10)])
        for at in (hour(7.75), hour(3), SATURDAY + 7.75 * 3600)
    )
    assert rush > 2 * night
    assert rush > 1.5 * saturday
    loud, quiet = (
        mean([road.number("noise", "la", at + second) for second in range(0, 1200, 5)]) for at in (hour(8), hour(3))
    )
    assert loud > quiet + 8


def test_nitrogen_monoxide_dioxide_and_ozone_are_in_their_steady_state() -> None:
    """NO · O3 = r · NO2, r small in the dark and large at noon; NOx is the sum, as NO2."""
    road = played("traffic_air_station")
    scene = road.scene(TrafficAirStation)
    ratios = {}
    for at in (3, 8, 12, 16, 22):
        no, no2, o3 = scene.nitrogen_and_ozone(hour(at))
        assert min(no, no2, o3) > 0
        ratios[at] = no * o3 / no2
        shown = road.number("nox", "nox", hour(at))
        assert shown == pytest.approx((no + no2) * 46 / 24.45, rel=1e-6), "ug/m3 at 25 °C"
        assert road.number("nox", "no", hour(at)) * 46 / 30 + road.number("nox", "no2", hour(at)) == pytest.approx(
            shown
        )
    assert ratios[3] < 1 < 5 < ratios[12]


def test_ozone_is_highest_in_the_afternoon_and_eaten_in_the_rush_hour() -> None:
    road = played("traffic_air_station")
    early, afternoon, evening = (
        mean([road.number("ozone", "o3", hour(at) + day * DAY_S) for day in range(4)]) for at in (8, 14, 19)
    )
    assert afternoon > early + 20
    assert afternoon > evening + 20


def test_rain_washes_particles_out() -> None:
    road = played("traffic_air_station")
    scene = road.scene(TrafficAirStation)
    rains = [one for one in road.of("rain", days=14) if float(one.data["strength"] or 0) > 0.5]
    assert rains
    for rain in rains:
        before, after = (scene.particles(at)["pm10"] for at in (rain.from_s, rain.until_s))
        assert after < 0.75 * before


def test_smaller_particles_are_part_of_the_larger() -> None:
    road = played("traffic_air_station")
    for at in range(MIDNIGHT, MIDNIGHT + DAY_S, 3600):
        pm1, pm2_5, pm10 = (road.number("particles", point, at) for point in ("pm1", "pm2_5", "pm10"))
        assert 1 < pm1 < pm2_5 < pm10


def test_the_check_at_night_is_one_for_all_gas_analysers() -> None:
    road = played("traffic_air_station")
    checks = road.of("calibration")
    assert {one.instrument for one in checks} == {"so2", "nox", "ozone"}
    (begin,), (end,) = {one.from_s for one in checks}, {one.until_s for one in checks}
    assert road.number("ozone", "o3", end - 60) == pytest.approx(320 * 48 / 24.45, rel=0.01)
    assert road.number("nox", "no2", end - 60) == pytest.approx(0, abs=0.1), "the bottle holds NO"
    assert [road.value("nox", "status", at) for at in (begin - 1, begin + 60, end - 60, end)] == [0, 4, 8, 0]
    assert road.flag("so2", begin + 60) is Flag.CALIBRATION
    assert road.flag("particles", begin + 60) is Flag.NORMAL


def test_the_quarter_is_quiet_at_night() -> None:
    station = played("noise_station")
    day, night = (
        10 * math.log10(mean([10 ** (station.number("sound", "la", at + second) / 10) for second in range(0, 3600, 7)]))
        for at in (hour(14), hour(3))
    )
    assert 45 < day < 65
    assert night < day - 5


def test_a_noise_event_is_heard_at_its_level() -> None:
    station = played("noise_station")
    for event in station.of("noise_event", days=3):
        middle = (event.from_s + event.until_s) / 2
        assert station.number("sound", "la", middle) > float(event.data["dB"] or 0) - 2.5


def test_strong_wind_makes_the_noise_invalid() -> None:
    """What HJ 906 leaves out does happen."""
    station = played("noise_station")
    storm = station.of("strong_wind", days=14)[0]
    middle = (storm.from_s + storm.until_s) / 2
    windy = [station.number("weather", "wind_speed", middle + at) for at in range(-600, 600, 10)]
    assert sum(speed > 5 for speed in windy) > 100
    scene = station.scene(NoiseStation)
    assert max(scene._weather_db(middle)) > max(scene._weather_db(storm.from_s - 3600)) + 10


def test_a_vehicle_comes_and_goes_within_seconds_without_a_step() -> None:
    station = played("noise_station")
    levels = [station.number("sound", "la", hour(8) + at / 10) for at in range(3000)]
    assert max(levels) - min(levels) > 10
    assert max(abs(after - before) for before, after in pairwise(levels)) < 3
