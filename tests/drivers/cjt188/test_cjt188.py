"""CJ/T 188: the reference's frames, every refusal by name, both orders of the identifier, units converted."""

import pytest

from drivers.cjt188 import frame
from drivers.contract import Flag, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.simulator.cjt188_meter import Cjt188Meter
from drivers.simulator.meter import Readings
from gateway.settings.problem import SettingsError
from tests.fakes.meters import FunctionLine, at_once, fixed, instrument, made, polled, values

ADDRESS = "11223344556677"
OWN = frame.address_bytes(ADDRESS)
ASK = frame.Ask(0x10, ADDRESS, 0x901F, "high_first")
DATA = bytes.fromhex("78563400 2C 00000000 2C 00001224112620 0000")
REPLY = frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x01" + DATA)


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("AAAAAAAAAAAAAA", "68 10 AA AA AA AA AA AA AA 01 03 90 1F 01 D2 16"),
        ("11223344556677", "68 10 77 66 55 44 33 22 11 01 03 90 1F 01 08 16"),
        ("00000015111384", "68 10 84 13 11 15 00 00 00 01 03 90 1F 01 E9 16"),
    ],
)
def test_frames_of_the_reference_are_made_and_found_right(address: str, wire: str) -> None:
    sent = frame.request(frame.Ask(0x10, address, 0x901F, "high_first"), 1.0, 0, 0).frame
    assert sent.hex(" ").upper() == wire
    assert frame.FRAMING.fault(sent) is None


def test_the_identifier_may_be_sent_and_answered_in_either_order() -> None:
    low = frame.request(frame.Ask(0x10, ADDRESS, 0x901F, "low_first"), 1.0, 0, 0)
    assert low.frame[11:14] == b"\x1f\x90\x01"
    for head in (b"\x90\x1f\x01", b"\x1f\x90\x01"):
        for order in ("high_first", "low_first"):
            receive = frame.request(frame.Ask(0x10, ADDRESS, 0x901F, order), 1.0, 0, 0).receive
            reply = frame.frame(0x10, OWN, 0x81, head + DATA)
            assert receive(reply) == Whole(len(reply), DATA)


def test_an_answer_is_found_behind_wake_up_bytes_and_byte_by_byte() -> None:
    receive = frame.request(ASK, 1.0, 3, 0).receive
    coming = b"\xfe\xfe\xfe" + REPLY
    for end in range(len(coming)):
        assert receive(coming[:end]) is None, end
    assert receive(coming) == Whole(len(coming), DATA)


def test_noise_and_other_meters_are_skipped_and_named() -> None:
    request = frame.request(ASK, 1.0, 0, 0)
    assert request.receive(b"\x00" + REPLY) == Skip(1, "noise")
    other = frame.frame(0x10, frame.address_bytes("00000000000002"), 0x81, b"\x90\x1f\x01" + DATA)
    assert request.receive(other) == Skip(len(other), "wrong_unit", ("cjt188", "00000000000002"))
    assert request.receive(request.frame) == Skip(16, "echo")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (frame.frame(0x10, OWN, 0x84, b"\x90\x1f\x01" + DATA), "control 84 answers 01"),
        (frame.frame(0x10, OWN, 0x81, b"\x90\x2f\x01" + DATA), "identifier 90 2f answers 90 1f"),
        (frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x02" + DATA), "serial number 02 answers 01"),
        (frame.frame(0x20, OWN, 0x81, b"\x90\x1f\x01" + DATA), "a meter of kind 20 answers, asked was 10"),
        (REPLY[:-2] + bytes([REPLY[-2] ^ 0x10, 0x16]), "is right"),
        (REPLY[:-1] + b"\x17", "ends with 17 instead of 16"),
    ],
)
def test_what_is_not_the_answer_is_refused_by_name(reply: bytes, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        frame.request(ASK, 1.0, 0, 0).receive(reply)


def test_the_meters_refusal_is_an_exception() -> None:
    with pytest.raises(Refused, match="the meter refuses: 01 02 00"):
        frame.request(ASK, 1.0, 0, 0).receive(frame.frame(0x10, OWN, 0xC1, b"\x01\x02\x00"))


def heat(data: str) -> bytes:
    return frame.frame(0x20, OWN, 0x81, b"\x90\x1f\x01" + bytes.fromhex(data))


HEAT = (
    "00000000 05  78563412 05  50020000 17  00505501 35  45670000 2C  305600  254500  123400  00001224112620  {status}"
)


def test_every_field_of_a_heat_meter_comes_in_the_points_own_unit() -> None:
    spec = instrument({"profile": "heat/cjt188_heat_meter", "address": ADDRESS})
    sample = polled(spec, lambda request: heat(HEAT.format(status="0000")), byte_by_byte=True)
    assert values(spec, sample) == {
        "heat": 444.444408,  # 123456.78 kWh x 3.6e6 J / 1e9
        "power": 2.5,
        "flow": 155.5,
        "volume": 67.45,
        "supply_temperature": 56.3,
        "return_temperature": 45.25,
        "hours": 3412,
        "status": 0,
    }
    assert not sample.flags


def test_a_low_battery_flags_what_the_profile_says() -> None:
    spec = instrument({"profile": "heat/cjt188_heat_meter", "address": ADDRESS})
    sample = polled(spec, lambda request: heat(HEAT.format(status="0400")))
    flagged = {spec.points[index].id: flag for index, flag in sample.flags.items()}
    assert flagged == dict.fromkeys(("heat", "power", "flow", "volume"), Flag.FAULT)
    assert sample.values[0] is not None


def test_an_unknown_unit_is_null_and_named() -> None:
    spec = instrument({"protocol": "cjt188", "address": ADDRESS, "options": {"kind": 16},
                       "points": [{"id": "volume", "field": "volume", "unit": "m3"}]})  # fmt: skip
    reply = frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x01" + DATA[:4] + b"\x77" + DATA[5:])
    sample = polled(spec, lambda request: reply)
    assert sample.why == {0: "invalid: unit 77 is not known"}
    wrong = frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x01" + DATA[:4] + b"\x05" + DATA[5:])
    assert polled(spec, lambda request: wrong).why == {0: "invalid: the instrument gives kWh, the point is in m3"}


def test_data_that_is_too_short_for_the_points_is_no_answer() -> None:
    spec = instrument({"profile": "water/cjt188_water_meter", "address": ADDRESS})
    short = frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x01" + DATA[:10])
    sample = polled(spec, lambda request: short)
    assert set(sample.why.values()) == {"crc: 10 bytes of data, 19 are right"}


def test_a_makers_own_field_and_the_meters_time() -> None:
    keys = {
        "protocol": "cjt188",
        "address": "AAAAAAAAAAAAAA",
        "options": {"kind": 0x11, "order": "low_first"},
        "points": [
            {"id": "time", "field": "time"},
            {"id": "pressure", "at": 19, "length": 2, "decimals_on_wire": 1, "unit": "kPa"},
            {"id": "door", "at": 21, "length": 1, "type": "bits"},
        ],
    }
    spec = instrument(keys)
    one = Cjt188Meter(Readings(spec, fixed(spec, {"pressure": 101.3, "door": 3})), address="00000000000077")
    line = FunctionLine(lambda request: one.answer(request.lstrip(b"\xfe")) or b"")
    sample = at_once(made(spec, line).poll())
    assert values(spec, sample) == {"time": "2026-11-24T12:00:00", "pressure": 101.3, "door": 3}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"address": "1234567890123X"}, "is no CJ/T 188 address"),
        ({"points": [{"id": "p", "field": "heat"}]}, "a meter of kind 10 has no heat"),
        ({"points": [{"id": "p"}]}, "say where the value is"),
        ({"points": [{"id": "p", "at": 5}]}, "`at` and `length` go together"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(keys: dict, message: str) -> None:
    usual = {"protocol": "cjt188", "address": 1, "options": {"kind": 16}, "points": [{"id": "v", "field": "volume"}]}
    with pytest.raises(SettingsError) as caught:
        instrument({**usual, **keys})
    assert message in str(caught.value)


def test_a_time_that_cannot_be_is_null() -> None:
    spec = instrument({"protocol": "cjt188", "address": ADDRESS, "options": {"kind": 16},
                       "points": [{"id": "time", "field": "time"}]})  # fmt: skip
    reply = frame.frame(0x10, OWN, 0x81, b"\x90\x1f\x01" + DATA[:10] + bytes(7) + DATA[17:])
    assert polled(spec, lambda request: reply).why == {0: "invalid: 00000000000000 is no time"}
