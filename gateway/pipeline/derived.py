"""Calculated instruments: a sample of formulas at each poll of the instrument they go with.

What an input with `hold` holds is kept across restarts: the result of a batch analyser serves until the next one. Of
the other inputs nothing is known after a start until they are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.expression import Expression, FormulaError, Number
from gateway.pipeline.flagging import worse
from gateway.reading import Flag, Reading, Sample, Value


@dataclass(frozen=True, slots=True)
class Formula:
    """One value: its id, its formula, and its plausible range."""

    id: str
    expression: Expression
    range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    """One calculated instrument. `inputs`: name -> (instrument, point); `at`: the instrument it goes with."""

    id: str
    at: str
    inputs: Mapping[str, tuple[str, str]]
    constants: Mapping[str, float]
    formulas: tuple[Formula, ...]
    max_age_ms: int
    hold_ms: Mapping[str, int] = field(default_factory=dict)
    """Input -> how long its last valid value serves."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What stands behind a name at one moment."""

    value: Number | None
    flag: Flag = Flag.NORMAL
    why: str = ""


class Derived:
    """One calculated instrument; it remembers the last reading of each of its inputs."""

    def __init__(self, derivation: Derivation) -> None:
        self._one = derivation
        self._points = tuple(formula.id for formula in derivation.formulas)
        self._latest: dict[str, Reading] = {}
        self._held: dict[str, Reading] = {}  # input -> the last reading in which it was valid

    def sources(self) -> set[str]:
        """Instruments whose readings are to be shown to `look`."""
        return {instrument for instrument, _ in self._one.inputs.values()} | {self._one.at}

    def look(self, reading: Reading) -> Reading | None:
        """Remember a reading; at one of the instrument it goes with, the calculated sample, with the same stamp."""
        self._latest[reading.instrument] = reading
        for name in self._one.hold_ms:
            instrument, point = self._one.inputs[name]
            if instrument == reading.instrument:
                index = reading.points.index(point)
                if reading.sample.values[index] is not None and index not in reading.sample.flags:
                    self._held[name] = reading
        return self._sample(reading) if reading.instrument == self._one.at else None

    def _sample(self, reading: Reading) -> Reading:
        known: dict[str, _Known] = {name: _Known(value) for name, value in self._one.constants.items()}
        for name, source in self._one.inputs.items():
            if name in self._one.hold_ms:
                known[name] = self._input(*source, reading, self._held.get(name), self._one.hold_ms[name])
            else:
                known[name] = self._input(*source, reading, self._latest.get(source[0]), self._one.max_age_ms)
        values: list[Value] = []
        flags: dict[int, Flag] = {}
        whys: dict[int, str] = {}
        for index, formula in enumerate(self._one.formulas):
            made = known[formula.id] = _made(formula, known)
            values.append(made.value)
            if made.flag is not Flag.NORMAL:
                flags[index], whys[index] = made.flag, made.why
        result = "invalid" if None in values else "ok"
        sample = Sample(tuple(values), flags, whys, result)
        return Reading(self._one.id, self._points, reading.ts_ms, reading.lag_ms, sample, reading.monotonic_s)

    @property
    def keeps(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self._one.hold_ms)

    @property
    def id(self) -> str:
        """Of the calculated instrument."""
        return self._one.id

    def state(self) -> dict[str, list[Any]]:
        """For a kept state: input -> held value, when it was read, its lag."""
        return {
            name: [
                reading.sample.values[reading.points.index(self._one.inputs[name][1])],
                reading.ts_ms,
                reading.lag_ms,
            ]
            for name, reading in self._held.items()
        }

    def restore(self, kept: Mapping[str, list[Any]]) -> None:
        """Go on from a kept state. Ages are then told by the wall clock, as the boot clock may have begun anew."""
        for name, (value, ts_ms, lag_ms) in kept.items():
            if name in self._one.hold_ms:
                instrument, point = self._one.inputs[name]
                self._held[name] = Reading(instrument, (point,), ts_ms, lag_ms, Sample((value,)))

    def _input(self, instrument: str, point: str, now: Reading, latest: Reading | None, most_ms: int) -> _Known:
        name = f"{instrument}/{point}"
        if latest is None:
            return _Known(None, Flag.COMMUNICATION, f"invalid: nothing was read of {name} yet")
        # by the boot clock where there is one: a step of the wall clock makes nothing old
        age_ms = (now.ts_ms - now.lag_ms) - (latest.ts_ms - latest.lag_ms)
        if now.monotonic_s and latest.monotonic_s:
            age_ms = round((now.monotonic_s - latest.monotonic_s) * 1000)
        if age_ms > most_ms:
            return _Known(None, Flag.COMMUNICATION, f"invalid: {name} is {age_ms / 1000:g} s old")
        index = latest.points.index(point)
        value = latest.sample.values[index]
        flag = latest.sample.flags.get(index, Flag.NORMAL)
        why = latest.sample.why.get(index, "")
        if value is None:
            return _Known(None, flag, why)
        if isinstance(value, str):
            return _Known(None, Flag.FAULT, f"invalid: {name} is a text")
        return _Known(value, flag, f"{why} ({name})" if why else "")


def _made(formula: Formula, known: Mapping[str, _Known]) -> _Known:
    used = [known[name] for name in formula.expression.names]
    flag, why = Flag.NORMAL, ""
    for one in used:
        if one.flag is not flag and worse(one.flag, flag) is one.flag:
            flag, why = one.flag, one.why
    missing: Sequence[_Known] = [one for one in used if one.value is None]
    if missing:
        return _Known(None, missing[0].flag, missing[0].why)
    numbers = {name: known[name].value for name in formula.expression.names}
    try:
        value = formula.expression.value(numbers)  # type: ignore[arg-type]
    except FormulaError as error:
        return _Known(None, worse(Flag.FAULT, flag), f"invalid: {formula.id}: {error}")
    low, high = formula.range or (value, value)
    if not low <= value <= high and worse(Flag.OUT_OF_RANGE, flag) is Flag.OUT_OF_RANGE:
        flag, why = Flag.OUT_OF_RANGE, f"range: {value:g} is not in {low:g} to {high:g}"
    return _Known(value, flag, why)
