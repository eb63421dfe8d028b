"""A few minutes around midnight of each shipped site; whole days are `python -m tests.site_day`."""

import copy
import json
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.site_day.comparison import compared
from tests.site_day.day import SITES, Record, Troubles, recorded

HOURS = 0.02
SEED = 7
EVERY_TROUBLE = Troubles(restart="kill", step_s=-40, outage_s=25)

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("name", sorted(path.stem for path in SITES.glob("*.yaml")))
def test_the_feed_of_a_simulated_site_agrees_with_a_calculation_from_its_own_truth(name: str) -> None:
    findings, feed = compared(_quiet(name) if name == "boiler_house" else recorded(name, HOURS, SEED))
    assert findings.lines == []
    assert findings.compared["readings"] > 10
    assert feed.polls > 5


def test_it_agrees_for_instruments_of_every_protocol_asked_and_speaking_unasked() -> None:
    findings, feed = compared(recorded(Path(__file__).with_name("every_protocol.yaml"), HOURS, SEED))
    assert findings.lines == []
    assert len(feed.samples) == 12


@pytest.mark.parametrize(
    ("name", "hours", "before_h", "happens"),
    [
        ("boiler_house", HOURS, 21.99, "conditions"),  # zero gas from 2:00 on
        ("boiler_house", HOURS, 19.48, "contacts"),  # the bypass opens at 4:30
        ("water_station", 0.8, 20.0, "batches of analysers"),  # a sample at 3:15, its result at 4:00
        ("petrol_station", HOURS, 6.0, "fuellings"),  # the evening's rush
    ],
)
def test_what_happened_on_the_simulated_site_is_what_the_feed_tells(
    name: str, hours: float, before_h: float, happens: str
) -> None:
    findings, _ = compared(recorded(name, hours, SEED, before_h=before_h))
    assert findings.lines == []
    assert findings.compared[happens] > 0


@pytest.mark.parametrize("name", ["petrol_station", "wastewater_plant"])
def test_it_agrees_through_an_outage_a_kill_and_a_step_of_the_clock(name: str) -> None:
    findings, _ = compared(recorded(name, 0.1, SEED, EVERY_TROUBLE))
    assert findings.lines == []


def test_it_agrees_across_a_clean_restart() -> None:
    findings, _ = compared(recorded("wastewater_plant", HOURS, SEED, Troubles(restart="stop")))
    assert findings.lines == []


def _value(body: dict[str, Any]) -> bool:
    for sample in body["samples"]:
        if sample["instrument"] == "cems" and sample["values"]["co"] is not None:
            sample["values"]["co"] += 1e-6
            return True
    return False


def _calculated(body: dict[str, Any]) -> bool:
    for sample in body["samples"]:
        if sample["instrument"] == "stack" and sample["values"]["dust_dry"] is not None:
            sample["values"]["dust_dry"] *= 1.0001
            return True
    return False


def _flag(body: dict[str, Any]) -> bool:
    for sample in body["samples"]:
        if sample["instrument"] == "damper":
            sample["flags"]["di1"] = "M"
            return True
    return False


def _poll(body: dict[str, Any]) -> bool:
    left = [sample for sample in body["samples"] if sample["instrument"] != "damper"]
    gone = len(left) < len(body["samples"])
    body["samples"] = left
    return gone


def _window(key: str, value: Callable[[Any], Any]) -> Callable[[dict[str, Any]], bool]:
    def change(body: dict[str, Any]) -> bool:
        for window in body["windows"]:
            if window["period"] == "1h" and window["instrument"] == "stack":
                window["values"]["flow"][key] = value(window["values"]["flow"][key])
                return True
        return False

    return change


def _event(body: dict[str, Any]) -> bool:
    left = [event for event in body["events"] if event["kind"] != "completeness"]
    gone = len(left) < len(body["events"])
    body["events"] = left
    return gone


def _account(body: dict[str, Any]) -> bool:
    for event in body["events"]:
        if event["kind"] == "completeness" and event["instrument"] == "cems":
            event["data"]["measured"] -= 1
            return True
    return False


def _invented(body: dict[str, Any]) -> bool:
    data = {"limit": "bypass", "value": 1.0, "since": body["created"]}
    more = {"instrument": "damper", "point": "di1", "level": "alarm", "data": data}
    body["events"].append({"ts": body["created"], "kind": "limit.exceeded", **more})
    return True


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_value, "co is"),
        (_calculated, "dust_dry is"),
        (_flag, "di1 has flag M"),
        (_poll, "damper"),
        (_window("mean", lambda mean: mean * 1.000001), "mean of flow"),
        (_window("valid", lambda valid: valid - 1), "valid of flow"),
        (_window("total", lambda total: total + 1), "total of flow"),
        (_event, "missing: Expected(kind='completeness'"),
        (_account, "missing: Expected(kind='completeness'"),
        (_invented, "unexpected: {"),
    ],
)
def test_comparison_sees_what_is_wrong(change: Callable[[dict[str, Any]], bool], seen: str) -> None:
    record = copy.copy(_quiet("boiler_house"))
    record.payloads = list(record.payloads)
    for at, (topic, payload) in enumerate(record.payloads):
        if topic.endswith("/data"):
            body = json.loads(payload if payload[:1] == b"{" else zlib.decompress(payload))
            if change(body):
                record.payloads[at] = topic, json.dumps(body).encode()
                break
    else:
        pytest.fail("there was nothing to change")
    findings, _ = compared(record)
    assert any(seen in line for line in findings.lines), findings.lines
    assert any(line.startswith("verify: ") for line in findings.lines)


@cache
def _quiet(name: str) -> Record:
    return recorded(name, HOURS, SEED)
