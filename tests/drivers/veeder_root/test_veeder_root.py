"""Veeder-Root consoles: the reference's capture, every refusal by name, inventory, alarms, fields of other reports."""

import struct
from pathlib import Path

import pytest

from drivers.contract import Flag, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.frames import split
from drivers.simulator.meter import Readings
from drivers.simulator.veeder_root_console import VeederRootConsole
from drivers.veeder_root import frame
from drivers.veeder_root.reports import Alarm, alarms, tanks
from gateway.settings.problem import SettingsError
from tests.fakes.meters import FunctionLine, at_once, fixed, instrument, made, polled, values

CAPTURE = b"\x01i101002312301342020402&&FB3B\x03"


def asked(function: str = "101", device: str = "00"):
    return frame.request(function, device, "etx", ("veeder_root", 0), 1.0, 0)


def test_console_with_a_security_code_is_asked_with_it(tmp_path: Path) -> None:
    file = tmp_path / "code"
    file.write_text("A12345\n")
    keys = {"profile": "vapour_recovery/veeder_root_tls350", "address": 0}
    spec = instrument({**keys, "options": {"security_code_file": str(file)}})
    console = VeederRootConsole(Readings(spec, fixed(spec, {"t1_volume": 1234})))
    asked_for: list[bytes] = []

    def reply(request: bytes) -> bytes:
        asked_for.append(request)
        (heard,) = split(frame.COMMANDS, bytearray(request))
        return console.answer(heard) or b""

    assert values(spec, polled(spec, reply))["t1_volume"] == 1234
    assert asked_for[0] == b"\x01A12345i10100\x03"
    without = polled(instrument(keys), reply)
    assert without.why[0].startswith("exception: 9999 function")
    file.write_text("12345")
    with pytest.raises(SettingsError, match="holds no security code: six letters or digits"):
        instrument({**keys, "options": {"security_code_file": str(file)}})


def test_the_checksum_of_the_capture_is_made_and_found_right() -> None:
    assert frame.checksum(CAPTURE[:-5]) == b"FB3B"
    assert frame.FRAMING.fault(CAPTURE) is None
    assert frame.checksum(b"\x019999") == b"FF1B"
    report = frame.parsed(asked().receive(CAPTURE).payload)
    assert report == frame.Report("2312301342", "020402")
    assert alarms(report.data) == (Alarm(2, 4, 2),)


@pytest.mark.parametrize(
    ("terminator", "wire"), [("etx", b"\x01i20100\x03"), ("cr", b"\x01i20100\r"), ("none", b"\x01i20100")]
)
def test_commands_end_as_the_console_wants(terminator, wire: bytes) -> None:
    assert frame.command("201", "00", terminator) == wire


def test_a_report_is_found_byte_by_byte_and_in_noise() -> None:
    receive = asked().receive
    for end in range(len(CAPTURE)):
        assert receive(CAPTURE[:end]) is None, end
    assert receive(CAPTURE) == Whole(len(CAPTURE), b"2312301342020402")
    assert receive(b"\r\n" + CAPTURE) == Whole(len(CAPTURE) + 2, b"2312301342020402")
    assert receive(b"xyz" + CAPTURE) == Skip(3, "noise")
    assert receive(b"\x01i10" + CAPTURE) == Skip(4, "noise")


def test_a_wrong_checksum_is_refused_by_name() -> None:
    with pytest.raises(BadReply, match="checksum FB3C received, FB3B is right"):
        asked().receive(CAPTURE.replace(b"FB3B", b"FB3C"))
    with pytest.raises(BadReply, match="no && and checksum before ETX"):
        asked().receive(CAPTURE.replace(b"&&FB3B", b""))
    with pytest.raises(BadReply, match="checksum FB3B received"):
        asked().receive(CAPTURE.replace(b"020402", b"020403"))


def test_our_own_command_is_no_answer() -> None:
    assert asked().receive(asked().frame) == Skip(1, "noise")


def test_another_report_is_refused_by_name() -> None:
    with pytest.raises(BadReply, match="'i10100' answers i20100"):
        asked("201").receive(CAPTURE)


def test_a_function_without_its_key_is_refused_by_name() -> None:
    assert frame.FRAMING.fault(frame.NOT_UNDERSTOOD) is None
    with pytest.raises(Refused, match="function V0A is not understood, or its software key is not there"):
        asked("V0A").receive(frame.NOT_UNDERSTOOD)


def floats(*numbers: float) -> str:
    return "".join(struct.pack(">f", number).hex().upper() for number in numbers)


def test_the_inventory_is_exact() -> None:
    data = "011000007" + floats(12345.6, 12300, 7654.4, 1450.25, 12.5, 18.3, 45) + "02A00020" + "2" + floats(1, 2)
    found = tanks(data)
    assert found[1].values == (12345.6, 12300, 7654.4, 1450.25, 12.5, 18.3, 45)
    assert (found[2].product, found[2].status, found[2].values) == ("A", 2, (1, 2))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("0110000", "begins no tank"),
        ("01100000744", "tank 1 has no 7 values"),
        ("011000001" + "4E4E4E4G", "tank 1 has no 1 values"),
        ("011000000" * 2, "tank 1 comes twice"),
        ("xx1000000", "begins no tank"),
    ],
)
def test_what_is_no_inventory_is_refused_by_name(data: str, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        tanks(data)


def test_what_are_no_alarms_is_refused_by_name() -> None:
    with pytest.raises(BadReply, match="are no alarms of six characters each"):
        alarms("02040")
    assert alarms("000000") == ()
    assert alarms("1A0203") == (Alarm(26, 2, 3),)


def test_a_report_without_a_time_is_refused_by_name() -> None:
    with pytest.raises(BadReply, match="no time in"):
        frame.parsed(b"23123")


TLS = {"profile": "vapour_recovery/veeder_root_tls350", "address": 0}


def test_a_poll_asks_each_report_once() -> None:
    spec = instrument(TLS)
    shown = {"t1_volume": 12345.6, "t2_height": 1450.25, "t2_temperature": 18.3, "t1_status": 3, "alarms": 2}
    one = VeederRootConsole(Readings(spec, fixed(spec, shown)))
    line = FunctionLine(lambda request: one.answer(request) or b"", byte_by_byte=True)
    sample = at_once(made(spec, line).poll())
    assert line.asked == [b"\x01i10100\x03", b"\x01i20100\x03"]
    assert values(spec, sample) == {**dict.fromkeys(values(spec, sample), 0), **shown}
    assert not sample.flags


def console(data: dict[str, str], points: list[dict], options: dict | None = None):
    spec = instrument({"protocol": "veeder_root", "address": 0, "points": points, "options": options or {}})

    def reply(request: bytes) -> bytes:
        function, device = request[2:5].decode(), request[5:7].decode()
        known = data.get(function)
        return frame.NOT_UNDERSTOOD if known is None else frame.report(function, device, "2312301342", known)

    return spec, polled(spec, reply)


def test_alarms_are_true_while_they_are_active() -> None:
    points = [
        {"id": "any", "alarm": {"category": 2, "type": 4}},
        {"id": "tank2", "alarm": {"category": 2, "type": 4, "device": 2}},
        {"id": "tank1", "alarm": {"category": 2, "type": 4, "device": 1}},
        {"id": "count", "value": "alarms"},
        {"id": "time", "value": "time"},
    ]
    spec, sample = console({"101": "020402"}, points)
    assert values(spec, sample) == {
        "any": True, "tank2": True, "tank1": False, "count": 1, "time": "2023-12-30T13:42",
    }  # fmt: skip


def test_the_consoles_units_become_the_points() -> None:
    points = [
        {"id": "volume", "tank": 1, "value": "volume", "unit": "L"},
        {"id": "height", "tank": 1, "value": "height", "unit": "mm"},
        {"id": "temperature", "tank": 1, "value": "temperature", "unit": "°C"},
    ]
    data = "011000007" + floats(100, 0, 0, 10, 0, 50, 0)
    spec, sample = console({"201": data}, points, {"volume": "gal", "length": "in", "temperature": "°F"})
    assert values(spec, sample) == {"volume": 378.5411784, "height": 254, "temperature": 10}


def test_a_tank_that_is_not_there_is_null_and_nan_is_null() -> None:
    points = [{"id": "t1", "tank": 1, "value": "volume", "unit": "L"}, {"id": "t3", "tank": 3, "value": "volume"}]
    _, sample = console({"201": "0110000017FC00000"}, points)
    assert sample.why == {0: "invalid: not a number", 1: "invalid: the report has no tank 3"}
    assert sample.flags == {0: Flag.FAULT, 1: Flag.COMMUNICATION}


def test_other_reports_are_read_field_by_field_and_cost_only_their_own_points() -> None:
    points = [
        {"id": "a", "function": "V0A", "at": 0, "length": 2, "type": "hex"},
        {"id": "b", "function": "V0A", "at": 2, "length": 4, "type": "digits"},
        {"id": "c", "function": "V0A", "at": 6, "length": 8},
        {"id": "d", "function": "V0A", "at": 14, "length": 4, "type": "text"},
        {"id": "e", "function": "V0A", "at": 18, "length": 4, "type": "text"},
        {"id": "f", "function": "V03", "at": 0, "length": 2, "type": "hex"},
    ]
    _, sample = console({"V0A": "1F0042" + floats(1.1) + "PASS"}, points)
    assert sample.values == (31, 42, 1.1, "PASS", None, None)
    assert sample.why[4] == "invalid: the report ends before character 22"
    assert sample.why[5].startswith("exception: 9999 function V03 is not understood")
    _, sample = console({"V0A": "zz00x2" + "zzzzzzzz" + "PASS"}, points[:3])
    assert sample.why == {
        0: "invalid: 'zz' is no hex number", 1: "invalid: '00x2' is no number",
        2: "invalid: 'zzzzzzzz' is no hex number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({}, "say what it is"),
        ({"value": "volume"}, "a value of a tank says `tank`"),
        ({"value": "alarms", "tank": 1}, "a value of a tank says `tank`"),
        ({"function": "V0A"}, "needs `at` and `length`"),
        ({"function": "v0a", "at": 0, "length": 8}, "function"),
        ({"function": "V0A", "at": 0, "length": 4}, "a float has 8 characters"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(point: dict, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        instrument({"protocol": "veeder_root", "address": 0, "points": [{"id": "p", **point}]})
    assert message in str(caught.value)
