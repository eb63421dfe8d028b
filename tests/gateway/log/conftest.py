"""A place for a log, and a clock that tests turn."""

from pathlib import Path

import pytest

from tests.fakes.log import TurnedClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()
