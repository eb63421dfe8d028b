"""Prometheus metrics (contract.md §5), read from the parts' counters at each scrape."""

import gc
import os
import resource
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from drivers.measure import Histogram
from gateway.clock import ClockState
from gateway.health.sources import Parts

PREFIX = "fieldgate_"


class Metrics(Collector):
    """One registry with everything of one gateway."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._busy: dict[str, tuple[float, float]] = {}

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, now."""
        yield from self._gateway()
        yield from self._polling()
        yield from self._lines()
        yield from self._log()
        yield from self._uplinks()
        yield from self._process()

    def _gateway(self) -> Iterator[Metric]:
        parts = self._parts
        info = GaugeMetricFamily(
            f"{PREFIX}build_info",
            "Version and configuration, always 1.",
            labels=["version", "gateway", "configuration"],
        )
        info.add_metric([parts.version, parts.site.gateway_id, parts.site.hash], 1)
        yield info
        synced = parts.clock.state() is ClockState.SYNCED
        yield GaugeMetricFamily(f"{PREFIX}clock_synced", "1 while the clock is known to be synchronised.", value=synced)
        yield CounterMetricFamily(f"{PREFIX}clock_steps", "Steps of the wall clock while running.", parts.clock.steps)
        failures = CounterMetricFamily(
            f"{PREFIX}part_failures", "Parts that failed and were started again.", labels=["part"]
        )
        for part, count in parts.failures.items():
            failures.add_metric([part], count)
        yield failures

    def _polling(self) -> Iterator[Metric]:
        polls = CounterMetricFamily(
            f"{PREFIX}polls", "Expected polls by what became of them.", labels=["line", "instrument", "result"]
        )
        lateness = HistogramMetricFamily(
            f"{PREFIX}poll_lateness_seconds", "Start of a poll behind its due time.", labels=["line"]
        )
        up = GaugeMetricFamily(f"{PREFIX}instrument_up", "1 while the instrument answers.", labels=["instrument"])
        age = GaugeMetricFamily(
            f"{PREFIX}sample_age_seconds", "Time since the last reading with a value.", labels=["instrument"]
        )
        now_s = self._parts.clock.monotonic()
        for line, poller in self._parts.pollers.items():
            _histogram(lateness, [line], poller.lateness_seconds)
            for (instrument, result), count in poller.polls.items():
                polls.add_metric([line, instrument, result], count)
            for instrument, answering in poller.answering.items():
                up.add_metric([instrument], answering)
            for instrument, taken_s in poller.answered_s.items():
                age.add_metric([instrument], now_s - taken_s)
        yield from (polls, lateness, up, age)

    def _lines(self) -> Iterator[Metric]:
        exchange = HistogramMetricFamily(
            f"{PREFIX}exchange_seconds", "From asking to the answer or its failure.", labels=["line"]
        )
        faults = CounterMetricFamily(f"{PREFIX}line_faults", "What went wrong on the line.", labels=["line", "fault"])
        busy = GaugeMetricFamily(
            f"{PREFIX}line_busy_ratio", "Share of time in exchanges since the last scrape.", labels=["line"]
        )
        up = GaugeMetricFamily(
            f"{PREFIX}line_up", "1 while the port is open or the connection stands.", labels=["line"]
        )
        now_s = self._parts.clock.monotonic()
        for name, line in self._parts.lines.items():
            _histogram(exchange, [name], line.exchange_seconds)
            for fault, count in line.faults.items():
                faults.add_metric([name, fault], count)
            up.add_metric([name], line.up)
            before_s, busy_before_s = self._busy.get(name, (self._parts.started_s, 0.0))
            self._busy[name] = (now_s, line.busy_s)
            spent_s = now_s - before_s
            busy.add_metric([name], min(1.0, (line.busy_s - busy_before_s) / spent_s) if spent_s > 0 else 0.0)
        yield from (exchange, faults, busy, up)

    def _log(self) -> Iterator[Metric]:
        log = self._parts.log
        yield GaugeMetricFamily(f"{PREFIX}log_batches", "Batches in the log.", value=log.batches)
        yield GaugeMetricFamily(f"{PREFIX}log_bytes", "Size of all files of the log.", value=log.bytes)
        yield CounterMetricFamily(
            f"{PREFIX}log_written_bytes", "Bytes written to the disk by the log.", log.written_bytes
        )
        yield GaugeMetricFamily(f"{PREFIX}log_failing", "1 while commits fail.", value=log.trouble is not None)
        commit = HistogramMetricFamily(f"{PREFIX}log_commit_seconds", "Duration of a commit.", labels=[])
        _histogram(commit, [], log.commit_seconds)
        yield commit
        evicted = CounterMetricFamily(
            f"{PREFIX}log_evicted_batches", "Batches removed before delivery.", labels=["reason"]
        )
        for reason, count in log.evicted_batches.items():
            evicted.add_metric([reason], count)
        yield evicted

    def _uplinks(self) -> Iterator[Metric]:
        connected = GaugeMetricFamily(f"{PREFIX}uplink_connected", "1 while connected.", labels=["uplink"])
        backlog = GaugeMetricFamily(
            f"{PREFIX}uplink_backlog_batches", "Committed and not yet delivered.", labels=["uplink"]
        )
        oldest = GaugeMetricFamily(
            f"{PREFIX}uplink_oldest_undelivered_seconds", "Age of the oldest undelivered batch.", labels=["uplink"]
        )
        acknowledged = CounterMetricFamily(
            f"{PREFIX}uplink_acknowledged_batches", "Batches acknowledged with success.", labels=["uplink"]
        )
        refused = CounterMetricFamily(f"{PREFIX}uplink_refused", "Batches not accepted.", labels=["uplink", "reason"])
        waited = HistogramMetricFamily(
            f"{PREFIX}uplink_acknowledge_seconds", "From sending to PUBACK.", labels=["uplink"]
        )
        unheard = GaugeMetricFamily(
            f"{PREFIX}uplink_unheard", "1 while the broker says that nobody listens.", labels=["uplink"]
        )
        failed = CounterMetricFamily(
            f"{PREFIX}uplink_connection_failures",
            "Attempts without a connection and connections lost, by cause.",
            labels=["uplink", "cause"],
        )
        expiry = GaugeMetricFamily(
            f"{PREFIX}certificate_expiry_timestamp_seconds",
            "End of the first certificate to expire.",
            labels=["uplink"],
        )
        now_ms = self._parts.clock.now_ms()
        for name, uplink in self._parts.uplinks.items():
            connected.add_metric([name], uplink.connected)
            batches, oldest_ms = self._parts.log.backlog(name)
            backlog.add_metric([name], batches)
            oldest.add_metric([name], max(0.0, (now_ms - oldest_ms) / 1000) if oldest_ms is not None else 0.0)
            acknowledged.add_metric([name], uplink.acknowledged)
            for reason, count in uplink.refused.items():
                refused.add_metric([name, reason], count)
            for cause, count in uplink.failures.items():
                failed.add_metric([name, cause], count)
            _histogram(waited, [name], uplink.acknowledge_seconds)
            unheard.add_metric([name], uplink.unheard)
            if uplink.certificate_expiry_s is not None:
                expiry.add_metric([name], uplink.certificate_expiry_s)
        yield from (connected, backlog, oldest, acknowledged, refused, failed, waited, unheard, expiry)

    def _process(self) -> Iterator[Metric]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield CounterMetricFamily(
            f"{PREFIX}process_cpu_seconds", "CPU time of the gateway.", usage.ru_utime + usage.ru_stime
        )
        yield GaugeMetricFamily(f"{PREFIX}process_resident_bytes", "Memory in use.", value=resident_bytes())
        yield GaugeMetricFamily(
            f"{PREFIX}process_open_fds", "Open file descriptors.", value=len(os.listdir("/proc/self/fd"))
        )
        collections = CounterMetricFamily(
            f"{PREFIX}process_gc_collections", "Garbage collections.", labels=["generation"]
        )
        for generation, stats in enumerate(gc.get_stats()):
            collections.add_metric([str(generation)], stats["collections"])
        yield collections


def resident_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def _histogram(family: HistogramMetricFamily, labels: list[str], measured: Histogram) -> None:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*measured.bounds, float("inf")), measured.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
    family.add_metric(labels, buckets, measured.total)
