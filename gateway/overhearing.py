"""Instruments that no address finds: those that speak unasked, and text instruments, known by their profiles alone.

A line is listened to for some seconds, and what came in is heard by every profile that speaks unasked; text instruments
that wait to be asked get each profile's own requests, which only read. A profile that makes values of it is a find.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from drivers import catalogue
from drivers.contract import Heard as Said
from drivers.contract import Line, Sample, Verdict, Whole
from drivers.line import ListeningLine
from drivers.line.ear import Ear
from drivers.profile import InstrumentSpec, LineSpec
from drivers.scanning import Heard
from gateway.matching import Candidate, Match, believable, matches

MOST_BYTES = 1 << 20
"""What is kept of one line; twenty minutes of a line of 9600 baud that never rests."""
Find = tuple[Heard, Match]


class Everything:
    """A hearing that keeps what comes in, whatever it is. See drivers/contract.py, Hearing."""

    longest = 4096
    silence_s: float | None = None
    safe_start = True

    def __init__(self) -> None:
        self.data = bytearray()

    def cut(self, data: bytes | bytearray) -> Verdict:
        """All of it."""
        return Whole(len(data), bytes(data))

    def last_only(self, instrument: str) -> bool:
        """Nothing is left out."""
        return False

    def heard(self, message: bytes) -> Iterable[Said]:
        """Kept, and nobody's."""
        if len(self.data) + len(message) <= MOST_BYTES:
            self.data += message
        return (Said(""),)


async def listened(line: ListeningLine, seconds: float) -> bytes:
    """What comes in on a line whose hearing is Everything, acknowledged to nobody."""
    assert isinstance(line.hearing, Everything)
    await asyncio.sleep(seconds)
    return bytes(line.hearing.data)


async def asked_by_profile(
    line: Line, spec: LineSpec, tried: Sequence[Candidate], addresses: Sequence[int | str]
) -> list[Find]:
    """Whoever answers the requests of a profile that asks: at the addresses given, or at the profile's own."""
    found: list[Find] = []
    for one in tried:
        if catalogue.protocol(one.spec.protocol).listens(one.spec, spec):
            continue
        for address in addresses or [one.home if one.home is not None else 1]:
            heard = Heard(one.spec.protocol, address, "answers the requests of the profile")
            for match in await matches(heard, line, spec, [one]):
                if match.good:
                    found.append((heard, match))
    return _best(found)


def overheard(data: bytes, spec: LineSpec, tried: Sequence[Candidate]) -> list[Find]:
    """Who speaks in these bytes: for each sender and each profile the values that came of it; the best profile wins."""
    found: list[Find] = []
    for one in tried:
        protocol = catalogue.protocol(one.spec.protocol)
        senders = protocol.senders(data) if protocol.senders is not None else (_at_home(one),)
        for heard in senders:
            instrument = _speaking(one.spec.model_copy(update={"address": heard.address}), spec)
            sample = None if instrument is None else _last(instrument, spec, data)
            good, score = believable(sample, one.spec.protocol) if sample is not None else (0, 0.0)
            points = len(one.spec.points)
            if good or protocol.senders is not None:
                found.append((heard, Match(one.profile, round(score, 3), good, points)))
    return _best(found)


def _at_home(one: Candidate) -> Heard:
    return Heard(one.spec.protocol, one.home if one.home is not None else 1, "speaks unasked")


def _speaking(one: InstrumentSpec, line: LineSpec) -> InstrumentSpec | None:
    """The instrument as one that speaks unasked; None where its profile asks."""
    protocol = catalogue.protocol(one.protocol)
    if protocol.listens(one, line):
        return one
    if one.options is not None and "listen" in type(one.options).model_fields:
        return one.model_copy(update={"options": one.options.model_copy(update={"listen": True})})
    return None


def _last(one: InstrumentSpec, line: LineSpec, data: bytes) -> Sample | None:
    """The last sample that this instrument makes of it."""
    hear = catalogue.protocol(one.protocol).hearing
    assert hear is not None
    samples: list[Sample] = []

    def said(heard: Said) -> None:
        if heard.sample is not None:
            samples.append(heard.sample)

    try:
        ear = Ear(hear([one], line), Counter(), said, lambda reply: None)
    except ValueError:
        return None
    ear.add(data)
    while ear.work(64) == 64:
        pass
    ear.close()
    return samples[-1] if samples else None


def _best(found: Sequence[Find]) -> list[Find]:
    """The best match for each who was heard; where only profiles tell them apart, the best of each address."""
    best: dict[int | str, Find] = {}
    for heard, match in found:
        before = best.get(heard.address)
        if before is None or (match.score, match.good) > (before[1].score, before[1].good):
            best[heard.address] = heard, match
    return list(best.values())
