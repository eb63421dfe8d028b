"""`fieldgate scan` finds the simulated instruments of every protocol, and proposes a site file that reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.process import Ended, together
from tests.system.beside import simulated
from tests.system.harness import free_port

pytestmark = pytest.mark.timeout(240)
SERIAL = {"baudrate": 9600}
LINES: dict[str, dict[str, Any]] = {
    "dlt645": {"serial": "/dev/ttyUSB0", **SERIAL},
    "cjt188": {"serial": "/dev/ttyUSB1", **SERIAL},
    "mbus": {"tcp": "127.0.0.1:4001"},
    "sdi12": {"serial": "/dev/ttyUSB2", **SERIAL},
    "bayern_hessen": {"tcp": "127.0.0.1:4002"},
    "veeder_root": {"tcp": "127.0.0.1:10001"},
    "text-asked": {"serial": "/dev/ttyUSB3", **SERIAL},
    "text-speaks": {"serial": "/dev/ttyUSB4", **SERIAL},
    "hj212-asked": {"tcp": "127.0.0.1:4003"},
    "hj212-pushes": {"serial": "/dev/ttyUSB5", **SERIAL},
    "hj212-calls": {"listen": f"127.0.0.1:{free_port()}"},
}
INSTRUMENTS: Mapping[str, dict[str, Any]] = {
    "dlt645": {"profile": "energy/dlt645_single_phase", "address": "000000000016"},
    "cjt188": {"profile": "water/cjt188_water_meter", "address": "11223344556677"},
    "mbus": {"profile": "room/elvaco_cma11", "address": 2},
    "sdi12": {"profile": "water/sdi12_water_probe", "address": "3"},
    "bayern_hessen": {"profile": "air/acoem_serinus40", "address": "any"},
    "veeder_root": {"profile": "vapour_recovery/veeder_root_tls350", "address": 0},
    "text-asked": {"profile": "generic/scale_mt_sics", "address": "scale"},
    "text-speaks": {"profile": "position/nmea_gps", "address": "gps"},
    "hj212-asked": {"profile": "boiler_cems/hj212_cems", "address": "31000000000001"},
    "hj212-pushes": {
        "profile": "water/hj212_wastewater", "address": "88888880000001234567", "options": {"listen": True},
    },
    "hj212-calls": {"profile": "water/hj212_wastewater", "address": "MN1"},
}  # fmt: skip
MORE: Mapping[str, tuple[str, ...]] = {
    "mbus": ("--addresses", "1-3"),
    "sdi12": ("--addresses", "2,3"),
    "text-speaks": ("--listen", "3s"),
    "hj212-asked": ("--addresses", "@mns.txt"),
    "hj212-pushes": ("--listen", "3s"),
    "hj212-calls": ("--listen", "3s"),
}

READ = ("dlt645", "mbus", "sdi12", "text-asked", "hj212-asked", "hj212-pushes")
"""Whose proposed site files are polled; the others' are only checked, to save time."""


@dataclass
class Scanned:
    """One scan, and what the proposed site file is good for."""

    told: Ended
    tried: Ended


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scanned]:
    folder = tmp_path_factory.mktemp("scanned")
    document = {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": LINES,
        "instruments": [{"id": name, "line": name, "every": "1s", **keys} for name, keys in INSTRUMENTS.items()],
    }
    (folder / "mns.txt").write_text("# what the operator knows\n31000000000000\n31000000000001  # the stack\n", "utf-8")
    with simulated(document, folder) as site:
        scans = [
            (
                "scan", place(name, site, folder), "--protocol", name.partition("-")[0],
                "--json", "-o", folder / f"{name}.yaml", *MORE.get(name, ()),
            )
            for name in LINES
        ]  # fmt: skip
        told = together(*scans, cwd=folder)
        tries = [
            ("read", folder / f"{name}.yaml", "--json") if name in READ else ("check", folder / f"{name}.yaml")
            for name in LINES
        ]
        tried = together(*tries)
    return {name: Scanned(told[at], tried[at]) for at, name in enumerate(LINES)}


def test_sensor_is_given_another_address_only_on_a_word(tmp_path: Path) -> None:
    document = {
        "gateway": {"id": "test-1"},
        "lines": {"sdi12": LINES["sdi12"]},
        "instruments": [{"id": "probe", "line": "sdi12", **INSTRUMENTS["sdi12"]}],
    }
    with simulated(document, tmp_path):
        line = f"{tmp_path / 'simulated.yaml'}#sdi12"
        (unsaid,) = together(("address", line, "3", "4"))  # standard input is empty: nobody says yes
        (taken,) = together(("address", line, "3", "3", "--yes"))
        (changed,) = together(("address", line, "3", "4", "--yes"))
        (absent,) = together(("address", line, "3", "5", "--yes"))
    assert (unsaid.code, taken.code, changed.code, absent.code) == (1, 1, 0, 1), (unsaid, changed)
    assert "4 answers, 3 does no more" in changed.out
    assert "'3' is its address already; nothing was changed" in taken.err
    assert "nobody answers at '3'; nothing was changed" in absent.err


def place(name: str, site: dict[str, Any], folder: Path) -> str:
    """As a technician would name the line: a port with its settings in the site file, or an endpoint."""
    line = site["lines"][name]
    kind = next(kind for kind in ("serial", "tcp", "listen") if kind in line)
    return f"{folder / 'simulated.yaml'}#{name}" if kind == "serial" else f"{kind}:{line[kind]}"


@pytest.mark.parametrize("name", LINES)
def test_instruments_of_every_protocol_are_found_and_read(scanned: dict[str, Scanned], name: str) -> None:
    one, wanted = scanned[name], INSTRUMENTS[name]
    assert one.told.code == 0, one.told
    (found,) = one.told.json["found"]
    assert found["address"] == wanted["address"]
    assert found["said"]
    assert found["good"] >= 1
    assert one.tried.code == 0, one.tried
    if name in READ:
        assert any(row["value"] is not None for row in one.tried.json)


def test_profile_that_fits_is_proposed(scanned: dict[str, Scanned]) -> None:
    """Where profiles differ in nothing that an instrument says, any of them fits."""
    proposed = {name: one.told.json["found"][0]["profile"] for name, one in scanned.items()}
    sure = ("sdi12", "veeder_root", "text-asked", "text-speaks", "hj212-asked", "hj212-pushes", "hj212-calls")
    assert {name: proposed[name] for name in sure} == {name: INSTRUMENTS[name]["profile"] for name in sure}
