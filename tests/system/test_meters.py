"""Every protocol beside Modbus, simulated, through the real process into a mosquitto; some share a line with Modbus."""

from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import local
from tests.system.test_protocols import peer, simulated

LINES: dict[str, dict[str, Any]] = {
    "bus": {"serial": "/dev/ttyUSB0", "baudrate": 19200, "timeout": "400ms"},
    "probe": {"serial": "/dev/ttyUSB1", "baudrate": 9600, "timeout": "1s"},
    "heat": {"tcp": "127.0.0.1:4001", "timeout": "1s"},
    "rack": {"tcp": "127.0.0.1:4002", "timeout": "1s"},
    "console": {"tcp": "127.0.0.1:10001", "timeout": "1s"},
}
GOOD: dict[str, dict[str, Any]] = {
    "plc": {"line": "bus", "profile": "generic/pressure_transmitter", "address": 1},
    "meter": {
        "line": "bus", "profile": "energy/dlt645_single_phase", "address": "201500000016", "timeout": "2s",
        "serial": {"baudrate": 9600, "parity": "even"},
    },
    "water": {"line": "bus", "profile": "water/cjt188_water_meter", "address": "11223344556677", "timeout": "1s"},
    "room": {"line": "heat", "profile": "room/elvaco_cma11", "address": 12},
    "heat": {"line": "heat", "profile": "heat/mbus_heat_meter", "address": "12345678"},
    "well": {"line": "probe", "profile": "water/sdi12_water_probe", "address": "3", "timeout": "3s"},
    "nox": {"line": "rack", "profile": "air/acoem_serinus40", "address": "any"},
    "tanks": {"line": "console", "profile": "vapour_recovery/veeder_root_tls350", "address": 0},
}  # fmt: skip
BAD = ("dead-meter", "babble")


@pytest.mark.timeout(180)
def test_every_protocol_delivers_beside_modbus_a_dead_and_a_babbling_instrument(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    document = {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": LINES,
        "instruments": [{"id": name, "every": "2s", **keys} for name, keys in GOOD.items()],
    }
    try:
        with simulated(document, tmp_path) as site, peer(babbles=True) as loud:
            site["lines"]["babble"] = {"tcp": f"127.0.0.1:{loud}", "timeout": "300ms"}
            dead = {"every": "2s", "profile": "energy/dlt645_single_phase", "address": "000000000099"}
            site["instruments"] += [
                # on the very line that Modbus and two kinds of meters share
                {"id": "dead-meter", "line": "bus", "timeout": "400ms", "serial": {"baudrate": 9600}, **dead},
                {"id": "babble", "line": "babble", "timeout": "300ms", **dead},
            ]
            gateway = Fieldgate(
                write_site(tmp_path / "site.yaml", local(site, tmp_path, broker.port)), tmp_path / "gateway.log"
            )
            with gateway.running():

                def enough() -> bool:
                    assert gateway.process is not None
                    assert gateway.process.poll() is None, "the gateway ended"
                    found = readings(city.batches())
                    whole = [one["instrument"] for one in found if None not in one["values"].values()]
                    empty = [one["instrument"] for one in found if set(one["values"].values()) == {None}]
                    return all(whole.count(name) >= 3 for name in GOOD) and all(empty.count(name) >= 3 for name in BAD)

                until(enough, "three whole readings of each good instrument, three nulls of each bad one", 150)
                assert gateway.stop() == 0
        samples = readings(city.batches())
        assert look_at(city.batches()).clean
    finally:
        city.stop()
        broker.stop()
    for sample in samples:
        if sample["instrument"] in BAD:
            assert set(sample["values"].values()) == {None}
            classes = {why.partition(":")[0] for why in sample["why"].values()}
            assert classes <= {"timeout", "line", "settling", "silent", "crc", "overrun"}
    for name in GOOD:
        mine = [sample for sample in samples if sample["instrument"] == name]
        assert all(set(sample["values"]) == set(mine[0]["values"]) for sample in mine)
