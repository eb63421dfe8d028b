"""Instruments that do not speak Modbus, simulated, beside one that does, through the real process into a mosquitto."""

from pathlib import Path
from typing import Any

from tests.system.beside import delivered, peer

GOOD: dict[str, dict[str, Any]] = {
    "plc": {"line": "plc", "profile": "generic/pressure_transmitter", "address": 1},
    "scale": {"line": "scale", "profile": "generic/scale_mt_sics", "address": "scale"},
    "gps": {"line": "gps", "profile": "position/nmea_gps", "address": "gps"},
    "voc": {"line": "voc", "profile": "generic/voc_printer", "address": "voc", "options": {"whole_from_start": True}},
    "bridge": {"line": "bridge", "profile": "generic/weighbridge_continuous", "address": "bridge"},
    "box": {
        "line": "box",
        "profile": "generic/host_raspberry_pi",
        "address": "box",
        "points": [
            {"id": "door", "gpio": "gpiochip0", "line": 17, "active_low": True},
            {"id": "level", "iio": "ads1115", "channel": "in_voltage0", "unit": "mV"},
        ],
    },
    "cems": {"line": "cems", "profile": "boiler_cems/hj212_cems", "address": "CEMS1"},
    "logger": {"line": "loggers", "profile": "water/hj212_wastewater", "address": "MN1"},
    "hour": {"line": "loggers", "profile": "water/hj212_wastewater_hour", "address": "MN1"},
}
OWN_TIME = ("gps", "voc", "cems", "logger", "hour")
LINES = {
    "box": {"local": "/"},
    "cems": {"serial": "/dev/ttyUSB2", "baudrate": 115200},
    "loggers": {"listen": "127.0.0.1:7003"},
    "plc": {"tcp": "127.0.0.1:502"},
    "scale": {"serial": "/dev/ttyUSB0", "baudrate": 9600},
    "gps": {"serial": "/dev/ttyUSB1", "baudrate": 9600},
    "voc": {"listen": "127.0.0.1:7001"},
    "bridge": {"tcp": "127.0.0.1:7002"},
}


def test_every_protocol_delivers_beside_a_dead_and_a_babbling_instrument(tmp_path: Path) -> None:
    asked = {"profile": "generic/scale_mt_sics", "address": "x", "every": "1s", "timeout": "300ms"}
    with peer(babbles=False) as silent, peer(babbles=True) as loud, peer(babbles=True) as louder:
        bad_lines = {
            "dead": {"tcp": f"127.0.0.1:{silent}", "timeout": "300ms"},
            "babble": {"tcp": f"127.0.0.1:{loud}", "timeout": "300ms"},
            "chatter": {"tcp": f"127.0.0.1:{louder}"},
        }
        bad = {name: {"line": name, **asked} for name in bad_lines}
        bad["chatter"]["profile"] = "generic/weighbridge_continuous"
        good = {name: {"every": "1s", **keys} for name, keys in GOOD.items()}
        samples = delivered(tmp_path, LINES, good, bad_lines, bad, 90)
    assert all("at" in sample for sample in samples if sample["instrument"] in OWN_TIME and not sample["flags"])
    assert not any("at" in sample for sample in samples if sample["instrument"] in ("plc", "scale", "bridge"))
