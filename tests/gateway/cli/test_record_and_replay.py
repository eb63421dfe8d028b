"""`fieldgate record` against slaves by libmodbus, and what `fieldgate replay` makes of it."""

import copy
import json
import struct
from pathlib import Path
from typing import Any

from tests.gateway.cli.process import fieldgate, together
from tests.peers.libmodbus import libmodbus_rtu

SO2 = 12.25


def point(name: str, address: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "table": "holding", "address": address, "type": "uint16", **more}


def site(path: str) -> dict[str, Any]:
    often = {"every": "500ms"}
    points = [point("so2", 10, type="float32"), point("state", 14), point("count", 15, scale=0.5)]
    return {
        "gateway": {"id": "lab", "site": "Bench", "timezone": "Asia/Shanghai"},
        "lines": {"bus": {"serial": path, "baudrate": 115200, "timeout": "2s"}},
        "instruments": [
            {"id": f"unit-{unit}", "line": "bus", "protocol": "modbus", "address": unit, **often, "points": points}
            for unit in (1, 2)
        ],
    }  # fmt: skip


def write(file: Path, document: dict[str, Any]) -> Path:
    file.write_text(json.dumps(document), "utf-8")
    return file


def test_recorded_polls_are_the_same_under_the_same_site_and_named_under_another(tmp_path: Path) -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", SO2))
    tables = {3: {10: high, 11: low, 14: 3, 15: 9}}
    with libmodbus_rtu({1: tables, 2: tables}) as slave:
        old = write(tmp_path / "old.yaml", site(slave.path))
        told = fieldgate("record", old, "-o", tmp_path / "monday", "--seconds", "3")
    assert told.code == 0, told
    transcript = next((tmp_path / "monday").glob("bus-*.transcript"))
    assert str(transcript) in told.out
    text = transcript.read_text("utf-8")
    assert ' == unit-1 {"values":{"so2":12.25,"state":3,"count":4.5}}' in text

    document = site(slave.path)
    changed = copy.deepcopy(document)
    changed["instruments"][0]["points"][0]["order"] = "CDAB"
    changed["instruments"][1]["points"] = [point("state", 14), point("spare", 11)]
    swapped = struct.unpack(">f", struct.pack(">HH", low, high))[0]
    new = write(tmp_path / "new.yaml", changed)
    bare = tmp_path / "bare.transcript"
    bare.write_text("".join(row for row in text.splitlines(True) if " == " not in row), "utf-8")
    elsewhere = write(tmp_path / "elsewhere.yaml", {**document, "lines": {"b2": document["lines"]["bus"]},
                      "instruments": [{**one, "line": "b2"} for one in document["instruments"]]})  # fmt: skip
    broken = tmp_path / "broken.transcript"
    broken.write_text("# line bus\n1.0 >> 01 03\nfrog\n", "utf-8")

    same, other, short, values, against, wrong, unread = together(
        ("replay", tmp_path / "monday", old),
        ("replay", tmp_path / "monday", new, "--json"),
        ("replay", tmp_path / "monday", new, "--summary"),
        ("replay", bare, old, "--json"),
        ("replay", bare, new, "--against", old),
        ("replay", tmp_path / "monday", elsewhere),
        ("replay", broken, old),
    )
    assert (same.code, same.out) == (0, ""), same
    assert "no difference" in same.err
    assert other.code == 1, other
    found = {(one["instrument"], one["point"]): one for one in other.json["differences"]}
    assert set(found) == {("unit-1", "so2"), ("unit-2", "so2"), ("unit-2", "count"), ("unit-2", "spare")}
    assert found["unit-1", "so2"]["was"] == {"value": SO2, "flag": "N"}
    assert struct.pack(">f", found["unit-1", "so2"]["now"]["value"]) == struct.pack(">f", swapped)
    assert found["unit-2", "count"]["now"] is None
    assert found["unit-2", "spare"]["now"] == {"value": low, "flag": "N"}, "put together from another read"
    assert "unit-1.so2: " in short.out
    assert values.code == 0
    assert {one["points"]["so2"]["value"] for one in values.json["values"]} == {SO2}
    assert against.code == 1
    assert "unit-2.spare: (not read) -> " in against.out
    assert (wrong.code, unread.code) == (1, 1)
    assert "say which with --line: b2" in wrong.err
    assert "broken.transcript: line 3: 'frog' is no line of a transcript" in unread.err
