"""A dead and a hung instrument on one RTU line, through the real process: the others go on, and every poll is told."""

import itertools
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.peers.libmodbus import libmodbus_rtu
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import local

pytestmark = pytest.mark.alone

PERIOD_MS = 500
TIMEOUT_MS = 400
LOAD_MS = 200
"""What a loaded machine may add to an interval; a second timeout would be twice that."""
GOOD, HUNG, DEAD = ("one", "two", "three"), "hung", "dead"
ADDRESSES = {"one": 1, "two": 2, "three": 3, HUNG: 10, DEAD: 99}


def document(path: str, folder: Path, broker_port: int) -> dict[str, Any]:
    """Five instruments on one line; nobody has the address of the dead one."""
    points = [{"id": "value", "table": "holding", "address": 0, "type": "uint16"}]
    site = {
        "gateway": {"id": "line-1", "timezone": "Asia/Shanghai"},
        "lines": {"bus": {"serial": path, "baudrate": 115200, "timeout": f"{TIMEOUT_MS}ms"}},
        "instruments": [
            {"id": name, "line": "bus", "protocol": "modbus", "address": address, "every": f"{PERIOD_MS}ms",
             "points": points}
            for name, address in ADDRESSES.items()
        ],
    }  # fmt: skip
    return local(site, folder, broker_port)


def of(samples: list[dict[str, Any]], instrument: str) -> list[dict[str, Any]]:
    """One instrument's samples, by due time."""
    return sorted((s for s in samples if s["instrument"] == instrument), key=lambda s: s["ts"] - s["lag"])


def test_neighbours_of_a_dead_and_a_hung_instrument_keep_their_pace_and_every_poll_is_told(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    units = {address: {3: {0: 1000 + address}} for name, address in ADDRESSES.items() if name != DEAD}
    try:
        with libmodbus_rtu(units) as bus:
            children = psutil.Process(bus.pid).children()
            hung = sorted(children, key=lambda child: child.pid)[list(units).index(10)]
            site = write_site(tmp_path / "site.yaml", document(bus.path, tmp_path, broker.port))
            gateway = Fieldgate(site, tmp_path / "gateway.log")

            def samples() -> list[dict[str, Any]]:
                return readings(city.batches())

            with gateway.running():
                # who has never answered has no claim yet to go before who might be dead
                for name in (*GOOD, HUNG):
                    until(
                        lambda name=name: [s for s in of(samples(), name) if not s["flags"]], f"{name} before the hang"
                    )
                hung.send_signal(signal.SIGSTOP)
                until(lambda: len(of(samples(), "one")) >= 40, "twenty seconds of polls")
                hung.send_signal(signal.SIGCONT)
                last = of(samples(), HUNG)[-1]["ts"]
                until(lambda: [s for s in of(samples(), HUNG) if s["ts"] > last and not s["flags"]], "its return")
                assert gateway.stop() == 0
            found = until_settled(city)
    finally:
        city.stop()
        broker.stop()
    assert look_at(city.batches()).clean
    for name, address in ADDRESSES.items():
        polls = of(found, name)
        due = [sample["ts"] - sample["lag"] for sample in polls]
        assert {after - before for before, after in itertools.pairwise(due)} == {PERIOD_MS}, name
        for sample in polls:
            value = sample["values"]["value"]
            assert value in (1000 + address, None)
            assert (value is None) == (sample["flags"] == {"value": "B"}) == (set(sample["why"]) == {"value"})
    for name in GOOD:
        taken = [sample["ts"] for sample in of(found, name) if not sample["flags"]]
        assert len(taken) == len(of(found, name)), f"{name} lost polls to its neighbours"
        gaps = [after - before for before, after in itertools.pairwise(taken)]
        assert max(gaps) <= PERIOD_MS + TIMEOUT_MS + LOAD_MS, name
    dead = of(found, DEAD)
    assert {sample["why"]["value"].split(":")[0] for sample in dead} <= {"timeout", "settling", "silent"}
    assert sum(sample["why"]["value"].startswith("timeout") for sample in dead) >= 2
    assert {s["why"]["value"].split(":")[0] for s in of(found, HUNG) if s["flags"]} >= {"timeout", "settling"}


def until_settled(city: Subscriber) -> list[dict[str, Any]]:
    """All samples once the goodbye has arrived."""
    until(lambda: [m for m in city.messages() if m.lane == "status" and m.body["state"] == "offline"], "offline")
    return readings(city.batches())
