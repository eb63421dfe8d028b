"""Simulated instruments through the real process into a mosquitto, with instruments beside them that do their worst."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system.harness import Fieldgate, Mosquitto, Subscriber, look_at, readings, until, write_site
from tests.system.sites import local

ROOT = Path(__file__).parents[2]
Keys = dict[str, Any]


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


def delivered(
    folder: Path,
    lines: Mapping[str, Keys],
    good: Mapping[str, Keys],
    bad_lines: Mapping[str, Keys],
    bad: Mapping[str, Keys],
    patience_s: float,
) -> list[Keys]:
    """Every sample of the feed, once each good instrument gave three whole ones and each bad one three of nulls.

    `lines` and `good` are simulated, `bad_lines` are as they say; bad instruments are on any of them.
    """
    broker = Mosquitto(folder / "broker")
    broker.start()
    city = Subscriber(broker, folder / "feed.txt")
    document = {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": dict(lines),
        "instruments": [{"id": name, **keys} for name, keys in good.items()],
    }
    try:
        with simulated(document, folder) as site:
            site["lines"] |= bad_lines
            site["instruments"] += [{"id": name, **keys} for name, keys in bad.items()]
            gateway = Fieldgate(
                write_site(folder / "site.yaml", local(site, folder, broker.port)), folder / "gateway.log"
            )
            with gateway.running():

                def enough() -> bool:
                    assert gateway.process is not None
                    assert gateway.process.poll() is None, "the gateway ended"
                    found = readings(city.batches())
                    whole = [one["instrument"] for one in found if None not in one["values"].values()]
                    empty = [one["instrument"] for one in found if set(one["values"].values()) == {None}]
                    return all(whole.count(name) >= 3 for name in good) and all(empty.count(name) >= 3 for name in bad)

                until(enough, "three whole readings of each good instrument, three nulls of each bad one", patience_s)
                assert gateway.stop() == 0
        assert look_at(city.batches()).clean
        samples = readings(city.batches())
    finally:
        city.stop()
        broker.stop()
    for sample in samples:
        if sample["instrument"] in bad:
            assert set(sample["values"].values()) == {None}
            classes = {why.partition(":")[0] for why in sample["why"].values()}
            assert classes <= {"timeout", "line", "settling", "silent", "crc", "overrun"}
    for name in good:
        mine = [sample for sample in samples if sample["instrument"] == name]
        assert all(set(sample["values"]) == set(mine[0]["values"]) for sample in mine)
        assert all(None not in sample["values"].values() for sample in mine if not sample["flags"])
    return samples
