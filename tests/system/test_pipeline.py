"""The pipeline from outside: a real gateway, killed, stopped and restarted in between, into a real mosquitto."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.windows import WindowKeys
from tests.fakes.faketime import ahead_by, until_midnight
from tests.gateway.pipeline.slow_windows import starts, window
from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import counters, local

pytestmark = pytest.mark.timeout(240)  # processes are started several times, on a machine that may be busy

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


def events(city: Subscriber) -> list[dict[str, Any]]:
    """All events of the feed, each batch once, in order."""
    bodies = {(message.body["stream"], message.body["seq"]): message.body for message in city.batches()}
    return [event for name in sorted(bodies) for event in bodies[name]["events"]]


def kinds(city: Subscriber) -> list[str]:
    return [event["kind"] for event in events(city)]


def test_thinned_polls_calculated_values_limits_and_watched_parameters_are_told_and_add_up(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    to_midnight_s = until_midnight(8)
    try:
        with pymodbustcp({3: {0: 5, 1: 100}}) as slave:
            document = local(counters({"plc": slave.port}, every=f"{EVERY_MS}ms", registers=2), tmp_path, broker.port)
            document["instruments"][0]["steps"] = {
                "deadband": {"points": {"r0": 1}, "heartbeat": "1s"},
                "limits": [{"point": "r0", "above": 8, "clear": 6}],
                "watch": ["r1"],
            }
            document["derived"] = [
                {"id": "double", "from": {"a": "plc/r0"}, "points": [{"id": "twice", "value": "a * 2"}]}
            ]
            site = write_site(tmp_path / "site.yaml", document)
            gateway = Fieldgate(site, tmp_path / "gateway.log", ahead_by(to_midnight_s - 30))
            with gateway.running():
                until(lambda: len(readings(city.batches())) > 10, "readings")
                slave.serve(1, {3: {0: 9}})
                until(lambda: "limit.exceeded" in kinds(city), "the limit")
                gateway.kill()
                slave.serve(1, {3: {1: 250}})
                gateway.start()
                until(lambda: "parameter.changed" in kinds(city), "the parameter that changed while nothing ran")
                slave.serve(1, {3: {0: 4}})
                until(lambda: "limit.cleared" in kinds(city), "the end of the excess")
                before = len(readings(city.batches()))
                until(lambda: len(readings(city.batches())) > before + 12, "polls that say nothing new")
                assert gateway.stop() == 0
            # the next day has begun when it starts again: the account of the day is told
            later = Fieldgate(site, tmp_path / "gateway.log", ahead_by(to_midnight_s + 120))
            with later.running():
                until(lambda: kinds(city).count("completeness") >= 2, "the accounts of the day")
                assert later.stop() == 0
        assert kinds(city).count("limit.exceeded") == 1, "the kill made it forget, or tell twice"
        (changed,) = [event for event in events(city) if event["kind"] == "parameter.changed"]
        assert (changed["point"], changed["data"]) == ("r1", {"from": 100, "to": 250})
        accounts = {event["instrument"]: event["data"] for event in events(city) if event["kind"] == "completeness"}
        day = [row for row in readings(city.batches()) if row["ts"] - row["lag"] < accounts["plc"]["to"]]
        told_polls = [row for row in day if row["instrument"] == "plc"]
        assert accounts["plc"]["measured"] == sum(v is not None for row in told_polls for v in row["values"].values())
        # what was thinned before the kill is known to nobody; after it, every poll has a calculated sample
        restarted = [event["ts"] for event in events(city) if event["kind"] == "gateway.started"][1]
        since = [row["instrument"] for row in day if row["ts"] > restarted]
        assert accounts["plc"]["unchanged"] == 2 * (since.count("double") - since.count("plc")) > 0
        assert {row["values"].get("twice", 10) for row in day if not row["flags"]} == {10, 18, 8}
        catalogue = next(message.body for message in city.messages() if message.lane == "points")
        assert [entry["id"] for entry in catalogue["instruments"]] == ["plc", "double"]
        assert look_at([message for message in city.messages() if message.lane in ("data", "backfill")]).clean
    finally:
        city.stop()
        broker.stop()


def test_fuelling_is_told_once_with_its_litres_also_when_nothing_ran_meanwhile(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    try:
        with pymodbustcp({3: {0: 1000, 1: 1000, 2: 30}}) as slave:
            document = local(counters({"box": slave.port}, every=f"{EVERY_MS}ms", registers=3), tmp_path, broker.port)
            sources = {"fuel": "box/r0", "vapour": "box/r1", "seconds": "box/r2"}
            nozzle = {"nozzle": "1", "fuel_litres": 0.01, "vapour_litres": 0.01, **sources}
            document["vapour_recovery"] = {"nozzles": [nozzle], "rules": "monitor2020"}
            gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
            with gateway.running():
                until(lambda: len(readings(city.batches())) > 3, "readings")
                slave.serve(1, {3: {0: 2778, 1: 2860, 2: 53}})
                until(lambda: kinds(city).count("vapour.fuelling") == 1, "the first fuelling")
                gateway.kill()
                slave.serve(1, {3: {0: 4781, 1: 4543, 2: 83}})
                gateway.start()
                until(lambda: kinds(city).count("vapour.fuelling") == 2, "the second fuelling")
                assert gateway.stop() == 0
        first, second = [event["data"] for event in events(city) if event["kind"] == "vapour.fuelling"]
        assert (first["fuel"], first["vapour"], first["judged"], first["outside"]) == (27.78, 28.6, True, False)
        # 45.43 / 47.81 = 0.950: outside 1.00 to 1.20
        assert (second["fuel"], second["outside"], second["version"]) == (47.81, True, "monitor2020/1")
        assert first["ratio"] == 28.6 / 27.78
    finally:
        city.stop()
        broker.stop()
