"""M-Bus: the answers of real meters, every refusal by name, FCB, selection, several telegrams."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from drivers import units
from drivers.contract import Flag, Skip, Whole
from drivers.errors import BadReply, Refused
from drivers.mbus import frame
from drivers.mbus.records import Record, telegram
from drivers.simulator.mbus_meter import MbusMeter
from drivers.simulator.meter import Readings
from drivers.values import Measured, Odd
from gateway.settings.problem import SettingsError
from tests.drivers.mbus.telegrams import TELEGRAMS
from tests.fakes.meters import FunctionLine, at_once, fixed, instrument, made, polled, values

FIVE = frame.address(5)


def payload(name: str) -> bytes:
    raw = bytes.fromhex(TELEGRAMS[name][0])
    verdict = frame.data_request(frame.address(frame.ANYBODY), True, 1.0, 0).receive(raw)
    assert isinstance(verdict, Whole)
    return verdict.payload


def normal(record: Record) -> tuple[str, int, str | None, float | str, str]:
    """A record as the reference has it, with its unit normalised."""
    raw = record.raw
    if not isinstance(raw, Measured):
        assert isinstance(raw, str)
        return record.function, record.storage, record.quantity, raw, ""
    unit = {"d": "s", "h": "s", "min": "s"}.get(raw.unit or "", raw.unit or "")
    number = raw.number if isinstance(raw.number, float) else Fraction(raw.number)
    if unit and unit != raw.unit:
        number = number * units.conversion(raw.unit or "", unit)[0]
    return record.function, record.storage, record.quantity, float(number), unit


@pytest.mark.parametrize("name", TELEGRAMS)
def test_answers_of_real_meters_mean_what_the_reference_says(name: str) -> None:
    _, identification, manufacturer, version, wanted = TELEGRAMS[name]
    found = telegram(payload(name))
    assert found.header.identity[:4][::-1].hex() == identification
    assert frame.manufacturer_letters(int.from_bytes(found.header.identity[4:6], "little")) == manufacturer
    assert found.header.identity[6] == version
    assert len(found.records) == len(wanted)
    for record, (function, storage, quantity, value, unit) in zip(found.records, wanted, strict=True):
        got = normal(record)
        assert got[:3] == (function, storage, quantity)
        if isinstance(value, str):
            assert isinstance(got[3], str)
            assert value.removesuffix(":00Z").removesuffix("Z") == got[3]
        else:
            assert got[3] == pytest.approx(value, rel=1e-6, abs=1e-6)
            assert got[4] == unit


def test_numbers_have_no_binary_noise() -> None:
    volume = next(one for one in telegram(payload("allmess_cf50")).records if one.quantity == "volume")
    assert volume.raw == Measured(Fraction(3, 10), "m3")
    power = next(one for one in telegram(payload("SEN_Pollustat")).records if one.quantity == "power")
    # the float32 -0.17072178 (its shortest text) in kW
    assert power.raw == Measured(Fraction("-170.72178"), "W")


def test_a_record_with_another_meaning_is_not_taken_for_the_plain_one() -> None:
    """The Pollustat sends three flows; two of them are counters of excess, told by their VIFE."""
    flows = [one for one in telegram(payload("SEN_Pollustat")).records if one.quantity == "flow"]
    assert [one.modifiers for one in flows] == [b"", b"\x50", b"\x58"]
    spec = instrument({"protocol": "mbus", "address": 4, "points": [
        {"id": "flow", "value": "flow", "unit": "m3/h"},
        {"id": "energy", "value": "energy", "modifiers": "3B", "unit": "kWh"},
        {"id": "errors", "vif": "FD 17", "function": "error"},
    ]})  # fmt: skip
    raw = bytes.fromhex(TELEGRAMS["SEN_Pollustat"][0])
    raw = raw[:5] + b"\x04" + raw[6:]
    sample = polled(spec, lambda request: b"\xe5" if request[1] == frame.SND_NKE else raw)
    assert values(spec, sample) == {"flow": 3.230039, "energy": 39831, "errors": 67108864}


@pytest.mark.parametrize(
    ("profile", "name", "wanted"),
    [
        (
            "room/elvaco_cma11",
            "elv_temp_humid",
            {"temperature": 22.56, "humidity": 45.64, "temperature_min": 21.6, "temperature_max": 23.39, "input": 0,
             "status": 0},
        ),
        (
            "room/elvaco_cma11",
            "ELV-Elvaco-CMa10",
            {"temperature": 20.94, "humidity": 54.1, "temperature_min": 13.72, "temperature_max": 29.78, "input": 2,
             "status": 0},
        ),
        (
            "energy/mbus_sdm630",
            "eastron_sdm630",
            {**dict.fromkeys(("voltage_1", "voltage_2", "voltage_3"), 1234.56),
             **dict.fromkeys(("current_1", "current_2", "current_3"), 123.456), "power": 12345.6},
        ),
    ],
)  # fmt: skip
def test_profiles_find_their_records_in_real_answers(profile: str, name: str, wanted: dict) -> None:
    raw = bytes.fromhex(TELEGRAMS[name][0])
    spec = instrument({"profile": profile, "address": raw[5]})

    def reply(request: bytes) -> bytes:
        if request[1] == frame.SND_NKE:
            return b"\xe5"
        # the captured answers announce a second telegram: it is empty here
        return raw if request[1] & frame.FCB else frame.long(8, raw[5], 0x72, raw[7:19])

    assert values(spec, polled(spec, reply, byte_by_byte=True)) == wanted


@pytest.mark.parametrize(
    ("made_", "wire"),
    [
        (frame.short(frame.SND_NKE, 5), "10 40 05 45 16"),
        (frame.short(frame.REQ_UD2, 5), "10 5b 05 60 16"),
        (frame.short(frame.REQ_UD2 | frame.FCB, 5), "10 7b 05 80 16"),
        (
            frame.select(frame.address("24011561-ELV-16-00"), 1).frame,
            "68 0b 0b 68 53 fd 52 61 15 01 24 96 15 16 00 fe 16",
        ),
    ],
)
def test_frames_are_made_as_the_standard_says(made_: bytes, wire: str) -> None:
    assert made_.hex(" ") == wire
    assert frame.FRAMING.fault(made_) is None


def answer(
    control: int = 8, address: int = 5, ci: int = 0x72, data: str = "78563412 a71a 01 04 01 00 0000 0413 e8030000"
):
    return frame.long(control, address, ci, bytes.fromhex(data))


def test_an_answer_is_found_byte_by_byte() -> None:
    receive = frame.data_request(FIVE, True, 1.0, 0).receive
    for end in range(len(answer())):
        assert receive(answer()[:end]) is None, end
    assert receive(answer()) == Whole(len(answer()), answer()[6:-2])


def test_noise_other_meters_and_our_own_echo_are_skipped_and_named() -> None:
    request = frame.data_request(FIVE, True, 1.0, 0)
    assert request.receive(b"\x00\x01" + answer()) == Skip(2, "noise")
    assert request.receive(answer(address=6)) == Skip(len(answer()), "wrong_unit", ("mbus", 6))
    assert request.receive(request.frame) == Skip(5, "echo")
    assert request.receive(b"\xe5") == Skip(1, "noise")
    reset = frame.reset(FIVE, 1.0)
    assert reset.receive(answer()) == Skip(len(answer()), "noise")
    assert reset.receive(b"\xe5") == Whole(1, b"")


def test_a_telegram_that_comes_again_is_not_a_new_one() -> None:
    again = frame.data_request(FIVE, False, 1.0, 0, before=answer()[6:-2])
    assert again.receive(answer()) == Skip(len(answer()), "late")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (answer()[:-2] + bytes([answer()[-2] ^ 4, 0x16]), "checksum"),
        (answer()[:-1] + b"\x00", "ends with 00 instead of 16"),
        (answer(control=0), "control 00 answers a data request"),
    ],
)
def test_what_is_not_the_answer_is_refused_by_name(raw: bytes, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        frame.data_request(FIVE, True, 1.0, 0).receive(raw)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("73 00", "the fixed data structure \\(CI 73\\) is not read"),
        ("51 00", "CI 51 is no variable data structure"),
        ("72 00", "1 bytes are too short for a header of 12"),
        ("72 78563412 a71a 01 04 01 00 0005 0413 e8030000", "encrypted \\(mode 5\\), and there is no key"),
        ("72 78563412 a71a 01 04 01 00 0007 0413 e8030000", "encrypted \\(mode 7\\)"),
        ("72 78563412 a71a 01 04 01 00 0000 0413 e803", "a record is cut short"),
        ("72 78563412 a71a 01 04 01 00 0000 84", "a record is cut short"),
        ("72 78563412 a71a 01 04 01 00 0000 04" + "93" * 11 + "00 00000000", "more than 10 extensions"),
        ("72 78563412 a71a 01 04 01 00 0000 3f", "DIF 3F is reserved"),
        ("72 78563412 a71a 01 04 01 00 0000 0d13ff", "length FF of variable data is reserved"),
    ],
)
def test_what_cannot_be_read_to_its_end_is_refused_by_name(data: str, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        telegram(bytes.fromhex(data))


ENCRYPTED = "72 78563412 9315 33 03 2a 00 2025 5923c95aaa26d1b2e7493b013ec4a6f6d3529b520edff0ea6defc99d6d69ebf3"
"""The gas meter of annex N of the OMS specification (volume 2), its records under the long header; the key is below."""
KEY = bytes.fromhex("0102030405060708090a0b0c0d0e0f11")


def test_telegram_of_the_oms_specification_is_opened_with_its_key() -> None:
    found = telegram(bytes.fromhex(ENCRYPTED), KEY)
    assert [(one.quantity, one.raw) for one in found.records] == [
        ("volume", Measured(Fraction(2850427, 100), "m3")), ("time", "2008-05-31T23:50"), ("error_flags", Measured(0)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "key", "words"),
    [
        (ENCRYPTED, KEY[::-1], "encrypted with another key"),
        (ENCRYPTED.replace("9315", "9415"), KEY, "encrypted with another key"),
        (ENCRYPTED.replace("2025", "3025"), KEY, "48 bytes are encrypted and 32 are there"),
        ("7a" + ENCRYPTED[ENCRYPTED.index(" 2a ") :], KEY, "without the identification"),
    ],
)
def test_what_cannot_be_opened_is_refused_by_name(data: str, key: bytes, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        telegram(bytes.fromhex(data), key)


def test_meter_that_encrypts_is_read_with_its_key_and_not_without(tmp_path: Path) -> None:
    file = tmp_path / "meter.key"
    file.write_text(KEY.hex() + "\n")
    keys = {"profile": "heat/mbus_heat_meter", "address": 5}
    with_key = instrument({**keys, "options": {"key_file": str(file)}})
    meter = MbusMeter(Readings(with_key, fixed(with_key, {"power": 12})))
    sample = polled(with_key, lambda request: meter.answer(request) or b"")
    assert values(with_key, sample)["power"] == 12
    without = polled(instrument(keys), lambda request: meter.answer(request) or b"")
    assert set(without.values) == {None}
    assert without.why[0].startswith("crc: encrypted (mode 5), and there is no key")
    file.write_text("frog")
    with pytest.raises(SettingsError, match="holds no key: 32 hexadecimal digits"):
        instrument({**keys, "options": {"key_file": str(file)}})


def test_an_application_error_says_why() -> None:
    with pytest.raises(Refused, match="8 application busy"):
        frame.data_request(FIVE, True, 1.0, 0).receive(answer(ci=0x70, data="08"))


@pytest.mark.parametrize(
    ("record", "raw"),
    [
        ("0113 ff", Measured(Fraction(-1, 1000), "m3")),
        ("0213 00 80", Measured(Fraction(-32768, 1000), "m3")),
        ("0313 ff ff ff", Measured(Fraction(-1, 1000), "m3")),
        ("0613 010000000000", Measured(Fraction(1, 1000), "m3")),
        ("0713 ffffffffffffff7f", Measured(Fraction(2**63 - 1, 1000), "m3")),
        ("0c13 78563412", Measured(Fraction(12345678, 1000), "m3")),
        ("0e13 907856341200", Measured(Fraction(1234567890, 1000), "m3")),
        ("0a5a 1200 ".strip(), Measured(Fraction(12, 10), "°C")),
        ("0a5a 12f0", Measured(Fraction(-12, 10), "°C")),
        ("0a5a 1a00", Odd("001a holds a digit that is none")),
        ("0013", Odd("the record carries no data")),
        ("0493 15 00000000", Odd("no data available")),
        ("0493 7d 01000000", Measured(1, "m3")),
        ("04fb 09 01000000", Measured(1, "GJ")),
        ("0d78 03 433241", "A2C"),
        ("0d13 c2 3412", Measured(Fraction(1234, 1000), "m3")),
        ("0d13 d2 3412", Measured(Fraction(-1234, 1000), "m3")),
        ("0d13 e2 e803", Measured(1, "m3")),
        ("026c ff2f", Odd("ff 2f is no date")),
        ("046d 80 00 00 00", Odd("80 00 00 00 is marked as an invalid time")),
        ("016c 05", Odd("05 is no date or time of a known type")),
        ("04ff 01 05000000", Measured(5)),
    ],
)
def test_records_of_every_kind(record: str, raw: object) -> None:
    found = telegram(bytes.fromhex("78" + record)).records
    assert [one.raw for one in found] == [raw]


def test_storage_tariff_and_subunit_come_from_their_extensions() -> None:
    (record,) = telegram(bytes.fromhex("78 d4d1 92 00 13 01000000".replace(" ", ""))).records
    # DIF D4: storage bit 0; DIFE D1: storage 1 (x2), tariff 1, subunit 1; DIFE 92: storage 2 (x32), tariff 1 (x4)
    assert (record.storage, record.tariff, record.subunit) == (1 + 2 + 64, 1 + 4, 1)
    assert record.function == "maximum"


def meter(spec, shown, **more) -> MbusMeter:
    return MbusMeter(Readings(spec, fixed(spec, shown)), **more)


def replies(one: MbusMeter) -> Callable[[bytes], bytes]:
    return lambda request: one.answer(request) or b""


def test_each_poll_resets_the_meter_and_reads_it_once() -> None:
    spec = instrument({"profile": "heat/mbus_heat_meter", "address": 5})
    line = FunctionLine(replies(meter(spec, {"heat": 1.8, "supply_temperature": 71.25, "volume": 12})))
    driver = made(spec, line)
    for _ in range(2):
        sample = at_once(driver.poll())
        assert values(spec, sample)["heat"] == 1.8
        assert values(spec, sample)["supply_temperature"] == 71.25
        assert not sample.flags
    assert [frame_.hex() for frame_ in line.asked] == ["1040054516", "107b058016"] * 2


def test_telegrams_are_fetched_with_alternating_fcb_until_no_more_follow() -> None:
    spec = instrument({"profile": "heat/mbus_heat_meter", "address": 5})
    line = FunctionLine(replies(meter(spec, {"heat": 3.6, "difference": 30.5}, records_each=3)))
    sample = at_once(made(spec, line).poll())
    assert values(spec, sample)["heat"] == 3.6
    assert values(spec, sample)["difference"] == 30.5
    assert [frame_[1] for frame_ in line.asked] == [0x40, 0x7B, 0x5B, 0x7B]


def test_a_meter_with_endless_telegrams_is_given_up() -> None:
    spec = instrument({"profile": "water/mbus_water_meter", "address": 5, "options": {"most_telegrams": 3}})
    count = iter(range(100))

    def endless(request: bytes) -> bytes:
        if request[1] == frame.SND_NKE:
            return b"\xe5"
        return answer(data=f"78563412 a71a 01 04 {next(count):02x} 00 0000 1f")

    assert set(polled(spec, endless).why.values()) == {"crc: more than 3 telegrams"}


def test_a_meter_is_selected_by_its_number_and_must_be_the_one_that_answers() -> None:
    spec = instrument({"profile": "heat/mbus_heat_meter", "address": "12345678"})
    line = FunctionLine(replies(meter(spec, {"heat": 7.2})))
    driver = made(spec, line)
    assert values(spec, at_once(driver.poll()))["heat"] == 7.2
    assert values(spec, at_once(driver.poll()))["heat"] == 7.2
    # at the start nobody knows the meter's FCB: the first answer is read for nothing
    assert [frame_[4] if frame_[0] == 0x68 else frame_[1] for frame_ in line.asked] == [
        0x53, 0x7B, 0x5B, 0x53, 0x7B,
    ]  # fmt: skip
    stranger = answer(address=9, data="99999999 a71a 01 04 01 00 0000 0413 e8030000")
    sample = polled(spec, lambda request: b"\xe5" if request[0] == 0x68 else stranger)
    assert set(sample.why.values()) == {"crc: meter 99999999 answers for the one that was selected"}


@pytest.mark.parametrize(
    ("mask", "identity", "fits"),
    [
        ("12345678", "12345678 a71a 01 04", True),
        ("1234FFFF", "12345678 a71a 01 04", True),
        ("1234FFF9", "12345678 a71a 01 04", False),
        ("12345678-FGT-01-04", "12345678 f418 01 04", True),
        ("12345678-FGT-02-04", "12345678 f418 01 04", False),
        ("12345678-FFFF-FF-07", "12345678 f418 01 04", False),
        ("12345678-FFFF-FF-04", "12345678 f418 01 04", True),
    ],
)
def test_wildcards_of_a_selection(mask: str, identity: str, fits: bool) -> None:
    data = bytes.fromhex(identity)
    assert frame.address(mask).fits(data[:4][::-1] + data[4:]) is fits


def test_without_reset_the_driver_keeps_the_fcb_and_starts_anew_after_a_failure() -> None:
    spec = instrument({"profile": "water/mbus_water_meter", "address": 5, "options": {"initialise": False}})
    one = meter(spec, {"volume": 4})
    dead = False
    line = FunctionLine(lambda request: b"" if dead else one.answer(request) or b"")
    driver = made(spec, line)
    at_once(driver.poll())
    at_once(driver.poll())
    dead = True
    at_once(driver.poll())
    dead = False
    assert values(spec, at_once(driver.poll()))["volume"] == 4
    assert [frame_[1] for frame_ in line.asked] == [0x40, 0x7B, 0x5B, 0x7B, 0x40, 0x7B]


def test_a_record_that_does_not_come_is_null_with_its_reason() -> None:
    spec = instrument({"profile": "heat/mbus_heat_meter", "address": 5})
    sample = polled(spec, lambda request: b"\xe5" if request[1] == frame.SND_NKE else answer())
    assert values(spec, sample)["volume"] == 1
    assert sample.why[0] == "invalid: the meter sends no such record"
    assert sample.flags[0] is Flag.COMMUNICATION


def test_an_error_in_the_status_flags_every_value() -> None:
    spec = instrument({"profile": "water/mbus_water_meter", "address": 5})
    reply = answer(data="78563412 a71a 01 04 01 08 0000 0413 e8030000")
    sample = polled(spec, lambda request: b"\xe5" if request[1] == frame.SND_NKE else reply)
    assert sample.values == (1, 8)
    assert sample.flags == {0: Flag.FAULT}
    assert sample.why == {0: "status: permanent error (status is 8)"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"address": 251}, "251 is no primary address"),
        ({"address": "1234"}, "is no M-Bus address"),
        ({"points": [{"id": "p", "value": "enerjy"}]}, "there is no value 'enerjy'"),
        ({"points": [{"id": "p"}]}, "say which record"),
        ({"points": [{"id": "p", "value": "text_unit"}]}, "`text` and `value: text_unit` go together"),
        ({"points": [{"id": "p", "vif": "xyz"}]}, "is no hex"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(keys: dict, message: str) -> None:
    usual = {"protocol": "mbus", "address": 1, "points": [{"id": "v", "value": "volume"}]}
    with pytest.raises(SettingsError) as caught:
        instrument({**usual, **keys})
    assert message in str(caught.value)
