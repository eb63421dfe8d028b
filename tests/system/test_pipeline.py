"""The pipeline from outside: windows of a real gateway, killed in between, in a real mosquitto."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.windows import WindowKeys
from tests.fakes.faketime import ahead_by, until_midnight
from tests.gateway.pipeline.slow_windows import starts, window
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import counters, local

SHANGHAI = ZoneInfo("Asia/Shanghai")
EVERY_MS = 250
BEFORE_MIDNIGHT_S = 14.0


def told(city: Subscriber) -> dict[tuple[str, int], dict[str, Any]]:
    """The windows of the feed with their highest rev, by period and start."""
    last: dict[tuple[str, int], dict[str, Any]] = {}
    for message in city.batches():
        for row in message.body["windows"]:
            key = row["period"], row["start"]
            if key not in last or row["rev"] > last[key]["rev"]:
                last[key] = row
    return last


def test_minute_hour_and_day_across_a_kill_agree_with_the_samples_of_the_feed(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    ahead = ahead_by(until_midnight(8) - BEFORE_MIDNIGHT_S)  # Asia/Shanghai, midnight soon after the start
    try:
        with pymodbustcp({3: {0: 5, 1: 7}}) as slave:
            document = local(counters({"plc": slave.port}, every=f"{EVERY_MS}ms", registers=2), tmp_path, broker.port)
            document["steps"] = {"windows": {"periods": ["1m", "1h", "1d"], "grace": "1s"}}
            gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log", ahead)
            with gateway.running():
                until(lambda: len(readings(city.batches())) >= 12, "a few readings")
                slave.serve(1, {3: {0: 9}})
                until(lambda: any(row["values"]["r0"] == 9 for row in readings(city.batches())), "the new value")
                gateway.kill()
                gateway.start()
                until(lambda: {period for period, _ in told(city)} == {"1m", "1h", "1d"}, "a minute, an hour and a day")
                assert gateway.stop() == 0
        keys = WindowKeys.model_validate({"system": "general"})
        samples = [
            (row["ts"] - row["lag"], row["values"]["r0"], row["flags"].get("r0", "N"))
            for row in readings(city.batches())
        ]
        assert {value for _, value, flag in samples if flag == "N"} == {5, 9}
        compared = 0
        for (period, start), row in told(city).items():
            end = starts(period, samples, SHANGHAI)[start]
            wanted = window(period, start, end, samples, SHANGHAI, keys, EVERY_MS)
            assert row["values"]["r0"] == wanted, (period, start, row["rev"])
            compared += 1
        assert compared >= 3
        assert look_at([message for message in city.messages() if message.lane in ("data", "backfill")]).clean
    finally:
        city.stop()
        broker.stop()
