"""DL/T 645: the reference's frames, every refusal by name, both editions, continuations."""

from fractions import Fraction

import pytest

from drivers.contract import Flag, Skip, Whole
from drivers.dlt645 import frame
from drivers.dlt645.driver import value
from drivers.dlt645.source import Dlt645Point
from drivers.errors import BadReply, Refused
from drivers.simulator.dlt645_meter import Dlt645Meter
from drivers.simulator.meter import Readings
from drivers.values import Measured
from gateway.settings.problem import SettingsError
from tests.fakes.meters import FunctionLine, at_once, fixed, instrument, made, polled, values

ENERGY = frame.Ask("000000000001", 0x11, bytes.fromhex("00000100"))
REPLY = frame.frame(frame.address_bytes("000000000001"), 0x91, bytes.fromhex("00000100 78563412"))


def asked(ask: frame.Ask, wake: int = 0):
    return frame.request(ask, 1.0, wake, 0)


@pytest.mark.parametrize(
    ("address", "control", "data", "wire"),
    [
        ("000000000001", 0x11, "00000100", "68 01 00 00 00 00 00 68 11 04 33 33 34 33 B3 16"),
        ("AAAAAAAAAAAA", 0x11, "00000100", "68 AA AA AA AA AA AA 68 11 04 33 33 34 33 AE 16"),
        ("AAAAAAAAAAAA", 0x13, "", "68 AA AA AA AA AA AA 68 13 00 DF 16"),
    ],
)
def test_frames_of_the_reference_are_made_and_found_right(address: str, control: int, data: str, wire: str) -> None:
    made_ = frame.frame(frame.address_bytes(address), control, bytes.fromhex(data))
    assert made_.hex(" ").upper() == wire
    assert frame.FRAMING.fault(made_) is None
    found = frame.parsed(made_)
    assert (frame.address_text(found.address), found.control, found.data) == (address, control, bytes.fromhex(data))


def test_the_public_frame_with_a_wrong_checksum_is_refused_by_name() -> None:
    wrong = bytes.fromhex("68 16 00 00 00 15 20 68 11 04 35 33 B3 35 85 16")
    assert frame.FRAMING.fault(wrong) == "checksum 85 received, 80 is right"
    assert frame.FRAMING.fault(wrong[:-2] + b"\x80\x16") is None
    # as an answer of that very meter it ends the exchange
    with pytest.raises(BadReply, match="checksum 85 received, 80 is right"):
        asked(frame.Ask("201500000016", 0x11, bytes(4))).receive(wrong)


def test_an_answer_is_found_behind_wake_up_bytes_and_byte_by_byte() -> None:
    receive = asked(ENERGY).receive
    coming = b"\xfe\xfe\xfe\xfe" + REPLY
    for end in range(len(coming)):
        assert receive(coming[:end]) is None, end
    assert receive(coming) == Whole(len(coming), b"\0\x78\x56\x34\x12")


def test_noise_and_other_meters_are_skipped_and_named() -> None:
    receive = asked(ENERGY).receive
    assert receive(b"\x00\x01" + REPLY) == Skip(2, "noise")
    other = frame.frame(frame.address_bytes("000000000002"), 0x91, bytes.fromhex("00000100 78563412"))
    assert receive(other) == Skip(len(other), "wrong_unit", ("dlt645", "000000000002"))
    assert receive(asked(ENERGY).frame) == Skip(16, "echo")
    spoilt = other[:-2] + bytes([other[-2] ^ 1]) + other[-1:]
    assert receive(spoilt) == Skip(1, "noise")


@pytest.mark.parametrize(
    ("control", "data", "fault"),
    [
        (0x94, "00000100 78563412", "wrong_function"),
        (0x91, "00000200 78563412", "wrong_echo"),
        (0x91, "0000", "wrong_echo"),
        (0x91, "", "wrong_echo"),
    ],
)
def test_what_is_not_the_answer_is_refused_by_name(control: int, data: str, fault: str) -> None:
    wrong = frame.frame(frame.address_bytes("000000000001"), control, bytes.fromhex(data))
    with pytest.raises(BadReply) as caught:
        asked(ENERGY).receive(wrong)
    assert caught.value.fault == fault


def test_a_frame_that_does_not_end_with_16_is_wrong() -> None:
    with pytest.raises(BadReply, match="ends with 17 instead of 16"):
        asked(ENERGY).receive(REPLY[:-1] + b"\x17")


def test_the_meters_refusal_says_why() -> None:
    refusal = frame.frame(frame.address_bytes("000000000001"), 0xD1, b"\x02")
    with pytest.raises(Refused, match="2 no such data"):
        asked(ENERGY).receive(refusal)
    old = frame.Ask("000000000001", 0x01, bytes.fromhex("1090"))
    with pytest.raises(Refused, match="2 wrong identifier"):
        asked(old).receive(frame.frame(frame.address_bytes("000000000001"), 0xC1, b"\x02"))


@pytest.mark.parametrize(
    ("identifier", "data", "number", "unit"),
    [
        ("00010000", "78 56 34 12", Fraction(12345678, 100), "kWh"),
        ("02010100", "34 22", Fraction(2234, 10), "V"),
        ("02020100", "50 12 00", Fraction(1250, 1000), "A"),
        ("02020100", "50 12 80", Fraction(-1250, 1000), "A"),
        ("02030000", "56 34 12", Fraction(123456, 10000), "kW"),
        ("02800002", "98 49", Fraction(4998, 100), "Hz"),
        ("02060000", "95 89", Fraction(-995, 1000), "1"),
        ("9010", "78 56 34 12", Fraction(12345678, 100), "kWh"),
        ("B611", "20 02", 220, "V"),
    ],
)
def test_identifiers_are_quantities(identifier: str, data: str, number: Fraction, unit: str) -> None:
    point = Dlt645Point(id="p", identifier=identifier)
    assert value(point, bytes.fromhex(data)) == Measured(number, unit)


def meter(spec, shown, **more) -> Dlt645Meter:
    return Dlt645Meter(Readings(spec, fixed(spec, shown)), **more)


def replies(one: Dlt645Meter):
    return lambda request: one.answer(request.lstrip(b"\xfe")) or b""


def test_a_poll_reads_each_identifier_once_and_decodes_all_points() -> None:
    spec = instrument({"profile": "energy/dlt645_three_phase", "address": "201500000016"})
    shown = {
        "energy_import": 123456.78,
        "voltage_b": 229.9,
        "current_c": -5.125,
        "power": 12.3456,
        "power_factor": -0.5,
    }
    line = FunctionLine(replies(meter(spec, shown)), byte_by_byte=True)
    sample = at_once(made(spec, line).poll())
    assert len(line.asked) == 7
    assert values(spec, sample) == {**dict.fromkeys(values(spec, sample), 0), **shown}
    assert sample.result == "ok"
    assert not sample.flags
    assert line.asked[0].startswith(b"\xfe\xfe\xfe\xfe\x68\x16\x00\x00\x00\x15\x20\x68\x11")


def test_the_wildcard_asks_the_only_meter_on_the_line() -> None:
    spec = instrument({"profile": "energy/dlt645_single_phase", "address": "AAAAAAAAAAAA"})
    one = meter(spec, {"energy": 1.5}, address="000012345678")
    assert values(spec, polled(spec, replies(one)))["energy"] == 1.5


def test_the_edition_of_1997_is_asked_in_its_own_way() -> None:
    spec = instrument({"profile": "energy/dlt645_1997", "address": 1})
    line = FunctionLine(replies(meter(spec, {"energy": 123.45, "current": 1.25, "voltage": 220})))
    sample = at_once(made(spec, line).poll())
    assert line.asked[0].lstrip(b"\xfe")[8:12] == bytes([0x01, 2, 0x43, 0xC3])
    assert values(spec, sample) == {"energy": 123.45, "voltage": 220, "current": 1.25, "power": 0}


@pytest.mark.parametrize("edition", [2007, 1997])
def test_what_follows_is_fetched_until_the_meter_says_that_it_was_all(edition: int) -> None:
    block = "0001FF00" if edition == 2007 else "901F"
    points = [{"id": f"t{part}", "identifier": block, "part": part} for part in range(64)]
    keys = {"protocol": "dlt645", "address": 1, "options": {"edition": edition}, "points": points}
    spec = instrument(keys)
    shown = {f"t{part}": part + 0.25 for part in range(64)}
    line = FunctionLine(replies(meter(spec, shown, part_bytes=100)))
    assert values(spec, at_once(made(spec, line).poll())) == shown
    assert len(line.asked) == 3


def test_a_block_that_never_ends_is_given_up() -> None:
    spec = instrument(
        {"protocol": "dlt645", "address": 1, "points": [{"id": "t", "identifier": "0001FF00", "part": 0}]}
    )
    head = bytes.fromhex("00FF0100")
    count = iter(range(100))

    def endless(request: bytes) -> bytes:
        number = next(count)
        tail = bytes([number]) if number else b""
        return frame.frame(frame.address_bytes("000000000001"), 0xB2 if number else 0xB1, head + bytes(4) + tail)

    sample = polled(spec, endless)
    assert sample.why[0].startswith("crc: more than 8 continuations")


def test_a_digit_that_is_none_is_null_with_flag_d() -> None:
    spec = instrument({"protocol": "dlt645", "address": 1, "points": [{"id": "v", "identifier": "02010100"}]})
    reply = frame.frame(frame.address_bytes("000000000001"), 0x91, bytes.fromhex("00010102 3F22"))
    sample = polled(spec, lambda request: reply)
    assert (sample.values, sample.flags) == ((None,), {0: Flag.FAULT})
    assert sample.why == {0: "invalid: 223f holds a digit that is none"}


def test_a_refused_identifier_costs_only_its_own_points() -> None:
    spec = instrument({"profile": "energy/dlt645_single_phase", "address": 1})
    one = meter(spec, {"energy": 5, "power": 1})
    voltage = bytes(byte + 0x33 for byte in bytes.fromhex("00010102"))

    def reply(request: bytes) -> bytes:
        if voltage in request:
            return frame.frame(one.address, 0xD1, b"\x02")
        return one.answer(request.lstrip(b"\xfe")) or b""

    sample = polled(spec, reply)
    assert sample.values == (5, None, 0, 1)
    assert sample.why == {1: "exception: 2 no such data"}
    assert sample.result == "exception"


def test_a_dead_meter_is_asked_once_a_poll() -> None:
    spec = instrument({"profile": "energy/dlt645_three_phase", "address": 1})
    line = FunctionLine(lambda request: b"")
    sample = at_once(made(spec, line).poll())
    assert len(line.asked) == 1
    assert set(sample.why.values()) == {"timeout: no answer in 1.0 s"}
    assert sample.result == "timeout"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"address": "12345678901X"}, "is no DL/T 645 address"),
        ({"points": [{"id": "p", "identifier": "99999999"}]}, "say `format`"),
        ({"points": [{"id": "p", "identifier": "9010"}]}, "edition 2007 has identifiers of 8 digits"),
        ({"points": [{"id": "p", "identifier": "0x1000"}]}, "is no data identifier"),
        ({"points": [{"id": "p", "identifier": "00010000", "format": "XXX"}]}, "is no format"),
        ({"points": [{"id": "p", "identifier": "04000501", "type": "bits"}]}, "needs `length`"),
        ({"options": {"flags": [{"point": "state", "bit": 1, "flag": "D"}]}}, "there is no point 'state'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(keys: dict, message: str) -> None:
    usual = {"protocol": "dlt645", "address": 1, "points": [{"id": "p", "identifier": "00010000"}]}
    with pytest.raises(SettingsError) as caught:
        instrument({**usual, **keys})
    assert message in str(caught.value)


def test_a_status_word_flags_the_values_it_speaks_of() -> None:
    keys = {
        "protocol": "dlt645",
        "address": 1,
        "points": [
            {"id": "energy", "identifier": "00010000"},
            {"id": "state", "identifier": "04000501", "type": "bits", "length": 2},
        ],
        "options": {"flags": [{"point": "state", "bit": 2, "flag": "D", "why": "clock battery low"}]},
    }
    spec = instrument(keys)
    sample = polled(spec, replies(meter(spec, {"energy": 7, "state": 4})))
    assert sample.values == (7, 4)
    assert sample.flags == {0: Flag.FAULT}
    assert sample.why == {0: "status: clock battery low (state is 4)"}
