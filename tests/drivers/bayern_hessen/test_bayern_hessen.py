"""Bayern-Hessen: the reference's vectors, every refusal by name, mantissa, units and flags."""

from fractions import Fraction

import pytest

from drivers.bayern_hessen import frame
from drivers.contract import Flag, Skip, Whole
from drivers.errors import BadReply
from gateway.settings.problem import SettingsError
from tests.fakes.meters import instrument, polled, values


@pytest.mark.parametrize(("text", "check"), [("DA097", "3A"), ("DA", "04"), ("DA001", "35")])
def test_checks_of_the_reference_are_made_and_found_right(text: str, check: str) -> None:
    made = frame.frame(text)
    assert made == b"\x02" + text.encode() + b"\x03" + check.encode()
    assert frame.FRAMING.fault(made) is None
    assert frame.FRAMING.fault(made[:-2] + check.lower().encode()) is None


def md(*components: str, count: int | None = None) -> bytes:
    return frame.frame(
        f"MD{len(components) if count is None else count:02d}" + "".join(f" {one} " for one in components)
    )


GOOD = md("097 +1234-02 40 00 000 000123")


def test_a_wrong_check_is_refused_by_name() -> None:
    wrong = GOOD[:-2] + b"00"
    assert frame.FRAMING.fault(wrong) == f"BCC '00' received, {GOOD[-2:].decode()!r} is right"
    with pytest.raises(BadReply, match="is right"):
        frame.request(97, 1.0, 0).receive(wrong)
    # a request with a wrong check is nobody's answer
    assert frame.request(97, 1.0, 0).receive(frame.frame("DA097")[:-2] + b"00") == Skip(1, "noise")


def test_an_answer_is_found_byte_by_byte_and_in_noise() -> None:
    receive = frame.request(97, 1.0, 0).receive
    for end in range(len(GOOD)):
        assert receive(GOOD[:end]) is None, end
    assert receive(GOOD) == Whole(len(GOOD), GOOD[1:-3])
    assert receive(b"\x00\x41" + GOOD) == Skip(2, "noise")
    assert receive(b"\x02abc\x00" + GOOD) == Skip(5, "noise")
    sent = frame.request(97, 1.0, 0).frame
    assert receive(sent + GOOD) == Skip(len(sent), "echo")


def test_another_instruments_answer_is_skipped_and_named() -> None:
    other = md("098 +1234-02 00 00 000 000000")
    assert frame.request(97, 1.0, 0).receive(other) == Skip(len(other), "wrong_unit", ("bayern_hessen", 98))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MD", "answers DA"),
        ("MDxx", "answers DA"),
        ("MD01 097 +123-02 00 00 000 000000", "is no component"),
        ("MD01 097 +1234-02 0G 00 000 000000", "is no component"),
        ("MD01 97 +1234-02 00 00 000 000000", "is no component"),
        ("MD01 097 1234-02 00 00 000 000000", "is no component"),
        ("MD02 097 +1234-02 00 00 000 000000", "1 components, 2 were announced"),
        ("MD02 097 +1234-02 00 00 000 000000  097 +1234-02 00 00 000 000000", "comes twice"),
        ("MD01 097 +1234-02 00 00 000 000000!", "follows a component"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        frame.components(text)


@pytest.mark.parametrize(
    ("written", "decimals", "value"),
    [
        ("+1234-02", 0, Fraction(1234, 100)),
        ("+1234-02", 3, Fraction(1234, 100000)),
        ("-5678+00", 0, -5678),
        ("+5678-02", 3, Fraction(5678, 100000)),
        ("+0001+03", 0, 1000),
        ("+0000+00", 3, 0),
    ],
)
def test_the_point_of_the_mantissa_stands_where_the_profile_says(written: str, decimals: int, value: Fraction) -> None:
    assert frame.components(f"MD01 001 {written} 00 00 000 000000")[1].value(decimals) == value


def analyser(options: dict | None = None, **point) -> object:
    return instrument({
        "protocol": "bayern_hessen", "address": 97, "options": {"mantissa": "nnnn", **(options or {})},
        "points": [{"id": "so2", "component": 97, "unit": "ug/m3", **point}],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("status", "failure", "flag", "why"),
    [
        (0x00, 0x00, None, None),
        (0x40, 0x00, None, None),
        (0x02, 0x00, Flag.MAINTENANCE, "status: out of service"),
        (0x04, 0x00, Flag.CALIBRATION, "status: zero"),
        (0x08, 0x00, Flag.CALIBRATION, "status: span"),
        (0x84, 0x00, Flag.CALIBRATION, "status: zero, background"),
        (0x00, 0x01, Flag.FAULT, "status: failure flow"),
        (0x04, 0x22, Flag.FAULT, "status: failure instrument, cell heater"),
        (0x00, 0x10, Flag.FAULT, "status: failure bit 4"),
    ],
)
def test_status_and_failure_bits_become_flags_and_the_value_stays(status: int, failure: int, flag, why) -> None:
    sample = polled(analyser(), lambda request: md(f"097 +1234-02 {status:02X} {failure:02X} 000 000000"))
    assert sample.values == (12.34,)
    assert sample.flags == ({0: flag} if flag else {})
    assert sample.why == ({0: why} if why else {})


def test_flags_are_settable() -> None:
    spec = analyser({"status": {1: "F"}, "failure_mask": 0x0E})
    sample = polled(spec, lambda request: md("097 +1234-02 06 01 000 000000"))
    assert sample.flags == {0: Flag.STOPPED}
    assert polled(spec, lambda request: md("097 +1234-02 04 00 000 000000")).flags == {}


def test_a_value_out_of_range_keeps_what_the_instrument_says_of_it() -> None:
    sample = polled(analyser(range=[0, 10]), lambda request: md("097 +1234-02 04 00 000 000000"))
    assert sample.values == (12.34,)
    assert sample.why == {0: "status: zero; range: 12.34 is above 10 ug/m3"}


def test_the_status_bit_says_in_which_unit_the_value_is() -> None:
    spec = analyser({"volumetric": "ppb", "gravimetric": "ug/m3"}, molar_mass=64)
    sample = polled(spec, lambda request: md("097 +1000-02 40 00 000 000000"))
    assert sample.values[0] == pytest.approx(10 * 64 / 24.45)
    assert polled(spec, lambda request: md("097 +1000-02 00 00 000 000000")).values == (10,)


def test_all_components_come_in_one_answer_and_a_missing_one_is_null() -> None:
    spec = instrument({"profile": "air/acoem_serinus40", "address": "any"})
    sample = polled(spec, lambda request: md("001 +1500+01 00 00 001 000001", "003 +2500+00 00 00 003 000001"))
    assert values(spec, sample) == {"no": 15, "nox": None, "no2": 2.5, "status": 0, "failure": 0}
    assert sample.why == {1: "invalid: the answer has no component 002"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"options": {}}, "mantissa"),
        ({"address": 1000}, "is no Bayern-Hessen id"),
        ({"address": "x"}, "is no Bayern-Hessen id"),
        ({"options": {"mantissa": "nnnn", "volumetric": "ppb"}}, "needs `molar_mass`"),
        ({"options": {"mantissa": "nnnn", "status": {8: "D"}}}, "bit 8 is none of the status byte"),
        ({"points": [{"id": "p", "component": 1000}]}, "component"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(keys: dict, message: str) -> None:
    usual = {"protocol": "bayern_hessen", "address": 97, "options": {"mantissa": "nnnn"},
             "points": [{"id": "so2", "component": 97, "unit": "ug/m3"}]}  # fmt: skip
    with pytest.raises(SettingsError) as caught:
        instrument({**usual, **keys})
    assert message in str(caught.value)
