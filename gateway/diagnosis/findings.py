"""What the trials of a line say is wrong with it. Pure: counts in, findings out; gateway/diagnosis/words.py says them.

What names a cause excludes what would only name its symptom: garbage at a wrong baudrate is no damage, and the damage
of two instruments that speak at once is no matter of termination.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.diagnosis.trial import LONGEST, Trial

QUIET_CHARACTERS = 3.5
"""Quiet time between frames (Modbus over Serial Line V1.02 §2.5.1.1)."""
PAUSE_CHARACTERS = 1.5
"""Longest pause within a frame (there)."""
ADAPTER_S = 0.02
"""Pauses up to here may be the adapter's own: FTDI chips hold input back for 16 ms unless told otherwise."""
OFTEN = 2
"""Times that something of timing must be seen: once may be a busy machine."""
EARLY_SHARE = 0.1
"""Of the answers, to be no accident."""
SLOW_SHARE = 0.7
"""Of the timeout; slower answers than this will be missed on a bad day."""
MANY = 0.5
"""Share of damaged answers, begun rightly, that no noise explains while the line still works."""
SOME = 0.3
"""Share of damaged answers of one unit that is its own trouble when the others' are a fifth of it or less."""
BEHIND = ("10", "11")
"""Exceptions by which a gateway device says that it does not reach the unit."""
FEW = 5
"""Trials before shares are spoken of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `count` of `of` trials show it. `unit` is None for the line as a whole."""

    kind: str
    unit: str | None
    count: int
    of: int
    details: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """What was seen of one unit. `response_ms` has p50, p95, p99 and max of its thinking time, late ones too."""

    unit: str
    asked: int
    answered: int
    damaged: int
    silent: int
    late: int
    response_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Idle:
    """What was heard before anything was asked."""

    stray_bytes: int = 0
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a doctor has to say."""

    units: tuple[Unit, ...]
    findings: tuple[Finding, ...]


def diagnose(trials: Sequence[Trial], idle: Idle = Idle(), refused: bool = True) -> Diagnosis:
    """The findings, the line's own first. `refused`: whether an exception to what was asked is one."""
    asked = [one for one in trials if one.outcome not in ("line", "settling")]
    by_unit: dict[str, list[Trial]] = {}
    for one in asked:
        by_unit.setdefault(one.unit, []).append(one)
    findings = [*_of_line(trials, asked, idle)]
    said = {finding.kind for finding in findings}
    for unit, own in by_unit.items():
        others = [one for one in asked if one.unit != unit]
        if not said & {"silent_line", "wrong_baud", "babble"}:
            findings += _silence(unit, own)
            findings += _damage(unit, own, others)
        findings += _timing(unit, own)
        findings += _content(unit, own, refused)
    return Diagnosis(tuple(_unit(unit, own) for unit, own in by_unit.items()), tuple(findings))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _unit(unit: str, own: Sequence[Trial]) -> Unit:
    times = [one.response_s for one in own if one.response_s is not None]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0} if times else {}
    return Unit(
        unit,
        len(own),
        sum(one.answered for one in own),
        sum(_damaged(one) for one in own),
        sum(one.silent for one in own),
        sum(one.late for one in own),
        {name: round(percentile(times, share) * 1000, 1) for name, share in shares.items()},
    )


def _damaged(one: Trial) -> bool:
    return one.outcome == "crc" or one.garbage


def _right(one: Trial) -> bool:
    return one.answered or one.late


def _of_line(trials: Sequence[Trial], asked: Sequence[Trial], idle: Idle) -> Iterator[Finding]:
    total = len(asked)
    down = [one for one in trials if one.outcome == "line"]
    if down:
        yield Finding("down", None, len(down), len(trials), {"why": down[0].detail})
    babbling = sum(one.babbling for one in asked)
    if babbling or idle.stray_bytes > LONGEST:
        yield Finding("babble", None, babbling, total)
        return  # nothing else can be told by bytes
    if asked and all(one.silent for one in asked):
        yield Finding("silent_line", None, total, total)
    garbage, begun = sum(one.garbage for one in asked), sum(one.outcome == "crc" for one in asked)
    if garbage > begun and not any(_right(one) for one in asked):
        yield Finding("wrong_baud", None, garbage, total)
        return  # every byte would be noise
    echoes = sum(one.echoes > 0 for one in asked)
    if echoes:
        yield Finding("echo", None, echoes, total)
    noisy = [one for one in asked if one.stray_bytes and _right(one)]
    if noisy or idle.stray_bytes:
        count = sum(one.stray_bytes for one in noisy) + idle.stray_bytes
        yield Finding("noise", None, len(noisy), total, {"bytes": count, "idle": idle.stray_bytes})
    strangers = Counter(idle.strangers)
    for one in asked:
        strangers.update(one.strangers)
    if strangers:
        units = ", ".join(sorted(strangers))
        yield Finding("stranger", None, strangers.total(), total, {"units": units, "idle": len(idle.strangers)})


def _silence(unit: str, own: Sequence[Trial]) -> Iterator[Finding]:
    silent = sum(one.silent for one in own)
    if silent == len(own):
        yield Finding("dead", unit, silent, len(own))
    elif silent:
        yield Finding("misses", unit, silent, len(own))


def _damage(unit: str, own: Sequence[Trial], others: Sequence[Trial]) -> Iterator[Finding]:
    total = len(own)
    doubled = sum(len(one.answers) > 1 for one in own)
    damaged, begun = sum(map(_damaged, own)), sum(one.outcome == "crc" for one in own)
    if doubled:
        yield Finding("two_answers", unit, doubled, total)
    if not damaged:
        return
    share = damaged / total
    clean = any(map(_right, others)) and sum(map(_damaged, others)) / len(others) <= share / 5
    if total >= FEW and (begun >= MANY * total or (share >= SOME and clean)):
        yield Finding("garbled", unit, damaged, total)
    elif not doubled:  # two that speak at once also damage each other now and then
        yield Finding("damage", unit, damaged, total)


def _timing(unit: str, own: Sequence[Trial]) -> Iterator[Finding]:
    character_s = max((one.character_s for one in own), default=0.0)
    paused = [one.pause_s for one in own if one.pause_s > PAUSE_CHARACTERS * character_s + ADAPTER_S]
    if len(paused) >= OFTEN:
        yield Finding("gap", unit, len(paused), len(own), {"longest_ms": round(max(paused) * 1000, 1)})
    quiet = [(one.quiet_s, one.character_s) for one in own if one.quiet_s is not None]
    if all(quiet_s >= 0 for quiet_s, _ in quiet):  # else the port has no wire time, and its times say nothing
        early = [quiet_s for quiet_s, each_s in quiet if quiet_s < QUIET_CHARACTERS * each_s]
        if len(early) >= max(OFTEN, EARLY_SHARE * len(quiet)):
            shortest = {
                "shortest_ms": round(min(early) * 1000, 1),
                "right_ms": round(QUIET_CHARACTERS * character_s * 1e3, 1),
            }
            yield Finding("early", unit, len(early), len(own), shortest)
    late = [one.answers[0].at_s for one in own if one.late]
    times = [one.response_s for one in own if one.response_s is not None]
    if late:
        timeout_s = own[0].timeout_s
        seen = {"timeout_s": timeout_s, "latest_s": round(max(late), 2), "enough_s": round(max(late) * 1.5 + 0.05, 1)}
        yield Finding("late", unit, len(late), len(own), seen)
    elif (
        sum(one > SLOW_SHARE * own[0].timeout_s for one in times) >= OFTEN
        and (p95_s := percentile(times, 0.95)) > SLOW_SHARE * own[0].timeout_s
    ):
        seen = {"timeout_s": own[0].timeout_s, "p95_s": round(p95_s, 2), "enough_s": round(p95_s * 2, 1)}
        yield Finding("slow", unit, sum(one > SLOW_SHARE * own[0].timeout_s for one in times), len(own), seen)


def _content(unit: str, own: Sequence[Trial], refused: bool) -> Iterator[Finding]:
    known = ("ok", "exception", "timeout", "babbling", "crc")
    odd = Counter(one.detail for one in own if one.outcome not in known)
    if odd:
        yield Finding("odd", unit, odd.total(), len(own), {"said": odd.most_common(1)[0][0]})
    said = Counter(one.detail for one in own if one.outcome == "exception")
    if not refused:
        said = Counter({words: count for words, count in said.items() if words.split()[0] in BEHIND})
    if said:
        yield Finding("refused", unit, said.total(), len(own), {"said": said.most_common(1)[0][0]})
