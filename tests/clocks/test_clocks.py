"""A seeded sample of `python -m tests.clocks`: the real process under a wall clock that is turned."""

import random
from pathlib import Path

import pytest

from tests.clocks.trials import behind_the_log, never_set, steps, unset_and_rebooted, unset_at_boot, years_ahead

pytestmark = pytest.mark.timeout(180)


def test_steps_of_hours_and_years_are_events_and_disturb_nothing(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    assert not steps(tmp_path, 3, random.Random(seed), print)


def test_readings_held_at_an_unset_boot_and_over_a_kill_are_redated_exactly(tmp_path: Path) -> None:
    assert not unset_at_boot(tmp_path, True, print)


def test_held_readings_found_after_a_reboot_are_released_as_they_are(tmp_path: Path) -> None:
    assert not unset_and_rebooted(tmp_path, print)


def test_a_clock_that_is_never_set_holds_readings_back_only_so_long(tmp_path: Path) -> None:
    assert not never_set(tmp_path, print)


def test_a_clock_behind_the_log_is_believed_only_when_it_is_confirmed(tmp_path: Path) -> None:
    assert not behind_the_log(tmp_path, print)


def test_a_synchronised_clock_ten_years_ahead_takes_nothing_out_of_the_log(tmp_path: Path) -> None:
    assert not years_ahead(tmp_path, print)
