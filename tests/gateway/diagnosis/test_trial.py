"""What is made of the bytes of one question: the line stopped at the first answer, the sieve goes on."""

import pytest

from drivers.contract import Request
from drivers.errors import Babbling, BadReply, FieldError, NoReply, Refused
from drivers.line.transcript import Piece
from drivers.modbus import codec
from drivers.modbus.crc import crc16
from gateway.diagnosis.trial import Trial, trial

CHARACTER_S = 0.001
ASKED = codec.request(codec.read(5, 3, 0, 1), "rtu", codec.Timing(1.0))


def frame(unit: int = 5, value: int = 0x1234) -> bytes:
    body = bytes([unit, 3, 2]) + value.to_bytes(2)
    return body + crc16(body).to_bytes(2, "little")


def heard(
    *arrivals: tuple[float, bytes], error: FieldError | None = None, request: Request = ASKED, sifted: bool = True
) -> Trial:
    """Arrivals by seconds after the question has gone out, which was written at 10 s and takes 8 characters."""
    end_s = 10 + len(request.frame) * CHARACTER_S
    pieces = [Piece(10.0, ">>", request.frame), *(Piece(end_s + at_s, "<<", data) for at_s, data in arrivals)]
    return trial("5", request, pieces, error, CHARACTER_S, sifted)


def test_answer_is_timed_from_the_end_of_the_question_without_its_own_wire_time() -> None:
    one = heard((0.047, frame()))
    assert one.answered
    assert (one.question_bytes, one.stray_bytes, one.echoes, len(one.answers)) == (8, 0, 0, 1)
    assert one.response_s == pytest.approx(0.040, abs=0.001)
    assert one.pause_s == 0


def test_port_that_is_faster_than_its_baudrate_has_no_quiet_time() -> None:
    one = heard((-0.0075, frame()))
    assert one.quiet_s is not None
    assert one.quiet_s < 0
    assert one.response_s == pytest.approx(0.0005)


def test_second_answer_is_counted_byte_by_byte_and_at_once() -> None:
    other = frame(value=9)
    assert len(heard((0.02, frame()), (0.05, other)).answers) == 2
    assert len(heard((0.02, frame() + other)).answers) == 2
    dripping = heard((0.02, frame()), *((0.05 + at / 100, other[at : at + 1]) for at in range(len(other))))
    assert (len(dripping.answers), dripping.stray_bytes) == (2, 0)


def test_echo_noise_and_strangers_are_each_counted_as_what_they_are() -> None:
    one = heard((0.0, ASKED.frame), (0.03, frame()))
    assert (one.echoes, one.stray_bytes, len(one.answers)) == (1, 0, 1)
    assert one.pause_s == 0, "the time between echo and answer is no pause in the answer"
    assert heard((0.03, b"\xff\xfe\xfd" + frame())).stray_bytes == 3
    assert heard((0.03, frame() + b"\xff\xfe\xfd")).stray_bytes == 3
    assert heard((0.03, frame(7) + frame())).strangers == ("7",)
    only_echo = heard((0.0, ASKED.frame), error=NoReply("no answer in 1.0 s, only 8 bytes"))
    assert (only_echo.echoes, only_echo.silent, only_echo.garbage) == (1, True, False)


def test_pause_within_an_answer_is_what_no_byte_accounts_for() -> None:
    one = heard((0.01, frame()[:4]), (0.063, frame()[4:]))
    assert one.pause_s == pytest.approx(0.05)
    assert heard((0.01, frame()[:4]), (0.0131, frame()[4:])).pause_s == pytest.approx(0.0001)


def test_failures_are_silent_garbage_late_damaged_or_babbling() -> None:
    nothing = NoReply("no answer in 1.0 s")
    assert heard(error=nothing).silent
    garbled = heard((0.1, b"\x80\x81\x82"), error=nothing)
    assert garbled.garbage
    assert not garbled.silent
    late = heard((1.5, frame()), error=nothing)
    assert late.late
    assert late.answers[0].at_s == pytest.approx(1.5)
    spoilt = heard((0.1, frame()[:-1] + b"\0"), error=BadReply("CRC"))
    assert (spoilt.outcome, spoilt.answered, spoilt.garbage) == ("crc", False, False)
    assert heard(error=Babbling("input never paused")).babbling
    assert heard((0.1, bytes(range(128, 256)) * 3), error=nothing).babbling
    refused = heard((0.1, b"\x05\x83\x02\x81\x30"), error=Refused("2 illegal data address", 2))
    assert (refused.outcome, refused.answered, len(refused.answers)) == ("exception", True, 1)


def test_framing_with_numbers_is_taken_at_the_line_s_word() -> None:
    one = heard((0.05, b"\0\1whatever"), sifted=False)
    assert (len(one.answers), one.stray_bytes) == (1, 0)
    assert heard(error=NoReply("no answer in 1.0 s"), sifted=False).silent


def test_bytes_before_the_question_are_stray() -> None:
    pieces = [Piece(9.0, "<<", b"\1\2"), Piece(10.0, ">>", ASKED.frame), Piece(10.02, "<<", frame())]
    one = trial("5", ASKED, pieces, None, CHARACTER_S)
    assert (one.stray_bytes, len(one.answers)) == (2, 1)
