"""A sample of `python -m tests.system.sites_live`, and that its comparison sees what is wrong."""

import time
from pathlib import Path

from gateway.settings import load
from tests.system.harness import Message, recorded
from tests.system.sites_live import NAMES, Look, compare, different, play, truth_of

SECONDS = 7.0  # its weather is polled every five


def test_a_shipped_site_delivers_what_its_simulated_instruments_served(tmp_path: Path) -> None:
    look = play("noise_station", SECONDS, seed=7, folder=tmp_path)
    assert look.findings == []
    assert look.values > 8

    site, messages, truth = (
        load(tmp_path / "site.yaml"),
        list(recorded((tmp_path / "feed.txt").read_bytes())),
        truth_of(tmp_path / "truth.jsonl"),
    )

    def findings(messages: list[Message]) -> list[str]:
        again = Look("again")
        compare(site, messages, truth, time.time() * 1000, again)
        return again.findings

    assert findings(messages) == []
    truth["sound", "la"] = [(at, value + 0.1) for at, value in truth["sound", "la"]]
    assert all("sound/la" in finding for finding in findings(messages))
    assert findings(messages)
    truth["sound", "la"] = [(at, value - 0.1) for at, value in truth["sound", "la"]]
    with_samples = [one for one in messages if one.lane == "data" and one.body["samples"]]
    assert any("missing" in finding for finding in findings([one for one in messages if one is not with_samples[2]]))


def test_a_window_that_is_wrong_or_absent_is_seen() -> None:
    wanted = {"mean": 2.0, "n": 12, "flag": "N"}
    assert not list(different("w", wanted, {**wanted, "leq": 3.0}, False, Look("x")))
    assert list(different("w", wanted, {**wanted, "mean": 2.1}, False, Look("x")))
    assert list(different("w", wanted, {**wanted, "flag": "B"}, False, Look("x")))
    assert list(different("w", wanted, None, False, Look("x")))
    assert not list(different("w", {**wanted, "mean": 3.0}, wanted, True, Look("x"))), "of means: not this one's"


def test_every_shipped_site_is_among_those_that_run() -> None:
    assert len(NAMES) == 13
