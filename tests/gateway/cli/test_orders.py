"""`fieldgate orders` against a slave by libmodbus."""

import struct

from tests.gateway.cli.process import together
from tests.peers.libmodbus import libmodbus_tcp


def test_unknown_register_gives_the_line_to_paste() -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", 12.25))
    with libmodbus_tcp({4: {34: low, 35: high}}) as slave:
        line = f"tcp:127.0.0.1:{slave.port}"
        told, as_json, none, offline, given, wrong, nobody = together(
            ("orders", line, "34", "--table", "input", "--between", "12", "13"),
            ("orders", line, "33", "--table", "input", "--between", "12.2", "12.3", "--json"),
            ("orders", line, "34", "--table", "input", "--between", "1e30", "1e31"),
            ("orders", "tcp:127.0.0.1:1", "34"),
            ("orders", "34", "--hex", f"{low:04x} {high:04x}", "--between", "12", "13"),
            ("orders", "34", "--hex", "414"),
            ("orders", "ttyUSB0", "34"),
        )
    wanted = "{id: value, table: input, address: 34, type: float32, order: CDAB}"
    assert told.code == 0, told
    assert wanted in told.out
    assert "12.25" in told.out
    assert [(one["shift"], one["line"]) for one in as_json.json["meanings"]] == [(1, wanted)]
    assert (none.code, offline.code, given.code, wrong.code, nobody.code) == (1, 1, 0, 2, 2)
    assert "other table" in none.err
    assert "tcp:127.0.0.1:1" in offline.err
    assert wanted.replace("input", "holding") in given.out
    assert "two bytes for each" in wrong.err
    assert "/dev/ttyUSB0" in nobody.err
