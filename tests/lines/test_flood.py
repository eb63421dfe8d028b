"""A small sample of `python -m tests.lines.flood`."""

from pathlib import Path

from tests.lines.flood import run


def test_loggers_among_strangers_lose_nothing(tmp_path: Path) -> None:
    account = run(tmp_path, connections=20, rate=60, seconds=2)
    assert len(account.acknowledged) > 20
    assert not account.problems
