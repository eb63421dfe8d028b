"""The metrics of contract.md §5, read as Prometheus reads them."""

import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.clock import ClockState
from gateway.health.metrics import Metrics
from gateway.settings import load
from tests.fakes.parts import FakeParts
from tests.gateway.settings.example import put

PROMISED = [
    "build_info",
    "polls_total",
    "poll_lateness_seconds",
    "exchange_seconds",
    "line_busy_ratio",
    "line_faults_total",
    "instrument_up",
    "sample_age_seconds",
    "log_batches",
    "log_bytes",
    "log_written_bytes_total",
    "log_commit_seconds",
    "log_evicted_batches_total",
    "uplink_connected",
    "uplink_backlog_batches",
    "uplink_oldest_undelivered_seconds",
    "uplink_acknowledged_batches_total",
    "uplink_refused_total",
    "uplink_acknowledge_seconds",
    "clock_synced",
    "clock_steps_total",
    "certificate_expiry_timestamp_seconds",
]


@pytest.fixture
def parts(tmp_path: Path) -> FakeParts:
    """A site in which everything has happened at least once."""
    parts = FakeParts(load(put(tmp_path)))
    parts.poll_all()
    parts.lines["plc"].faults.update(timeout=2, exception_2=1)
    parts.lines["plc"].exchange_seconds.observe(0.05)
    parts.log.evicted_batches.update(size=3)
    parts.log.commit_seconds.observe(0.02)
    city = parts.uplinks["city"]
    city.acknowledged, city.certificate_expiry_s = 7, 1_800_000_000.0
    city.refused.update(quota_exceeded=2)
    city.acknowledge_seconds.observe(0.3)
    parts.log.undelivered["city"] = 4, parts.clock.now_ms() - 90_000
    return parts


def scraped(parts: FakeParts, metrics: Metrics | None = None) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Sample name and labels -> value."""
    text = (metrics or Metrics(parts.parts)).text().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_promised_metric_is_there(parts: FakeParts) -> None:
    names = {name.removesuffix("_bucket") for name, _ in scraped(parts)}
    assert {f"fieldgate_{name}" for name in PROMISED} - names == set()


def test_values_are_those_of_the_parts(parts: FakeParts) -> None:
    parts.clock.now_s += 8
    found = scraped(parts)
    plc, city = ("line", "plc"), (("uplink", "city"),)
    assert found["fieldgate_polls_total", (("instrument", "cems-1"), plc, ("result", "ok"))] == 1
    assert found["fieldgate_line_faults_total", (("fault", "timeout"), plc)] == 2
    assert found["fieldgate_instrument_up", (("instrument", "cems-1"),)] == 1
    assert found["fieldgate_sample_age_seconds", (("instrument", "cems-1"),)] == 8
    assert found["fieldgate_log_evicted_batches_total", (("reason", "size"),)] == 3
    assert found["fieldgate_uplink_backlog_batches", city] == 4
    assert found["fieldgate_uplink_oldest_undelivered_seconds", city] == 98
    assert found["fieldgate_uplink_acknowledged_batches_total", city] == 7
    assert found["fieldgate_uplink_refused_total", (("reason", "quota_exceeded"), *city)] == 2
    assert found["fieldgate_certificate_expiry_timestamp_seconds", city] == 1_800_000_000
    assert found["fieldgate_clock_synced", ()] == 1
    parts.clock.known = ClockState.HOLDOVER
    assert scraped(parts)["fieldgate_clock_synced", ()] == 0


def test_a_histogram_is_cumulative_and_has_sum_and_count(parts: FakeParts) -> None:
    parts.lines["plc"].exchange_seconds.observe(5.0)
    found = scraped(parts)
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items()
               if name == "fieldgate_exchange_seconds_bucket" and ("line", "plc") in labels}  # fmt: skip
    assert buckets == {"0.1": 1, "1.0": 1, "+Inf": 2}
    assert found["fieldgate_exchange_seconds_count", (("line", "plc"),)] == 2
    assert found["fieldgate_exchange_seconds_sum", (("line", "plc"),)] == pytest.approx(5.05)


def test_the_busy_ratio_is_of_the_time_since_the_last_scrape(parts: FakeParts) -> None:
    metrics = Metrics(parts.parts)
    ratio = ("fieldgate_line_busy_ratio", (("line", "plc"),))
    parts.clock.now_s, parts.lines["plc"].busy_s = parts.clock.now_s + 10, 2.5
    assert scraped(parts, metrics)[ratio] == 0.25
    parts.clock.now_s, parts.lines["plc"].busy_s = parts.clock.now_s + 10, 12.5
    assert scraped(parts, metrics)[ratio] == 1.0


def test_promtool_finds_nothing(parts: FakeParts) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=Metrics(parts.parts).text(), capture_output=True, timeout=30
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
