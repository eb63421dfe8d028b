"""What the `completeness` events say, against the samples that were seen.

Samples come before their day's event, so they are gathered by quarter hours of due time (every time zone's days
begin on one) and poured into the day when its event says where it begins and ends.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.pipeline.completeness import CLASSES, null_class

SLOT_MS = 900_000
SLOTS_LIMIT = 100_000
"""Quarter hours kept for days without an event yet, about 20 MB: a day of a thousand instruments."""

KINDS = ("measured", *CLASSES)
_INDEX = {word: index for index, word in enumerate(KINDS)}


class BadEvent(ValueError):
    """A completeness event without the fields of contract.md §2; the text says which."""


@dataclass(slots=True)
class Told:
    """One instrument's day: counts as seen, and what the event of the highest rev says."""

    gateway: str
    instrument: str
    from_ms: int
    to_ms: int
    name: str
    rev: int
    counts: list[int]  # as told, by KINDS
    seen: list[int] = field(default_factory=lambda: [0] * len(KINDS))
    whole: bool = True  # False where the seen counts are known to lack something
    early: bool = False  # told before the day's end: a clock was set back out of it, and the account will be revised

    def differences(self) -> dict[str, tuple[int, int]]:
        """word -> (told, seen) where they differ."""
        rows = zip(KINDS, self.counts, self.seen, strict=True)
        return {word: (told, seen) for word, told, seen in rows if told != seen}


class DailySums:
    """All instruments of all gateways of a feed."""

    __slots__ = ("_days", "_dropped", "_last", "_slots")

    def __init__(self) -> None:
        self._days: dict[tuple[str, str], dict[int, Told]] = {}  # (gateway, instrument) -> from_ms -> day
        self._last: dict[tuple[str, str], Told] = {}
        self._slots: dict[tuple[tuple[str, str], int], list[int]] = {}
        self._dropped: dict[tuple[str, str], int] = {}  # -> end of the latest quarter hour dropped for want of room

    def sample(self, gateway: str, sample: Mapping[str, Any]) -> None:
        """Count one sample of a batch seen for the first time. KeyError, TypeError, AttributeError: it is malformed."""
        key = (gateway, sample["instrument"])
        counts = self._counts(key, sample["ts"] - sample["lag"])
        values = sample["values"]
        nulls = [point for point, value in values.items() if value is None]
        counts[0] += len(values) - len(nulls)
        for point in nulls:
            counts[_INDEX[null_class(sample["why"].get(point))]] += 1

    def _counts(self, key: tuple[str, str], due_ms: int) -> list[int]:
        day = self._last.get(key)
        if day is not None and day.from_ms <= due_ms < day.to_ms:
            return day.seen
        for day in self._days.get(key, {}).values():
            if day.from_ms <= due_ms < day.to_ms:
                self._last[key] = day
                return day.seen
        place = (key, due_ms // SLOT_MS)
        counts = self._slots.get(place)
        if counts is None:
            counts = self._slots[place] = [0] * len(KINDS)
            if len(self._slots) > SLOTS_LIMIT:
                dropped, slot = next(iter(self._slots))
                del self._slots[dropped, slot]
                self._dropped[dropped] = max(self._dropped.get(dropped, 0), (slot + 1) * SLOT_MS)
        return counts

    def event(self, gateway: str, event: Mapping[str, Any]) -> None:
        """Note one completeness event of a batch seen for the first time. Raises BadEvent."""
        told = _told(gateway, event)
        if event["data"].get("partial"):
            return
        key = (gateway, told.instrument)
        days = self._days.setdefault(key, {})
        known = days.get(told.from_ms)
        if known is not None:
            if told.rev > known.rev or (told.rev == known.rev and known.differences()):
                known.rev, known.counts, known.early = told.rev, told.counts, told.early
            return
        days[told.from_ms] = told
        told.whole = told.from_ms >= self._dropped.get(key, 0)
        for slot in range(told.from_ms // SLOT_MS, -(-told.to_ms // SLOT_MS)):
            counts = self._slots.pop((key, slot), None)
            if counts is not None:
                told.seen[:] = [a + b for a, b in zip(told.seen, counts, strict=True)]

    def disagreements(self) -> Iterator[Told]:
        """Days whose seen counts are not the told ones, when their account is the last word."""
        for days in self._days.values():
            for day in days.values():
                if day.counts != day.seen and not day.early:
                    yield day

    @property
    def days(self) -> int:
        """How many days of an instrument have been told."""
        return sum(len(days) for days in self._days.values())


def _told(gateway: str, event: Mapping[str, Any]) -> Told:
    """The event's account, its own sum checked."""
    data = event.get("data")
    instrument = event.get("instrument")
    if not isinstance(instrument, str) or not isinstance(data, Mapping) or not isinstance(data.get("null"), Mapping):
        raise BadEvent("instrument, data or data.null is missing")
    numbers: dict[str, Any] = {name: data.get(name) for name in ("from", "to", "expected", "measured", "unchanged")}
    nulls: dict[str, Any] = {word: data["null"].get(word, 0) for word in CLASSES}
    for name, number in (numbers | nulls | {"rev": data.get("rev", 0)}).items():
        if type(number) is not int:
            raise BadEvent(f"{name} is {number!r}, not a whole number")
    if not 0 < numbers["to"] - numbers["from"] <= 2 * 86_400_000:
        raise BadEvent(f"from {numbers['from']} to {numbers['to']} is not a day")
    total = numbers["measured"] + numbers["unchanged"] + sum(nulls.values())
    if numbers["expected"] != total:
        raise BadEvent(f"expected is {numbers['expected']}, but measured + unchanged + nulls is {total}")
    return Told(
        gateway,
        instrument,
        numbers["from"],
        numbers["to"],
        str(data.get("day")),
        data.get("rev", 0),
        [numbers["measured"], *nulls.values()],
        early=isinstance(event.get("ts"), int) and event["ts"] < numbers["to"],
    )
