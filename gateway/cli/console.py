"""Where commands print tables: as wide as the terminal, and wide enough for grep and a file elsewhere."""

import os
import sys

from rich.console import Console

WIDE = 200
"""Columns where nobody looks at a screen."""


def console(stderr: bool = False) -> Console:
    """Colours only on a terminal; text is shown as it is, never guessed to be numbers, paths or links."""
    out = sys.stderr if stderr else sys.stdout
    width = None if out.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, highlight=False)


def counted(number: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
