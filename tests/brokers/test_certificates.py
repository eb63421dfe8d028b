"""Certificates that went wrong: named in status and metrics, data kept, and put right without a restart."""

import datetime
import json
import urllib.request
from pathlib import Path

import pytest
import trustme

from tests.peers.pymodbustcp import pymodbustcp
from tests.system.harness import Fieldgate, Mosquitto, Subscriber, free_port, look_at, until, write_site
from tests.system.sites import counters, local

pytestmark = pytest.mark.timeout(180)
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


class SecureBroker:
    """A mosquitto with a TLS listener that wants client certificates, and a plain one for the subscriber."""

    def __init__(self, folder: Path) -> None:
        self.plain = Mosquitto(folder)
        self.port = free_port()
        self.folder = folder
        with self.plain.config.open("a") as out:
            out.write(
                f"listener {self.port} 127.0.0.1\ncafile {folder}/clients.pem\ncertfile {folder}/broker.pem\n"
                f"keyfile {folder}/broker.key\nrequire_certificate true\n"
            )

    def present(self, certificate: trustme.LeafCert, clients: trustme.CA) -> None:
        """Start with this certificate; end the one before."""
        certificate.private_key_pem.write_to_path(self.folder / "broker.key")
        (self.folder / "broker.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        clients.cert_pem.write_to_path(self.folder / "clients.pem")
        for file in self.folder.iterdir():
            file.chmod(0o644)
        self.plain.stop()
        self.plain.start()


def renew(folder: Path, certificate: trustme.LeafCert) -> None:
    """Put the gateway's certificate and key into place."""
    certificate.private_key_pem.write_to_path(folder / "own.key")
    (folder / "own.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "own.key").chmod(0o600)


def test_bad_certificates_are_named_and_renewed_ones_are_taken_without_a_restart(tmp_path: Path) -> None:
    old, new = trustme.CA(organization_name="old"), trustme.CA(organization_name="new")
    old.cert_pem.write_to_path(tmp_path / "ca.pem")
    renew(tmp_path, old.issue_cert("gateway@example.org", not_after=YESTERDAY))
    broker = SecureBroker(tmp_path / "broker")
    broker.present(old.issue_cert("127.0.0.1", not_after=YESTERDAY), old)
    city = Subscriber(broker.plain, tmp_path / "feed.txt")
    with pymodbustcp({3: dict.fromkeys(range(20), 7)}) as slave:
        document = local(counters({"a": slave.port}), tmp_path, 1)
        files = {"ca_file": "ca.pem", "cert_file": "own.pem", "key_file": "own.key"}
        document["uplinks"]["city"] = {
            "mqtt": f"mqtts://127.0.0.1:{broker.port}", **files, "reconnect_min": "500ms", "reconnect_max": "500ms",
            "unheard_retry": "1s",
        }  # fmt: skip
        gateway = Fieldgate(write_site(tmp_path / "site.yaml", document), tmp_path / "gateway.log")
        with gateway.running():
            page = Page(document["health"]["listen"])
            wanted = page.named

            wanted("the broker's certificate has expired", "tls_expired")
            broker.present(old.issue_cert("other.example.org"), old)
            wanted("for another address than 127.0.0.1", "tls_host")
            broker.present(new.issue_cert("127.0.0.1"), old)
            wanted("not signed by an authority in ca_file", "tls_ca")
            new.cert_pem.write_to_path(tmp_path / "ca.pem")
            wanted("this gateway's certificate has expired", "tls_client_expired")
            assert not city.batches()
            assert page.expiry() < datetime.datetime.now(datetime.UTC).timestamp()
            (tmp_path / "own.pem").unlink()
            wanted("own.pem: No such file", "file")
            renew(tmp_path, old.issue_cert("gateway@example.org"))
            until(lambda: page.uplink()["connected"] and page.uplink()["backlog"] == 0, "delivery with renewed files")
            assert page.expiry() > datetime.datetime.now(datetime.UTC).timestamp()
            assert gateway.stop() == 0
        found = look_at(city.batches())
        assert found.clean
        assert found.batches > 5
    city.stop()
    broker.plain.stop()


class Page:
    """What the gateway tells of its uplink `city`."""

    def __init__(self, listen: str) -> None:
        self._base = f"http://{listen}"

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._base + path, timeout=10) as answer:
            return answer.read()

    def uplink(self) -> dict:
        """Its row of the status."""
        try:
            return json.loads(self._get("/status.json"))["uplinks"][0]
        except OSError:
            return {"trouble": None, "connected": False, "backlog": -1}

    def named(self, words: str, cause: str) -> None:
        """Wait until the status says so in words and the metrics in one."""
        until(lambda: words in (self.uplink()["trouble"] or ""), f"{words!r}; it says {self.uplink()['trouble']!r}")
        metric = f'fieldgate_uplink_connection_failures_total{{cause="{cause}",uplink="city"}}'
        assert metric.encode() in self._get("/metrics")

    def expiry(self) -> float:
        """certificate_expiry_timestamp_seconds."""
        lines = self._get("/metrics").decode().splitlines()
        return float(next(line for line in lines if line.startswith("fieldgate_certificate_expiry")).split()[-1])
