"""Senders that push: their own times and flags kept, acknowledged, joined from parts, never told twice, never wrong."""

from collections import Counter

import pytest

from drivers import catalogue
from drivers.contract import Flag, Heard, Sample
from drivers.hj212.frame import framed
from drivers.hj212.message import written
from drivers.line.ear import Ear
from drivers.profile import InstrumentSpec
from tests.drivers.hj212.vectors import ANSWERS, LISTENING, MODBUS, RIGHT, sender

COD = "DataTime=20260706103000;w01018-Rtd=40.1,w01018-Flag=N;w21003-Rtd=1.5,w21003-Flag=N;w01001-Rtd=7.1,w01001-Flag=N"
AT_MS = 1_783_305_000_000
"""2026-07-06 10:30:00 in China."""


class Line:
    """What is heard and answered of instruments on one line."""

    def __init__(self, *specs: InstrumentSpec) -> None:
        hearing = catalogue.hearing(specs, LISTENING)
        assert hearing is not None
        self.hearing = hearing
        self.faults: Counter[str] = Counter()
        self.heard: list[Heard] = []
        self.replies: list[bytes] = []
        self.ear = Ear(hearing, self.faults, self.heard.append, self.replies.append)

    def say(self, data: bytes, step: int = 100_000) -> "Line":
        for at in range(0, len(data), step):
            self.ear.add(data[at : at + step])
            while self.ear.work(3) == 3:
                pass
        return self

    @property
    def samples(self) -> list[Sample]:
        return [one.sample for one in self.heard if one.sample is not None]


def upload(
    area: str = COD, cn: str = "2011", mn: str = "MN1", flag: int = 5, qn: str = "20260706103001000", **more: str
) -> bytes:
    fields = {"QN": qn, "ST": "32", "CN": cn, "PW": "123456", "MN": mn, "Flag": str(flag), **more}
    return framed(written(fields, area))


@pytest.mark.parametrize("step", [1, 50, 100_000])
def test_values_flags_and_time_are_the_senders_own(step: int) -> None:
    area = COD.replace("w21003-Flag=N", "w21003-Flag=C").replace("w01001-Flag=N", "w01001-Flag=D")
    line = Line(sender()).say(upload(area), step)
    (sample,) = line.samples
    assert sample.values == (40.1, 1.5, 7.1)
    assert sample.flags == {1: Flag.CALIBRATION, 2: Flag.FAULT}
    assert sample.why == {1: "status: the instrument's flag is C", 2: "status: the instrument's flag is D"}
    assert sample.at_ms == AT_MS
    assert not line.faults


def test_data_is_acknowledged_as_the_standard_says_and_only_when_asked() -> None:
    mn = "010000A8900016F000169DC0"
    for cn, answer in (("2011", ANSWERS["9014"]), ("9015", ANSWERS["9013"])):
        line = Line(sender(mn=mn)).say(upload(cn=cn, mn=mn, qn="20160801085857223"))
        assert line.replies == [answer.encode()]
    assert Line(sender(mn=mn)).say(upload(mn=mn, flag=4)).replies == []


def test_acknowledgement_has_version_and_crc_of_the_sender() -> None:
    frame = MODBUS[0].encode() + b"\r\n"
    (reply,) = Line(sender(mn="ABCDEFG1234567", crc="either")).say(frame).replies
    assert b"Flag=0;" in reply  # 2005: version bits 0
    assert reply[-6:-2] == framed(reply[6:-6], "modbus")[-6:-2]
    (reply,) = Line(sender(mn="A110000_0001")).say(RIGHT[4].encode() + b"\r\n").replies
    assert b"Flag=8;" in reply


def test_message_sent_again_is_acknowledged_again_and_told_once() -> None:
    line = Line(sender()).say(upload() * 3)
    assert (len(line.samples), len(line.replies), line.faults["repeat"]) == (1, 3, 2)


def test_real_time_and_hours_of_one_logger_are_two_instruments() -> None:
    hour = sender("hour", points=({"id": "cod", "item": "w01018-Avg", "unit": "mg/L"},), command=2061)
    line = (
        Line(sender(), hour).say(upload()).say(upload("DataTime=20260706090000;w01018-Avg=39.5,w01018-Flag=N", "2061"))
    )
    assert [(one.instrument, one.sample.values) for one in line.heard if one.sample] == [
        ("logger", (40.1, 1.5, 7.1)),
        ("hour", (39.5,)),
    ]
    assert line.samples[1].at_ms == AT_MS - 90 * 60_000


def test_codes_of_2005_serve_where_those_of_2017_are_not_there() -> None:
    line = Line(sender(mn="SD370300001043")).say(RIGHT[3].encode() + b"\r\n")
    assert line.samples[0].values == (73.92, 1.09, 7.038)
    assert line.faults == {"missing_field": 1, "old_code": 1}
    line = Line(sender(mn="SD370300001043", old_codes=False)).say(RIGHT[3].encode() + b"\r\n")
    assert line.samples[0].values == (None, None, None)
    assert line.samples[0].why[0] == "invalid: the message has no w01018-Rtd"


@pytest.mark.parametrize(
    ("area", "values", "why"),
    [
        ("w01018-Rtd=40,1;w21003-Rtd=2;w01001-Rtd=7", (None, 2, 7), "invalid: '1' stands behind it without a name"),
        (
            "w01018-Rtd=1;w01018-Rtd=2;w21003-Rtd=2;w01001-Rtd=7",
            (None, 2, 7),
            "invalid: it stands twice, as '1' and '2'",
        ),
        ("w01018-Rtd=--;w21003-Rtd=2;w01001-Rtd=7", (None, 2, 7), "invalid: '--' is no number"),
        ("w01018-Rtd=1;W01018-rtd=2;w21003-Rtd=2;w01001-Rtd=7", (None, 2, 7), "invalid: '1 or 2' is no number"),
        ("w21003-Rtd=2;w01001-Rtd=7", (None, 2, 7), "invalid: the message has no w01018-Rtd"),
    ],
)
def test_what_could_mean_two_things_is_null_and_the_others_stay(
    area: str, values: tuple[object, ...], why: str
) -> None:
    (sample,) = Line(sender()).say(upload(area)).samples
    assert sample.values == values
    assert sample.why[0] == why


def test_unknown_flag_keeps_the_value_and_is_doubtful_unless_the_site_knows_it() -> None:
    area = "w01018-Rtd=40.1,w01018-Flag=P;w21003-Rtd=200,w21003-Flag=N;w01001-Rtd=7"
    (sample,) = Line(sender()).say(upload(area)).samples
    assert sample.values == (40.1, 200, 7)
    assert sample.flags == {0: Flag.FAULT, 1: Flag.OUT_OF_RANGE}
    assert sample.why[0] == "status: the instrument's flag 'P' is unknown"
    (sample,) = Line(sender(flags={"P": "F"})).say(upload(area)).samples
    assert sample.flags[0] is Flag.STOPPED


def parts(*areas: str, times: tuple[str, ...] = ("20260706103000",) * 9) -> list[bytes]:
    return [
        upload(
            f"DataTime={times[at]};{area}", flag=7, qn=f"2026070610300100{at}", PNUM=str(len(areas)), PNO=str(at + 1)
        )
        for at, area in enumerate(areas)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_parts_make_one_sample_in_any_order_and_each_is_acknowledged(order: tuple[int, ...]) -> None:
    three = parts("w01018-Rtd=1,w01018-Flag=N", "w21003-Rtd=2", "w01001-Rtd=7")
    line = Line(sender()).say(b"".join(three[at] for at in order))
    assert [sample.values for sample in line.samples] == [(1, 2, 7)]
    assert len(line.replies) == 3


def test_part_that_never_comes_leaves_nulls_with_a_reason_when_the_next_message_begins() -> None:
    first = parts("w01018-Rtd=1", "w21003-Rtd=2", "w01001-Rtd=7")
    later = parts("w01018-Rtd=3", "w21003-Rtd=4", "w01001-Rtd=8", times=("20260706104000",) * 3)
    line = Line(sender()).say(first[0] + first[2] + b"".join(later))
    assert [sample.values for sample in line.samples] == [(1, None, 7), (3, 4, 8)]
    assert line.samples[0].why == {1: "timeout: a part of the message did not come"}
    assert [sample.at_ms for sample in line.samples] == [AT_MS, AT_MS + 600_000]


def test_parts_of_different_times_are_never_joined() -> None:
    mixed = parts("w01018-Rtd=1", "w21003-Rtd=2", times=("20260706103000", "20260706104000"))
    line = Line(sender()).say(b"".join(mixed))
    assert line.samples == [line.samples[0]]
    assert line.samples[0].values == (1, None, None)


def test_stranger_wrong_password_and_impossible_part_are_counted_by_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "pw").write_text("654321\n")
    line = Line(sender(password_file=str(tmp_path / "pw")))
    line.say(upload(mn="OTHER") + upload())
    assert line.faults == {"unknown": 1, "wrong_password": 1}
    line = Line(sender()).say(upload(flag=7, PNUM="3", PNO="9"))
    assert (line.faults, line.samples, line.replies) == ({"grammar": 1}, [], [])


def test_encrypted_data_is_heard_with_the_key(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "key").write_text("30" * 16)
    data = upload()[6:-6]
    line = Line(sender(key_file=str(tmp_path / "key"))).say(framed(data, "hj212", b"0" * 16) + upload(qn="2"))
    assert [sample.values for sample in line.samples] == [(40.1, 1.5, 7.1)] * 2


def test_memory_of_a_sender_is_bounded() -> None:
    line = Line(sender())
    for number in range(3000):
        name = "".join(letter.upper() if number >> at & 1 else letter for at, letter in enumerate("w01018-rtd"))
        area = f"DataTime=20260706103000;{name}=1;x{number}-Rtd=1"
        line.say(upload(area, qn=str(number), flag=7, PNUM="64", PNO=str(number % 63 + 1)))
    known = line.hearing._senders["MN1"]  # type: ignore[attr-defined]
    assert len(known._known) <= 64
    assert len(known.commands["2011"].parts._items) <= 13


def test_senders_that_cannot_share_a_line_are_named() -> None:
    with pytest.raises(ValueError, match="must agree on crc"):
        Line(sender(), sender("two", mn="MN2", crc="modbus"))
    with pytest.raises(ValueError, match="two and logger are command 2011 of one sender, MN1"):
        Line(sender(), sender("two"))
