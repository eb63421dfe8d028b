"""Every protocol beside Modbus, simulated, through the real process into a mosquitto; some share a line with Modbus."""

from pathlib import Path
from typing import Any

import pytest

from tests.system.beside import delivered, peer

LINES: dict[str, dict[str, Any]] = {
    "bus": {"serial": "/dev/ttyUSB3", "baudrate": 19200, "timeout": "400ms"},
    "probe": {"serial": "/dev/ttyUSB4", "baudrate": 9600, "timeout": "1s"},
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


@pytest.mark.timeout(180)
def test_every_protocol_delivers_beside_modbus_a_dead_and_a_babbling_instrument(tmp_path: Path) -> None:
    dead = {"every": "2s", "profile": "energy/dlt645_single_phase", "address": "000000000099"}
    with peer(babbles=True) as loud:
        bad_lines = {"babble": {"tcp": f"127.0.0.1:{loud}", "timeout": "300ms"}}
        bad = {
            # on the very line that Modbus and two kinds of meters share
            "dead-meter": {"line": "bus", "timeout": "400ms", "serial": {"baudrate": 9600}, **dead},
            "babble": {"line": "babble", "timeout": "300ms", **dead},
        }
        good = {name: {"every": "2s", **keys} for name, keys in GOOD.items()}
        delivered(tmp_path, LINES, good, bad_lines, bad, 150)
