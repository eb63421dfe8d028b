"""Some minutes before midnight of each shipped site; the whole day is `python -m tests.site_day`."""

import pytest

from tests.site_day import SITES, Day, differ, run

HOURS = 0.1


@pytest.mark.parametrize("name", sorted(path.stem for path in SITES.glob("*.yaml")))
def test_windows_and_accounts_of_the_simulated_site_agree_with_its_own_truth(name: str) -> None:
    day = run(name, HOURS, seed=3)
    assert day.findings == []
    assert day.compared > 0


def test_comparison_sees_a_number_that_is_wrong() -> None:
    day = Day()
    wanted = {"mean": 10.0, "n": 12, "flag": "N"}
    for found in (wanted, {**wanted, "n": 11}, {**wanted, "mean": 10.00001}, {**wanted, "flag": "B"}, None):
        differ(day, "x", wanted, found, of_means=False)
    assert len(day.findings) == 4
