"""Figures beside their targets, as every command of this folder prints them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure; `most` is the target, None where there is none."""

    name: str
    value: float
    unit: str
    most: float | None = None
    digits: int = 2

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        return "" if self.most is None else "met" if self.value <= self.most else "MISSED"


def table(figures: Iterable[Figure]) -> str:
    """One line a figure: what, how much, at most how much, and the verdict."""
    rows = [("figure", "measured", "target", "")]
    for one in figures:
        most = "" if one.most is None else f"≤ {one.most:g} {one.unit}"
        rows.append((one.name, f"{one.value:.{one.digits}f} {one.unit}", most, one.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
    )
