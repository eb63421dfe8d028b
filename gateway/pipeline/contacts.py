"""Marks that a contact or a status register sets: somebody works on the instrument as long as it says so."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.domain.steps import MarkRule
from gateway.pipeline.flagging import Doubt
from gateway.reading import Event, Reading, Value


class Contacts:
    """The contact marks of one instrument."""

    def __init__(self, instrument: str, rules: Iterable[MarkRule]) -> None:
        self._instrument = instrument
        self._rules = tuple(rules)
        self._on: dict[int, int] = {}  # number of the rule -> since when

    def sources(self) -> set[str]:
        """Instruments whose readings are to be shown to `look`."""
        return {rule.when.split("/")[0] for rule in self._rules}

    def look(self, reading: Reading) -> list[Event]:
        """Take the state of the contacts from a reading; a contact that is not known stays as it was."""
        events: list[Event] = []
        for number, rule in enumerate(self._rules):
            source, point = rule.when.split("/")
            if source != reading.instrument or point not in reading.points:
                continue
            value = reading.sample.values[reading.points.index(point)]
            if value is None:
                continue
            on = _is_one_of(value, rule.equals)
            if on and number not in self._on:
                self._on[number] = reading.ts_ms
                events.append(self._event("mark.set", rule, reading, {"until": None}))
            elif not on and number in self._on:
                events.append(self._event("mark.ended", rule, reading, {"since": self._on.pop(number)}))
        return events

    def doubts(self, reading: Reading) -> list[Doubt]:
        """The flags that the contacts put on a reading of this instrument."""
        found: list[Doubt] = []
        for number in self._on:
            rule = self._rules[number]
            for index, point in enumerate(reading.points):
                # the contact itself is measured all the same
                is_contact = rule.when == f"{reading.instrument}/{point}"
                if not is_contact and (rule.points is None or point in rule.points):
                    found.append((index, rule.flag, f"marked: {rule.who or rule.when}"))
        return found

    def _event(self, kind: str, rule: MarkRule, reading: Reading, more: Mapping[str, Any]) -> Event:
        data = {"flag": rule.flag.value, "who": rule.who or rule.when, **more}
        return Event(reading.ts_ms, kind, data, self._instrument, level="info")

    def state(self) -> list[list[Any]]:
        """For a kept state."""
        return [[self._rules[number].when, self._rules[number].flag.value, since] for number, since in self._on.items()]

    def restore(self, kept: Iterable[list[Any]]) -> None:
        """Go on from a kept state; rules that are gone are forgotten."""
        rules = {(rule.when, rule.flag.value): number for number, rule in enumerate(self._rules)}
        self._on = {rules[when, flag]: since for when, flag, since in kept if (when, flag) in rules}


def _is_one_of(value: Value, wanted: Iterable[Value]) -> bool:
    """As in the file: true is true and not 1."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in wanted)
