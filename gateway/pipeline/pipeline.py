"""The steps between poller and log, joined: the one object that run.py knows.

    poller ─ marks ─► contacts ─► checks ─► limits, watch ─► deadband ─► log ─ entered ─► windows ─► log
                                     └─► derived instruments, which go the same way          └─► limits of windows

Which instrument has which steps is decided once, when it is built; an instrument without any costs one look-up.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import orjson

from gateway.domain.steps import StepKeys
from gateway.pipeline.batches import Batches
from gateway.pipeline.checks import Checks
from gateway.pipeline.contacts import Contacts
from gateway.pipeline.deadband import Thinning
from gateway.pipeline.derived import Derivation, Derived
from gateway.pipeline.flagging import Doubt, flagged
from gateway.pipeline.limits import Limits
from gateway.pipeline.rolling import Rollings
from gateway.pipeline.vapour_recovery import VapourRecovery
from gateway.pipeline.watch import Watch
from gateway.pipeline.water_classes import WaterClasses
from gateway.pipeline.window_values import Windowed
from gateway.pipeline.windows import Windows
from gateway.reading import Event, Flag, Reading, Sample, Window

WINDOW_KEYS = ("instrument", "period", "start", "rev", "values")
"""Of a window in the feed, in the order of `Window`."""


@dataclass(slots=True)
class Passed:
    """What became of one reading: what goes into the log, what happened, and polls that said nothing new."""

    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unchanged: list[Reading] = field(default_factory=list)


class _Steps:
    """The steps of one instrument."""

    def __init__(self, instrument: str, keys: StepKeys, zone: tzinfo) -> None:
        self.checks = Checks(keys.checks) if keys.checks else None
        self.limits = Limits(instrument, keys.limits) if keys.limits else None
        self.watch = Watch(keys.watch) if keys.watch else None
        self.contacts = Contacts(instrument, keys.marks) if keys.marks else None
        self.thinning = Thinning(keys.deadband) if keys.deadband else None
        self.rolling = Rollings(instrument, keys.rolling, zone) if keys.rolling else None
        self.batch = Batches(keys.batch) if keys.batch else None
        self.water = WaterClasses(keys.water_class, zone) if keys.water_class else None
        named = {
            "checks": self.checks, "limits": self.limits, "watch": self.watch, "contacts": self.contacts,
            "rolling": self.rolling, "batch": self.batch, "water": self.water,
        }  # fmt: skip
        self.kept = {name: step for name, step in named.items() if step is not None}

    def __bool__(self) -> bool:
        return bool(self.kept) or self.thinning is not None


class Pipeline:
    """All steps of one site."""

    def __init__(
        self,
        zone: tzinfo,
        windows: Mapping[str, Windowed],
        steps: Mapping[str, StepKeys] | None = None,
        derivations: Iterable[Derivation] = (),
        vapour: VapourRecovery | None = None,
    ) -> None:
        self.windows = Windows(zone, windows)
        self.vapour = vapour
        made = {name: _Steps(name, keys, zone) for name, keys in (steps or {}).items()}
        self.steps = {name: one for name, one in made.items() if one}
        self._derived: dict[str, list[Derived]] = defaultdict(list)
        self._holding: list[Derived] = []  # those that hold inputs
        for derivation in derivations:
            derived = Derived(derivation)
            for source in derived.sources():
                self._derived[source].append(derived)
            if derived.keeps:
                self._holding.append(derived)
        self._contacts: dict[str, list[Contacts]] = defaultdict(list)
        for one in self.steps.values():
            for source in one.contacts.sources() if one.contacts is not None else ():
                self._contacts[source].append(one.contacts)  # type: ignore[arg-type]
        self._busy = {*self.steps, *self._derived, *self._contacts}

    @property
    def thins(self) -> bool:
        """Whether polls may be kept out of the feed; windows then know more than the feed tells."""
        return any(one.thinning is not None for one in self.steps.values())

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._busy

    def passed(self, reading: Reading, thin: bool = True) -> Passed:
        """One reading through all steps of its instrument; `thin` False: nothing is kept out of the feed."""
        passed = Passed()
        self._pass(reading, thin, passed)
        return passed

    def _pass(self, reading: Reading, thin: bool, passed: Passed) -> None:
        for contacts in self._contacts.get(reading.instrument, ()):
            passed.events += contacts.look(reading)
        steps = self.steps.get(reading.instrument)
        unchanged = False
        if steps is not None:
            reading = _flagged(steps, reading, passed.events)
            for step in (steps.watch, steps.limits, steps.batch, steps.water):
                if step is not None:
                    passed.events += step.look(reading)
            unchanged = thin and steps.thinning is not None and steps.thinning.unchanged(reading)
        (passed.unchanged if unchanged else passed.readings).append(reading)
        for derived in self._derived.get(reading.instrument, ()):
            made = derived.look(reading)
            if made is not None:
                self._pass(made, thin, passed)

    @property
    def keeps(self) -> bool:
        """Whether there is anything to keep beside the windows."""
        return bool(self.steps) or bool(self._holding) or self.vapour is not None

    def entered(self, reading: Reading) -> list[Event]:
        """A reading that takes its place in the log, with its final stamp; what follows from it."""
        self.windows.count(reading)
        if self.vapour is not None and reading.instrument in self.vapour:
            return self.vapour.look(reading)
        return []

    def lost(self, reading: Reading) -> None:
        """A reading that had entered and could not be kept."""
        self.windows.take_back(reading)

    def count_body(self, body: Mapping[str, Any]) -> None:
        """A committed batch, after a restart, for the windows."""
        self.windows.count_body(body)

    def repeat_body(self, body: Mapping[str, Any], now_ms: int) -> list[Event]:
        """A committed batch, after a restart, for everything else; events that were not told with it, if there are any.

        Show it the batches after the one with which the state was kept.
        """
        events: list[Event] = []
        for sample in body["samples"]:
            if sample["instrument"] in self._busy or (self.vapour is not None and sample["instrument"] in self.vapour):
                with contextlib.suppress(ValueError):  # a point that this configuration has got since
                    events += self._repeated(_reading(sample))
        for row in body["windows"]:
            events += self._judged(Window(*(row[key] for key in WINDOW_KEYS)), now_ms)
        return events

    def _repeated(self, reading: Reading) -> list[Event]:
        """The steps of a reading that has passed them before; calculated readings stand in the batch themselves."""
        events: list[Event] = []
        for contacts in self._contacts.get(reading.instrument, ()):
            events += contacts.look(reading)
        steps = self.steps.get(reading.instrument)
        if steps is not None:
            if steps.checks is not None:
                events += steps.checks.look(reading)[1]
            for step in (steps.watch, steps.limits, steps.batch, steps.water):
                events += step.look(reading) if step is not None else []
        for derived in self._derived.get(reading.instrument, ()):
            derived.look(reading)
        if self.vapour is not None and reading.instrument in self.vapour:
            events += self.vapour.look(reading)
        return events

    def due(self, now_ms: int) -> tuple[list[Window], list[Event]]:
        """What is due by the clock: windows that are over, and events."""
        windows = self.windows.due(now_ms)
        events = self.windows.late(now_ms)
        if self.vapour is not None:
            events += self.vapour.due(now_ms)
        for window in windows:
            events += self._judged(window, now_ms)
        return windows, events

    def _judged(self, window: Window, now_ms: int) -> list[Event]:
        events: list[Event] = []
        steps = self.steps.get(window.instrument)
        if steps is not None and steps.limits is not None:
            events += steps.limits.look_at_window(window, now_ms)
        if steps is not None and steps.rolling is not None:
            events += steps.rolling.look(window, now_ms)
        return events

    def state(self) -> bytes:
        """Where every step but the windows stands, for `restore`."""
        kept = {
            name: {step: one.state() for step, one in steps.kept.items()}
            for name, steps in self.steps.items()
            if steps.kept
        }
        vapour = self.vapour.state() if self.vapour is not None else None
        held = {derived.id: derived.state() for derived in self._holding}
        return orjson.dumps({"v": 1, "instruments": kept, "vapour": vapour, "held": held})

    def restore(self, state: bytes) -> None:
        """Take up a kept state. Raises ValueError for what is not one; steps that are gone are left out."""
        try:
            kept = orjson.loads(state)
            version = kept["v"]
            if version == 1:
                for name, rows in kept["instruments"].items():
                    for step, one in self.steps[name].kept.items() if name in self.steps else ():
                        if step in rows:
                            one.restore(rows[step])
                if self.vapour is not None and kept.get("vapour") is not None:
                    self.vapour.restore(kept["vapour"])
                for derived in self._holding:
                    derived.restore(kept.get("held", {}).get(derived.id, {}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no kept state of steps: {state[:80]!r}") from error
        if version != 1:
            raise ValueError(f"the kept state of steps has version {version}, this release knows 1")


def _reading(sample: Mapping[str, Any]) -> Reading:
    """A sample of the feed as the reading that it was."""
    points = tuple(sample["values"])
    place = {point: index for index, point in enumerate(points)}
    flags = {place[point]: Flag(flag) for point, flag in sample["flags"].items()}
    why = {place[point]: words for point, words in sample["why"].items()}
    made = Sample(tuple(sample["values"].values()), flags, why)
    return Reading(sample["instrument"], points, sample["ts"], sample["lag"], made)


def _flagged(steps: _Steps, reading: Reading, events: list[Event]) -> Reading:
    doubts: list[Doubt] = []
    if steps.contacts is not None:
        doubts += steps.contacts.doubts(reading)
    if steps.checks is not None:
        found, told = steps.checks.look(reading)
        doubts += found
        events += told
    return flagged(reading, doubts) if doubts else reading
