"""What windows are made of: minutes that count, hours that hold them, and their form in a kept state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.pipeline.tally import Tally, joined


@dataclass(slots=True)
class Cell:
    """One minute: how many polls, and a tally for each point."""

    start: int
    tallies: list[Tally]
    polls: int = 0
    fresh: bool = True  # nothing was counted since its windows were told


@dataclass(slots=True)
class Part:
    """A stretch of time joined: polls, a tally for each point, and for each the means of its valid parts."""

    polls: int
    tallies: list[Tally]
    means: list[list[float]]


@dataclass(slots=True)
class Hour:
    """An hour that had samples; without `cells` it can no longer be revised."""

    start: int
    after: int
    cells: dict[int, Cell] | None = field(default_factory=dict)
    part: Part | None = None


def joined_tallies(points: Sequence[str], rows: Iterable[list[Tally]]) -> list[Tally]:
    columns = list(zip(*rows, strict=True))
    return [joined(column) for column in columns] if columns else [Tally() for _ in points]


def hour_row(hour: Hour) -> list[Any]:
    cells = hour.cells
    return [
        hour.start,
        hour.after,
        None if cells is None else [_cell_row(cell) for cell in cells.values()],
        None if hour.part is None else _part_row(hour.part),
    ]


def _cell_row(cell: Cell) -> list[Any]:
    return [cell.start, cell.polls, cell.fresh, [tally.row() for tally in cell.tallies]]


def _part_row(part: Part) -> list[Any]:
    return [part.polls, [tally.row() for tally in part.tallies], part.means]


def hour_of(row: list[Any], order: list[int | None]) -> Hour:
    start, after, cells, part = row
    hour = Hour(start, after, None if cells is None else {})
    for cell_start, polls, fresh, tallies in cells or ():
        assert hour.cells is not None
        hour.cells[cell_start] = Cell(cell_start, _tallies(tallies, order), polls, fresh)
    if part is not None:
        polls, tallies, means = part
        hour.part = Part(polls, _tallies(tallies, order), [means[at] if at is not None else [] for at in order])
    return hour


def _tallies(rows: list[list[Any]], order: list[int | None]) -> list[Tally]:
    return [_tally(rows[at]) if at is not None else Tally() for at in order]


def _tally(row: list[Any]) -> Tally:
    tally = Tally(*row[:7])
    tally.levels = dict(row[7]) if len(row) > 7 else {}
    return tally
