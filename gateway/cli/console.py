"""Where commands print tables: as wide as the terminal, and wide enough for grep and a file elsewhere."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 200
"""Columns where nobody looks at a screen."""


def console(stderr: bool = False) -> "Console":
    """Colours only on a terminal; text is shown as it is, never guessed to be numbers, paths or links."""
    from rich.console import Console  # 0.1 s, which commands that print no table do without

    out = sys.stderr if stderr else sys.stdout
    width = None if out.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, highlight=False)


def counted(number: int, one: str, several: str | None = None) -> str:
    """`1 line`, `2 lines`, `2 batches`."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def shortened(value: bool | int | float | str, decimals: int | None) -> str:
    """A value for the eye, with the point's decimals where it has any: never for the feed."""
    if isinstance(value, float):
        return f"{value:.{decimals}f}" if decimals is not None else f"{value:.7g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def unit_shown(unit: str | None) -> str:
    """A unit for the eye: a plain number has none."""
    return "" if unit in (None, "1") else str(unit)
