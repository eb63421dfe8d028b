"""Instruments that do not speak Modbus, simulated, beside one that does, through the real process into a mosquitto."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import local

ROOT = Path(__file__).parents[2]
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


@contextmanager
def simulated(document: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """`fieldgate simulate` as a process; the site with its lines at the simulators."""
    site, out = write_site(folder / "real.yaml", document), folder / "simulated.yaml"
    command = [sys.executable, "-m", "gateway", "simulate", str(site), "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:

        def there() -> bool:
            assert process.poll() is None, "the simulation ended"
            return out.exists() and out.read_text().endswith("}\n")

        until(there, "the simulated site")
        yield json.loads(out.read_text("utf-8"))
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def peer(babbles: bool) -> Iterator[int]:
    """A TCP instrument that never answers, or never stops; its port."""
    server = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []
    ended = threading.Event()

    def babble(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.wait(0.002):
                connection.sendall(os.urandom(64))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                taken.append(connection)
                if babbles:
                    threading.Thread(target=babble, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in taken:
            connection.close()


def test_every_protocol_delivers_beside_a_dead_and_a_babbling_instrument(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    city = Subscriber(broker, tmp_path / "feed.txt")
    document = {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": LINES,
        "instruments": [{"id": name, "every": "1s", **keys} for name, keys in GOOD.items()],
    }
    try:
        with (
            simulated(document, tmp_path) as site,
            peer(babbles=False) as silent,
            peer(babbles=True) as loud,
            peer(babbles=True) as louder,
        ):
            site["lines"] |= {
                "dead": {"tcp": f"127.0.0.1:{silent}", "timeout": "300ms"},
                "babble": {"tcp": f"127.0.0.1:{loud}", "timeout": "300ms"},
                "chatter": {"tcp": f"127.0.0.1:{louder}"},
            }
            asked = {"profile": "generic/scale_mt_sics", "address": "x", "every": "1s", "timeout": "300ms"}
            site["instruments"] += [
                {"id": "dead", "line": "dead", **asked},
                {"id": "babble", "line": "babble", **asked},
                {"id": "chatter", "line": "chatter", **asked, "profile": "generic/weighbridge_continuous"},
            ]
            gateway = Fieldgate(
                write_site(tmp_path / "site.yaml", local(site, tmp_path, broker.port)), tmp_path / "gateway.log"
            )
            with gateway.running():

                def enough() -> bool:
                    assert gateway.process is not None
                    assert gateway.process.poll() is None, "the gateway ended"
                    found = readings(city.batches())
                    good = [one["instrument"] for one in found if not one["flags"]]
                    bad = [one["instrument"] for one in found if one["flags"]]
                    return all(good.count(name) >= 3 for name in GOOD) and all(
                        bad.count(name) >= 3 for name in ("dead", "babble", "chatter")
                    )

                until(enough, "three good readings of each, three nulls of each bad one", 45)
                assert gateway.stop() == 0
        samples = readings(city.batches())
        assert look_at(city.batches()).clean
    finally:
        city.stop()
        broker.stop()
    for sample in samples:
        if sample["instrument"] not in GOOD:
            assert set(sample["values"].values()) == {None}
            assert all(
                why.partition(":")[0] in ("timeout", "line", "settling", "silent", "crc")
                for why in sample["why"].values()
            )
        elif not sample["flags"]:
            assert None not in sample["values"].values()
    assert all("at" in sample for sample in samples if sample["instrument"] in OWN_TIME and not sample["flags"])
    assert not any("at" in sample for sample in samples if sample["instrument"] in ("plc", "scale", "bridge"))
