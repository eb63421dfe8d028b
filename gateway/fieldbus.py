"""The lines of a site with the drivers of the instruments on them, built from its settings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from drivers import catalogue
from drivers.contract import Driver, Line
from drivers.line import FieldLine, ListeningLine, listen_on, open_line
from drivers.line.listened import Listened
from drivers.line.own_settings import OwnSettings
from drivers.profile import InstrumentSpec, LineSpec, line_for


@dataclass(frozen=True, slots=True)
class Fieldbus:
    """One line, and the instruments on it with their drivers, in the order of the site file."""

    spec: LineSpec
    line: FieldLine | ListeningLine
    drivers: Mapping[str, Driver]


Between = Callable[[InstrumentSpec, Line, FieldLine], Line]
"""(instrument, the line as it sees it, the port beneath) -> the line as its driver sees it."""


def build(
    lines: Mapping[str, LineSpec],
    instruments: Iterable[InstrumentSpec],
    between: Between = lambda instrument, seen, line: seen,
) -> dict[str, Fieldbus]:
    """Every line that has instruments, by name. Nothing is opened: `line.run()` does that."""
    on_line: dict[str, list[InstrumentSpec]] = {}
    for instrument in instruments:
        on_line.setdefault(instrument.line, []).append(instrument)
    return {name: _fieldbus(lines[name], specs, between) for name, specs in on_line.items()}


def _fieldbus(spec: LineSpec, instruments: list[InstrumentSpec], between: Between) -> Fieldbus:
    if (hearing := catalogue.hearing(instruments, spec)) is not None:
        listening = listen_on(spec, hearing)
        return Fieldbus(spec, listening, {one.id: Listened(one, listening) for one in instruments})
    # a line whose instruments speak protocols with and without tags is used without: one question at a time
    tags = [catalogue.protocol(instrument.protocol).tags(spec) for instrument in instruments]
    line = open_line(spec, None if None in tags else tags[0])
    switched = any(instrument.serial is not None for instrument in instruments)
    drivers: dict[str, Driver] = {}
    for instrument in instruments:
        settings = line_for(instrument, spec)
        seen = between(instrument, OwnSettings(line, settings) if switched else line, line)
        drivers[instrument.id] = catalogue.protocol(instrument.protocol).driver(instrument, seen, settings)
    return Fieldbus(spec, line, drivers)
