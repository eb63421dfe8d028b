"""What a configuration makes of recorded traffic, poll by poll, and how that differs from what was made of it then."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from drivers import catalogue
from drivers.contract import Driver, Excluding, Heard, Hearing, Sample, Value
from drivers.line.ear import Ear
from drivers.line.replayed import NOT_RECORDED, Replayed
from drivers.line.transcript import Piece
from drivers.profile import InstrumentSpec, LineSpec

MESSAGES = 16
"""Messages taken from an ear at once."""
Found = tuple[Value, str]
"""A value and its flag."""


@dataclass(frozen=True, slots=True)
class Made:
    """One poll of one instrument: values and flags by point."""

    at_s: float
    instrument: str
    points: Mapping[str, Found]


@dataclass(frozen=True, slots=True)
class Difference:
    """One point of one poll; None where a configuration does not have the point."""

    at_s: float
    instrument: str
    point: str
    was: Found | None
    now: Found | None


def recorded(pieces: Iterable[Piece]) -> Iterator[Made]:
    """What was made of the traffic when it was recorded. Raises ValueError for a line that cannot be read."""
    for piece in pieces:
        if piece.mark == "==":
            try:
                body: dict[str, Any] = orjson.loads(piece.made)
                flags = body.get("flags", {})
                points = {name: (value, str(flags.get(name, "N"))) for name, value in body["values"].items()}
            except (ValueError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"at {piece.at_s:g} s: {piece.made[:60]!r} is no poll of {piece.instrument}"
                ) from error
            yield Made(piece.at_s, piece.instrument, points)


async def replayed(
    line: LineSpec, instruments: Sequence[InstrumentSpec], pieces: Sequence[Piece]
) -> AsyncIterator[Made]:
    """What these instruments on that line make of it. Raises ValueError for a plan that cannot be made.

    A transcript of a gateway says where each poll ends. In any other one a poll ends where a question is asked again,
    and instruments that it has nothing of are left out.
    """
    if (hearing := catalogue.hearing(instruments, line)) is not None:
        for made in _heard_again(hearing, instruments, pieces):
            yield made
        return
    drivers: dict[str, Driver] = {}
    lines: dict[str, Replayed] = {}
    for spec in instruments:
        protocol = catalogue.protocol(spec.protocol)
        if spec.protocol not in lines:
            lines[spec.protocol] = protocol.replayed(line, pieces)
        drivers[spec.id] = protocol.driver(spec, lines[spec.protocol], line)
    numbered = any(catalogue.protocol(name).tags(line) is not None for name in lines)
    marked = any(piece.mark == "==" for piece in pieces)
    for first, end in _polls(pieces) if marked else _rounds(pieces, 2 if numbered else 0):
        for shown in lines.values():
            shown.show(first, end)
        wanted = pieces[end].instrument if marked else None
        for name, driver in drivers.items():
            if wanted not in (None, name):
                continue
            if isinstance(driver, Excluding):
                driver.retry_excluded()  # nothing is lost by asking a recording once more
            sample = await driver.poll()
            if marked or not _nothing(sample):
                yield Made(pieces[end if marked else first].at_s, name, _points(driver, sample))


def _heard_again(hearing: Hearing, instruments: Sequence[InstrumentSpec], pieces: Sequence[Piece]) -> Iterator[Made]:
    """What instruments that speak unasked said, heard anew, each connection of the line by an ear of its own.

    A transcript of a gateway says which messages made a reading: the next one of that instrument, or the last one of a
    period where only that is kept; where none came it was a null, and is one again.
    """
    points = {spec.id: tuple(point.id for point in spec.points) for spec in instruments}
    waiting: dict[str, deque[Sample]] = {name: deque() for name in points}

    def said(heard: Heard) -> None:
        if heard.sample is not None:
            waiting[heard.instrument].append(heard.sample)

    ears: dict[int, Ear] = {}
    marked = any(piece.mark == "==" for piece in pieces)
    for piece in pieces:
        if piece.mark == "<<":
            ear = ears.get(piece.peer)
            if ear is None:
                ear = ears[piece.peer] = Ear(hearing, Counter(), said, lambda reply: None)
            ear.add(piece.data)
            while ear.work(MESSAGES) == MESSAGES:
                pass
        for name in () if marked else points:
            while waiting[name]:
                yield Made(piece.at_s, name, _named(points[name], waiting[name].popleft()))
        if piece.mark == "==" and piece.instrument in waiting:
            queue = waiting[piece.instrument]
            while hearing.last_only(piece.instrument) and len(queue) > 1:
                queue.popleft()
            sample = queue.popleft() if queue else Sample.nothing(len(points[piece.instrument]), "timeout: no message")
            yield Made(piece.at_s, piece.instrument, _named(points[piece.instrument], sample))


def differences(was: Iterable[Made], now: Iterable[Made]) -> Iterator[Difference]:
    """Every value or flag that is not the same, by time; polls are matched by their time and instrument."""
    after = {(one.at_s, one.instrument): one for one in now}
    for before in was:
        other = after.get((before.at_s, before.instrument))
        points = other.points if other is not None else {}
        for name in dict.fromkeys((*before.points, *points)):
            if _differ(before.points.get(name), points.get(name)):
                yield Difference(before.at_s, before.instrument, name, before.points.get(name), points.get(name))


def _differ(was: Found | None, now: Found | None) -> bool:
    if was is None or now is None:
        return was is not now
    # True == 1 and 1 == 1.0 in Python; in the feed a bool is another thing, a whole float is not
    return was != now or isinstance(was[0], bool) != isinstance(now[0], bool)


def _polls(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    first = 0
    for at, piece in enumerate(pieces):
        if piece.mark == "==":
            yield first, at
            first = at + 1


def _rounds(pieces: Sequence[Piece], number: int) -> Iterator[tuple[int, int]]:
    first, asked = 0, set[bytes]()
    for at, piece in enumerate(pieces):
        if piece.mark == ">>":
            question = piece.data[number:]  # Modbus TCP numbers each request in its first bytes
            if question in asked:
                yield first, at
                first, asked = at, set()
            asked.add(question)
    if pieces:
        yield first, len(pieces)


def _nothing(sample: Sample) -> bool:
    return all(NOT_RECORDED in sample.why.get(at, "") for at in range(len(sample.values)))


def _points(driver: Driver, sample: Sample) -> dict[str, Found]:
    return _named(driver.points, sample)


def _named(points: Sequence[str], sample: Sample) -> dict[str, Found]:
    return {
        name: (value, str(sample.flags.get(at, "N")))
        for at, (name, value) in enumerate(zip(points, sample.values, strict=True))
    }
