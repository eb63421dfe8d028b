"""Local time, diaries, counters, rain: what the scenes stand on."""

from itertools import pairwise

import pytest

from drivers.simulator.counter import YEAR_S, Counter
from drivers.simulator.days import Diary, LocalTime, daily
from drivers.simulator.happening import Span
from drivers.simulator.weather import Rain, Weather

CHINA = LocalTime(8 * 3600)
MIDNIGHT = 1_764_000_000  # in China, of a Tuesday
WEEK = range(MIDNIGHT, MIDNIGHT + 7 * 86_400, 1800)


def test_local_days_begin_at_local_midnight() -> None:
    assert CHINA.second(MIDNIGHT) == 0
    assert CHINA.day(MIDNIGHT - 1) == CHINA.day(MIDNIGHT) - 1
    assert CHINA.at(CHINA.day(MIDNIGHT), 3600) == MIDNIGHT + 3600


def test_a_week_has_five_working_days() -> None:
    first = CHINA.day(MIDNIGHT)
    assert [CHINA.works(first + number) for number in range(7)] == [True, True, True, True, False, False, True]


def test_a_peak_goes_over_midnight_without_a_step() -> None:
    before, after = CHINA.peak(MIDNIGHT - 1, 23, 2.6), CHINA.peak(MIDNIGHT + 1, 23, 2.6)
    assert before == pytest.approx(after, abs=1e-3)
    assert CHINA.peak(MIDNIGHT + 23 * 3600, 23, 2.6) == 1


def test_a_diary_finds_what_began_yesterday() -> None:
    night = daily(CHINA, lambda day: [Span(CHINA.at(day, 23 * 3600), CHINA.at(day, 29 * 3600))])
    assert night.at(MIDNIGHT) is not None
    assert night.at(MIDNIGHT + 5 * 3600) is None, "an end is no longer inside"
    assert night.share(MIDNIGHT + 3600, 600, 600) == 1
    assert night.share(MIDNIGHT + 12 * 3600, 600, 600) == 0
    assert len(list(night.between(MIDNIGHT, MIDNIGHT + 86_400))) == 2


def test_a_diary_asks_each_period_once() -> None:
    asked: list[int] = []

    def of(number: int) -> list[Span]:
        asked.append(number)
        return []

    diary = Diary(of, 600)
    for at in range(0, 600, 60):
        assert diary.at(6000 + at) is None
    assert sorted(asked) == [9, 10]


def test_a_counter_is_the_integral_of_its_rate() -> None:
    """3 a second for an hour, then rising to 6 within the next: 10800 + 16200."""
    begin = 50 * YEAR_S
    counter = Counter(lambda t_s: 3.0 if t_s <= begin + 3600 else min(6.0, 3.0 + 3.0 * (t_s - begin - 3600) / 3600))
    assert counter.at(begin) == 0
    assert counter.at(begin + 3600) == pytest.approx(10_800)
    assert counter.at(begin + 5400) == pytest.approx(10_800 + (3 + 4.5) / 2 * 1800)
    assert counter.at(begin + 7200) == pytest.approx(10_800 + 16_200)
    assert counter.at(begin + 1800) == pytest.approx(5_400), "back in time it says what it said"


def test_the_rain_gauge_counts_what_rains() -> None:
    rain = Rain(seed=5)
    spans = list(rain.diary.between(MIDNIGHT, MIDNIGHT + 7 * 86_400))
    assert spans
    for span in spans:
        fallen = rain.mm(span.until_s + 1) - rain.mm(span.from_s - 1)
        assert fallen == pytest.approx(float(span.data["mm"] or 0), rel=1e-6)
        slices = sum(
            rain.mm_per_h(span.from_s + at) * 10 / 3600 for at in range(5, int(span.until_s - span.from_s), 10)
        )
        assert slices == pytest.approx(fallen, rel=0.01)
    dry = [at for at in WEEK if rain.diary.at(at) is None]
    assert all(rain.mm_per_h(at) == 0 for at in dry)


def test_rain_fills_a_year_as_in_the_north_of_china() -> None:
    year = 55 * YEAR_S
    falls = [Rain(seed).mm(year + YEAR_S - 1) for seed in range(4)]
    assert all(400 < mm < 1600 for mm in falls), falls


def test_what_is_left_of_a_rain_fades_to_nothing_without_a_step() -> None:
    rain = Rain(seed=5)
    left = [rain.wet(at, run_off_s=1800, dry_s=28_800) for at in range(MIDNIGHT, MIDNIGHT + 7 * 86_400, 60)]
    assert max(left) > 0.2
    assert max(before - after for before, after in pairwise(left)) < 0.01


def test_the_air_is_warmest_in_the_afternoon_and_in_july() -> None:
    weather = Weather(seed=1, local=CHINA)
    days = range(0, 60 * 86_400, 86_400)
    afternoon, night = (
        sum(weather.temperature_c(MIDNIGHT + day + hour * 3600) for day in days) / 60 for hour in (15, 3)
    )
    assert 6 < afternoon - night < 12
    july, january = (
        sum(weather.temperature_c(MIDNIGHT + shift * 86_400 + day) for day in days) / 60 for shift in (210, 40)
    )
    assert july - january > 15


def test_wind_blows_above_five_metres_a_second_in_a_storm_only() -> None:
    weather = Weather(seed=2, local=CHINA)
    storms = list(weather.storms.between(MIDNIGHT, MIDNIGHT + 14 * 86_400))
    assert storms
    for storm in storms:
        middle = (storm.from_s + storm.until_s) / 2
        assert max(weather.wind_m_s(middle + at) for at in range(-300, 300, 10)) > 5
    calm = [at for at in WEEK if weather.storms.share(at, 1200, 1800) == 0]
    assert all(0 <= weather.wind_m_s(at) < 5 for at in calm)
