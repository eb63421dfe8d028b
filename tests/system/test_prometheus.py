"""Prometheus itself (Debian's package) scrapes a running gateway; promtool finds nothing to say of what it serves."""

import json
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.libmodbus import libmodbus_tcp
from tests.system.harness import Fieldgate, Mosquitto, free_port, until, write_site
from tests.system.sites import counters, local


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A Prometheus that scrapes `target` every second; its address."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: fieldgate, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address={address}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def asked(address: str, expression: str) -> list[dict]:
    """The result of an instant query, [] while Prometheus is not up yet."""
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{query}", timeout=5) as answer:
            return json.load(answer)["data"]["result"]
    except (urllib.error.URLError, OSError):
        return []


def test_prometheus_scrapes_a_running_gateway_and_promtool_is_silent(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    try:
        with libmodbus_tcp({3: dict.fromkeys(range(20), 7)}) as slave:
            document = local(counters({"plc": slave.port}), tmp_path, broker.port)
            gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
            target = document["health"]["listen"]
            with gateway.running(), prometheus(tmp_path / "prometheus", target) as address:
                until(lambda: asked(address, "fieldgate_polls_total{result='ok'} > 5"), "scraped polls")
                (up,) = asked(address, "up{job='fieldgate'}")
                assert up["value"][1] == "1"
                (instrument,) = asked(address, "fieldgate_instrument_up")
                assert (instrument["metric"]["instrument"], instrument["value"][1]) == ("plc", "1")
                until(lambda: asked(address, "rate(fieldgate_polls_total{result='ok'}[5s]) > 5"), "its rate")
                with urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as answer:
                    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                    served = answer.read()
                checked = subprocess.run(
                    ["promtool", "check", "metrics"], input=served, capture_output=True, timeout=30
                )
                assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
                assert gateway.stop() == 0
    finally:
        broker.stop()
