"""A sample of `python -m tests.city`: one gateway of each kind of site, some seconds, one broker."""

from pathlib import Path

import pytest

from tests.city.city import CITY, run

pytestmark = pytest.mark.timeout(240)


async def test_gateways_of_every_kind_share_a_broker_and_their_record_has_no_fault(tmp_path: Path) -> None:
    found = await run(dict.fromkeys(CITY, 1), at_once=4, seconds=12.0, folder=tmp_path, seed=7)
    assert found.findings == []
    assert found.values > 100
    assert "no key was pinned" in found.verified or "origin unproven" in found.verified
