"""Half a day of one process: nothing grows. The week itself is `python -m tests.simulation.week`."""

import pytest

from gateway.log import shelf
from tests.simulation.week import grown, run_days

pytestmark = pytest.mark.timeout(240)


def test_memory_files_and_tasks_of_half_a_day_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MEMORY_BYTES", 256 << 10)  # full within the first two hours
    told = run_days(0.5)
    print(*told, sep="\n")
    assert not grown(told, full_hours=6.0, slope_mib=12.0)  # what a quarter of a day can tell from the noise
    assert told[-1].objects - told[0].objects < 1500
