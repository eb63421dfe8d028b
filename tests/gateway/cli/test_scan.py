"""`fieldgate scan` finds slaves by libmodbus, and proposes a site file that `check` takes and `read` reads."""

from pathlib import Path

import pytest

from tests.gateway.cli.process import fieldgate, together
from tests.peers.libmodbus import libmodbus_rtu

DISPENSER = {3: {2: 1, 3: 918, 4: 970, 5: 18, 8: 1, 9: 3396, 10: 3973, 11: 57}}


@pytest.mark.timeout(120)
def test_instrument_on_a_bus_is_found_and_the_proposed_site_reads_it(tmp_path: Path) -> None:
    found = tmp_path / "found.yaml"
    with libmodbus_rtu({161: DISPENSER}) as slave:
        told = fieldgate("scan", slave.path, "--addresses", "160-161", "-o", found, "--json")
        assert told.code == 0, told
        assert told.json["serial"] == {"baudrate": 9600, "parity": "none", "stopbits": 1}
        (only,) = told.json["found"]
        assert (only["address"], only["profile"]) == (161, "vapour_recovery/anysafe_al2")
        assert (only["good"], only["points"]) == (8, 8)
        assert found.read_text("utf-8") == told.json["site"]
        checked = fieldgate("check", found)
        read = fieldgate("read", found, "--json")
    assert checked.code == 0, checked
    assert read.code == 0, read
    values = {row["point"]: row["value"] for row in read.json}
    assert (values["n1_fuel"], values["n2_vapour"]) == (918, 3973)


def test_scan_that_finds_nobody_says_what_to_look_at_and_ends_in_its_time(tmp_path: Path) -> None:
    there = tmp_path / "there.yaml"
    there.write_text("{}", "utf-8")
    with libmodbus_rtu({161: DISPENSER}) as slave:
        silent = fieldgate("scan", slave.path, "--budget", "500ms", "--addresses", "1-99")
    wrong, kept, absent, unable = together(
        ("scan", "/dev/nowhere", "--addresses", "1-x"),
        ("scan", "/dev/nowhere", "-o", there),
        ("scan", "/dev/nowhere", "--addresses", "1"),
        ("scan", "/dev/nowhere", "--protocol", "smoke"),
    )
    assert silent.code == 1
    assert "the time is up" in silent.err
    assert "nobody answers" in silent.err
    assert (wrong.code, kept.code, absent.code, unable.code) == (2, 2, 1, 2)
    assert "1-32,161" in wrong.err
    assert "overwritten" in kept.err
    assert "/dev/nowhere, 9600 8N1: " in absent.err
    assert "these can: modbus" in unable.err
