"""Counts in, findings out: what names a cause excludes its symptoms, and what is good is left alone."""

from dataclasses import replace
from string import Formatter

import pytest

from gateway.diagnosis.findings import Finding, Idle, diagnose, percentile
from gateway.diagnosis.trial import Answer, Trial
from gateway.diagnosis.words import WORDS, remedy, says

C = 0.001
GOOD = Trial("5", "ok", character_s=C, question_bytes=8, arrivals=((0.047, 7),), answers=(Answer(0.047, 0, 7),))
SILENT = Trial("5", "timeout", "no answer in 1.0 s")
GARBAGE = replace(SILENT, stray_bytes=5)
CRC = Trial("5", "crc", "CRC 0000 received, 1234 is right")
LATE = replace(GOOD, outcome="timeout", answers=(Answer(1.4, 0, 7),), arrivals=((1.4, 7),))
TWICE = replace(GOOD, answers=(*GOOD.answers, Answer(0.09, 7, 14)))


def other(one: Trial) -> Trial:
    return replace(one, unit="6")


def found(*trials: Trial, idle: Idle = Idle(), refused: bool = True) -> list[Finding]:  # noqa: B008
    return list(diagnose(trials, idle, refused).findings)


def kinds(*trials: Trial, idle: Idle = Idle(), refused: bool = True) -> list[str]:  # noqa: B008
    return [finding.kind for finding in found(*trials, idle=idle, refused=refused)]


def answered(at_s: float, *arrivals: tuple[float, int]) -> Trial:
    return replace(GOOD, answers=(Answer(at_s, 0, 7),), arrivals=arrivals or ((at_s, 7),))


TROUBLES: dict[str, tuple[Trial, ...]] = {
    "down": (GOOD, Trial("5", "line", "/dev/ttyUSB0: the adapter is gone")),
    "babble": (GOOD, replace(SILENT, outcome="babbling")),
    "silent_line": (SILENT, other(SILENT)),
    "wrong_baud": (GARBAGE, GARBAGE, CRC, SILENT, other(GARBAGE)),
    "echo": (GOOD, replace(GOOD, echoes=1)),
    "noise": (GOOD, replace(GOOD, stray_bytes=3)),
    "stranger": (GOOD, replace(GOOD, strangers=("9",))),
    "dead": (SILENT, SILENT, other(GOOD)),
    "misses": (SILENT, GOOD),
    "two_answers": (GOOD, TWICE, CRC),
    "garbled": (CRC, CRC, CRC, CRC, GARBAGE),
    "damage": (GOOD, GOOD, CRC, GARBAGE, GOOD),
    "gap": (answered(0.1, (0.01, 3), (0.1, 4)),) * 2,
    "early": (answered(0.0072), answered(0.0081), GOOD),
    "late": (LATE, GOOD),
    "slow": (answered(0.9),) * 5,
    "odd": (GOOD, Trial("5", "wrong_function", "function 4 answers function 3")),
    "refused": (GOOD, Trial("5", "exception", "2 illegal data address")),
}
"""Finding and the trials that show it, and nothing else."""


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_is_found_alone_and_said_in_both_languages_without_a_field_left_open(kind: str) -> None:
    (finding,) = found(*TROUBLES[kind])
    assert finding.kind == kind
    for text in (says(finding), remedy(finding)):
        assert text.en.isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
        assert "{" not in text.en + text.zh
        assert "None" not in text.en + text.zh


def test_every_kind_has_its_words_and_its_trouble_here() -> None:
    assert set(WORDS) == set(TROUBLES)
    for texts in WORDS.values():
        for text in texts:
            fields = [{name for _, name, _, _ in Formatter().parse(words) if name} for words in (text.en, text.zh)]
            assert fields[0] == fields[1], text.en


def test_good_line_has_no_finding_and_its_response_times() -> None:
    told = diagnose([GOOD] * 20 + [other(GOOD)] * 20)
    assert told.findings == ()
    unit = told.units[0]
    assert (unit.unit, unit.asked, unit.answered, unit.damaged, unit.silent, unit.late) == ("5", 20, 20, 0, 0, 0)
    assert unit.response_ms == {"p50": 40.3, "p95": 40.3, "p99": 40.3, "max": 40.3}


def test_damage_of_one_unit_beside_clean_ones_is_its_own_and_of_all_is_the_line_s() -> None:
    mine = (GOOD, GOOD, GOOD, GARBAGE, GARBAGE)
    assert kinds(*mine, *[other(GOOD)] * 5) == ["garbled"]
    assert kinds(*mine, *map(other, mine)) == ["damage", "damage"]


def test_port_without_wire_time_is_never_early() -> None:
    early = TROUBLES["early"]
    assert kinds(*early, answered(-0.007)) == []


def test_one_slow_answer_is_an_accident() -> None:
    assert kinds(answered(0.9), GOOD) == []
    assert kinds(answered(0.9), answered(0.9), *[GOOD] * 38) == [], "95 of 100 are fast"


def test_one_early_answer_and_one_pause_are_no_finding() -> None:
    assert kinds(answered(0.0081), GOOD, GOOD) == []
    assert kinds(answered(0.1, (0.01, 3), (0.1, 4)), GOOD) == []
    assert kinds(*[answered(0.03, (0.01, 3), (0.03, 4))] * 2) == [], "an adapter's own latency"


def test_what_was_heard_before_the_first_question_counts() -> None:
    (noise,) = found(GOOD, idle=Idle(4))
    assert (noise.kind, noise.details) == ("noise", {"bytes": 4, "idle": 4})
    (stranger,) = found(GOOD, idle=Idle(0, ("9", "9")))
    assert (stranger.kind, stranger.count, stranger.details["units"]) == ("stranger", 2, "9")
    assert kinds(SILENT, idle=Idle(300)) == ["babble"]


def test_exception_to_a_mere_trial_is_an_answer_unless_a_gateway_device_says_that_nobody_is_there() -> None:
    assert kinds(Trial("5", "exception", "2 illegal data address"), GOOD, refused=False) == []
    assert kinds(Trial("5", "exception", "11 gateway target device failed"), GOOD, refused=False) == ["refused"]


def test_enough_is_more_than_the_latest_answer() -> None:
    (late,) = found(LATE, GOOD)
    assert late.details == {"timeout_s": 1.0, "latest_s": 1.4, "enough_s": 2.1}


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)])
def test_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value
    assert percentile([7.0], share) == 7.0
