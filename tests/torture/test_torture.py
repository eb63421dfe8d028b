"""Samples of the commands in this folder: the real process killed, stopped, out of space and out of power."""

import os
import random
from pathlib import Path

import pytest

from tests.torture import errors, full, kills, power, readonly, stops, writes


@pytest.fixture
def seed() -> int:
    drawn = random.randrange(1_000_000)
    print(f"seed {drawn}")
    return drawn


@pytest.mark.timeout(180)
def test_kill_nine_at_random_moments_loses_nothing_that_was_published(tmp_path: Path, seed: int) -> None:
    witness = kills.kills(tmp_path, 3, seed, 0.3)
    assert witness.wrong == []
    assert len(witness.streams) == 1


@pytest.mark.timeout(180)
def test_a_kill_at_any_write_loses_nothing_that_was_published(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    numbers = [draw.randint(1, writes.NEW_LOG), draw.randint(writes.NEW_LOG + 1, 200)]
    witnesses, killed = writes.sweep(tmp_path, numbers)
    assert [witness.wrong for witness in witnesses] == [[], []]
    assert killed == 2


@pytest.mark.timeout(180)
def test_sigterm_at_random_moments_stops_cleanly(tmp_path: Path, seed: int) -> None:
    witness = stops.stops(tmp_path, 3, seed)
    assert witness.wrong == []
    assert len(witness.streams) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
@pytest.mark.timeout(180)
def test_a_full_disk_costs_nothing_once_there_is_space_again(tmp_path: Path, seed: int) -> None:
    witness = full.cycles(tmp_path, 2, seed)
    assert witness.wrong == []
    assert len(witness.streams) == 1


@pytest.mark.skipif(os.geteuid() != 0 or not readonly.possible(), reason="mounting an ext4 image takes root and loop")
@pytest.mark.timeout(180)
def test_a_file_system_that_turns_read_only_costs_nothing_that_was_published(tmp_path: Path, seed: int) -> None:
    witness = readonly.rounds(tmp_path, 1, seed)
    assert witness.wrong == []
    assert len(witness.streams) == 1


@pytest.mark.timeout(180)
def test_a_power_cut_takes_back_nothing_that_was_committed(tmp_path: Path, seed: int) -> None:
    ops, bodies = power.record(tmp_path, 45)
    place = tmp_path / "images"
    place.mkdir()
    outcomes, wrong = power.images(place, ops, bodies, 60, seed)
    assert wrong == []
    assert outcomes["went on"] > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="attaching strace to a running process takes root")
@pytest.mark.timeout(180)
def test_errors_of_the_disk_cost_nothing_once_they_end(tmp_path: Path, seed: int) -> None:
    faults = (("pwrite64", "EROFS"), ("fdatasync,fsync", "EIO"), ("pwrite64,openat,ftruncate,pread64", "EIO"))
    witness = errors.rounds(tmp_path, 1, seed, faults)
    assert witness.wrong == []
    assert witness.met, "no fault reached the log"
