"""Every command that needs something to work with, from outside: a simulated station, a gateway on it, its log."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.gateway.cli.process import SITES, ended, environment, fieldgate, start, together
from tests.system.harness import free_port, until

POINTS = 22
"""Of the petrol station."""
PASSWORD = "a page's password"


@dataclass(frozen=True, slots=True)
class Station:
    """The petrol station, simulated by `fieldgate simulate` and polled by `fieldgate run`."""

    site: Path
    simulated: Path
    log: Path
    health: str


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("station")
    simulated, site = folder / "simulated.yaml", folder / "site.yaml"
    simulation = start("simulate", SITES / "petrol_station.yaml", "-o", simulated)
    running = []
    try:
        until(lambda: simulated.exists() and simulated.read_text("utf-8").endswith("}\n"), "the simulated site's file")
        health = f"127.0.0.1:{free_port()}"
        document = json.loads(simulated.read_text("utf-8"))
        password = folder / "password"
        password.write_text(PASSWORD, "utf-8")
        password.chmod(0o600)
        document |= {
            "log": {"path": str(folder / "log.db")},
            "health": {"listen": health, "password_file": str(password)},
        }
        document["instruments"] = [{**one, "every": "1s"} for one in document["instruments"]]
        del document["uplinks"]
        site.write_text(json.dumps(document), "utf-8")
        # `read` first: one port has one owner
        for wanted in ((), ("tank-pressure",)):
            running.append(fieldgate("read", simulated, *wanted, *(["--json"] if not wanted else [])))
        gateway = start("run", site)
        try:
            until(lambda: answers(f"http://{health}/status.json"), "the status page")
            until(lambda: measured(health), "values of every instrument")
            polled = batches(health)
            until(lambda: batches(health) > polled + 1, "the commit of these values")  # one may be under way
            yield Station(site, simulated, folder / "log.db", health)
        finally:
            gateway.send_signal(signal.SIGTERM)
            assert ended(gateway).code == 0
    finally:
        simulation.send_signal(signal.SIGINT)
        told = ended(simulation)
    assert told.code == 0, told
    assert "forecourt: /dev/pts/" in told.out
    every, one = running
    assert (every.code, one.code) == (0, 0), (every, one)
    assert len(every.json) == POINTS
    assert {row["flag"] for row in every.json} <= {"N", "T", "D"}
    assert "tank-pressure" in one.out
    assert "dispenser-1" not in one.out
    assert "Pa" in one.out


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def status_of(health: str) -> Any:
    with urlopen(f"http://{health}/status.json", timeout=5) as answer:
        return json.load(answer)


def measured(health: str) -> bool:
    return all(row["value_age_s"] is not None for row in status_of(health)["instruments"])


def batches(health: str) -> int:
    return int(status_of(health)["log"]["batches"])


def test_status_export_key_and_verify_tell_of_a_running_gateway(station: Station, tmp_path: Path) -> None:
    bundle = tmp_path / "day.zip"
    told, by_site, as_json, table, lines, nothing, key, key_json, bundled = together(
        ("status", "--address", station.health),
        ("status", station.site),
        ("status", station.site, "--json"),
        ("export", station.site),
        ("export", station.log, "--json", "--instrument", "tank-pressure"),
        ("export", station.site, "--instrument", "tank"),
        ("key", station.site),
        ("key", station.site, "--json"),
        ("export", station.site, "-f", "bundle", "-o", bundle),
    )
    assert (told.code, by_site.code, as_json.code) == (0, 0, 0), told
    assert "healthy" in told.out
    assert "tank-pressure" in told.out
    assert "line forecourt: up" in by_site.out
    assert "no uplink: batches stay in the log" in by_site.out
    assert re.search(r"clock (synced \(confirmed|holdover \(plausible|unset \(certainly)", by_site.out)
    assert "\x1b" not in told.out
    assert as_json.json["healthy"] is True

    assert (table.code, lines.code) == (0, 0)
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert {row["instrument"] for row in rows} >= {"dispenser-1", "tank-pressure"}
    assert table.err.strip() == f"{len(rows)} values"
    assert {json.loads(line)["instrument"] for line in lines.out.splitlines()} == {"tank-pressure"}

    assert (nothing.code, nothing.out.count("\n")) == (0, 1)
    assert "nothing of tank lies in this range; the site file has " in nothing.err

    public = key.out.strip()
    assert (key.code, key_json.code, len(public)) == (0, 0, 64)
    assert key_json.json == {"gateway": "petrol-017", "key": public}
    assert bundled.code == 0, bundled.err

    proven, log, other = together(
        ("verify", bundle, "--key", public), ("verify", station.log, "--json"), ("verify", bundle, "--key", "0" * 64)
    )
    assert (proven.code, log.code, other.code) == (0, 0, 1), proven.out + log.out + other.out
    assert log.json["consistent"] is True


def test_status_names_the_marks_that_stand_as_its_json_does(station: Station) -> None:
    until_ms = int(time.time()) * 1000 + 3_600_999
    mark = {"instrument": "dispenser-2", "flag": "C", "who": "Li Wei [2]", "until": until_ms}
    asked = Request(
        f"http://{station.health}/mark",
        json.dumps(mark).encode(),
        {
            "Content-Type": "application/json",
            "Origin": f"http://{station.health}",
            "Authorization": f"Basic {b64encode(f':{PASSWORD}'.encode()).decode()}",
        },
    )
    with urlopen(asked, timeout=30) as answer:
        assert answer.status == 200
    told, as_json = together(("status", "--address", station.health), ("status", station.site, "--json"))
    (line,) = [line for line in told.out.splitlines() if "marked" in line]
    found = re.fullmatch(r"dispenser-2: marked C \(calibration\) until (.+) by Li Wei \[2\]", line)
    assert found is not None, line
    assert datetime.fromisoformat(found[1]).timestamp() == until_ms // 1000
    marks = {row["id"]: row["mark"] for row in as_json.json["instruments"] if row["mark"]}
    assert marks == {"dispenser-2": {"flag": "C", "who": "Li Wei [2]", "until": until_ms}}


def test_second_gateway_and_second_reader_are_told_who_has_what_they_want(station: Station, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    text = station.site.read_text("utf-8")
    elsewhere.write_text(text.replace('"/dev/pts/', '"/dev/none/'), "utf-8")
    assert elsewhere.read_text("utf-8") != text
    same_port, same_log, reader = together(("run", station.site), ("run", elsewhere), ("read", station.site))
    assert (same_port.code, same_log.code) == (1, 1)
    assert "line forecourt: /dev/pts/" in same_port.err
    assert ": held by " in same_port.err  # the ports are looked at before the log: nothing is left behind
    assert "(pid " in same_port.err
    assert f"{station.log}-lock: the log is in use by process " in same_log.err
    assert "Traceback" not in same_port.err + same_log.err
    assert reader.code == 1, "no value could be had"
    assert "held by" in reader.out


def test_wrong_arguments_are_exit_2_and_say_what_is_right(station: Station, tmp_path: Path) -> None:
    table = tmp_path / "day.csv"
    table.write_text("instrument,point,time,ts,due,value,flag,why,unit\n", "utf-8")
    results = together(
        ("read", station.site, "tank"),
        ("run", station.site, "--log-level", "loud"),
        ("verify", station.log, "--key", "abc"),
        ("export", station.site, "--from", "yesterday"),
        ("export", station.log, "-f", "bundle", "-o", tmp_path / "x.zip"),
        ("export", station.log, "-f", "xml"),
        ("export", station.site, "--from", "2026-12-01", "--to", "2026-11-01"),
        ("verify", station.site),
        ("verify", table),
        ("replay", station.site, tmp_path),
    )
    assert [one.code for one in results] == [2] * len(results), results
    right = ("tank-pressure", "warning", "64 hex digits", "2026-11-23T08:00", "site file", "bundle", "is not before")
    right += ("is a settings file", "proves nothing", "the recording comes first")
    for one, words in zip(results, right, strict=True):
        assert words in one.err
        assert one.out == ""
        assert "Traceback" not in one.err


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    site = SITES / "petrol_station.yaml"
    absent = tmp_path / "absent.yaml"
    keyless = tmp_path / "site.yaml"
    document = site.read_text("utf-8").replace("/var/lib/fieldgate/log.db", str(tmp_path / "log.db"))
    keyless.write_text(document, "utf-8")
    results = together(
        ("status", "--address", nobody), ("verify", absent), ("export", keyless), ("key", keyless), ("read", keyless),
        ("export", absent),
    )  # fmt: skip
    assert [one.code for one in results] == [1] * len(results), results
    for one, words in zip(results[:4], (nobody, str(absent), str(tmp_path / "log.db"), "no key yet"), strict=True):
        assert words in one.err
        assert "Traceback" not in one.err
    assert "no such device" in results[4].out, "each value says why it is none"
    assert results[5].err == f"{absent}: No such file or directory\n"

    nowhere = tmp_path / "no folder" / "file"
    site = SITES / "noise_station.yaml"
    unwritable = together(("simulate", site, "-o", nowhere), ("simulate", site, "--truth", nowhere))
    assert [one.code for one in unwritable] == [1, 1], unwritable
    assert all(f"{nowhere}: No such file" in one.err and "Traceback" not in one.err for one in unwritable)

    wrong = together(*((command, absent) for command in ("run", "check", "read", "simulate", "key", "status")))
    assert [one.code for one in wrong] == [78] * len(wrong), wrong
    assert all(f"{absent}:1:1: cannot be read" in one.err for one in wrong)


def test_check_names_every_place_and_says_so_in_json(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = (SITES / "petrol_station.yaml").read_text("utf-8")
    wrong.write_text(text.replace("baudrate: 9600", "baudrat: 9600").replace("timezone:", "timezon:"), "utf-8")
    open_page = tmp_path / "open.yaml"
    text = (SITES / "petrol_station.yaml").read_text("utf-8")
    open_page.write_text(text.replace("127.0.0.1:9469", "0.0.0.0:9469\n  password_file: none"), "utf-8")
    good, good_json, warned, bad, bad_json, schema = together(
        ("check", SITES / "petrol_station.yaml"),
        ("check", SITES / "petrol_station.yaml", "--json"),
        ("check", open_page, "--json"),
        ("check", wrong),
        ("check", wrong, "--json"),
        ("schema",),
    )
    assert (good.code, good_json.code, bad.code, bad_json.code, schema.code) == (0, 0, 78, 78, 0)
    assert (warned.code, warned.json["ok"]) == (0, True)
    (warning,) = [one for one in warned.json["problems"] if "0.0.0.0:9469" in one["message"]]
    assert warning["level"] == "warning"
    assert warning["line"] == text[: text.index("127.0.0.1:9469")].count("\n") + 1
    assert "明文" in warning["zh"]
    assert "2 lines, 5 instruments" in good.out
    assert good_json.json["points"] == POINTS
    assert bad.out == ""
    places = [(one["line"], one["column"]) for one in bad_json.json["problems"] if one["level"] == "error"]
    assert len(places) >= 3
    assert all(f"{wrong}:{line}:{column}: " in bad.err for line, column in places)
    assert "did you mean 'baudrate'?" in bad.err
    assert set(schema.json["properties"]) >= {"gateway", "lines", "instruments"}


def test_output_into_a_pipe_that_closes_is_no_crash(station: Station) -> None:
    """`fieldgate export site.yaml | head -1`"""
    ended = subprocess.run(
        ["sh", "-c", '"$0" -m gateway export "$1" | head -1', sys.executable, str(station.site)],
        capture_output=True, text=True, env=environment(), timeout=50,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
    assert len(ended.stdout.splitlines()) == 1
    reading, writing = os.pipe()
    os.close(reading)
    gone = start("export", station.site, stdout=writing)
    os.close(writing)
    assert gone.communicate(timeout=50)[1] == "", "the log is not at fault"
    assert gone.returncode == 1
