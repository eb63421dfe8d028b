"""config/quantities.yaml: one vocabulary of quantities and units for all profiles and sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from unicodedata import normalize

from pydantic import Field

from drivers.profile import Checked
from gateway.settings.check import checked
from gateway.settings.document import Node, read
from gateway.settings.problem import Problem, did_you_mean


class Quantity(Checked):
    """What a value means, independent of the instrument that measures it."""

    unit: str
    """Unit in which `factor`, `decimals` and `range` hold."""
    en: str
    """Meaning in English."""
    zh: str
    """Meaning in Chinese."""
    factor: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{1,9}$")] | None = None
    """HJ 212 factor code; stands for this unit only."""
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    """Decimals for display and HJ 212."""
    range: tuple[float, float] | None = None
    """Plausible values; an instrument's own measuring range takes its place."""
    also: tuple[str, ...] = ()
    """Other units in which instruments report it; such points get no factor code, decimals or range from here."""
    confidence: str | None = None
    """Where the code is not in HJ 212-2017 Annex B: where it comes from."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Quantities by name, and every unit that may be written."""

    quantities: Mapping[str, Quantity]
    units: Mapping[str, str]


def vocabulary(files: Sequence[Path], problems: list[Problem]) -> Vocabulary:
    """The files joined; where two define one name the earlier file wins. Raises SettingsError on bad YAML."""
    quantities: dict[str, Quantity] = {}
    units: dict[str, str] = {}
    for file in reversed(files):
        _add(read(file), quantities, units, problems)
    return Vocabulary(quantities, units)


def like(written: str, units: Mapping[str, str]) -> str:
    """What to write instead of a unit that is not listed: `℃`, `mg/m³` and `µg/m3` are other spellings of one."""
    spelled = normalize("NFKC", written).replace("\u03bc", "u")  # both signs for micro become the Greek letter
    return f"did you mean {spelled!r}?" if spelled in units else did_you_mean(written, units)


def _add(root: Node, quantities: dict[str, Quantity], units: dict[str, str], problems: list[Problem]) -> None:
    entries = root.value if isinstance(root.value, dict) else {}
    for key in entries.keys() - {"units", "quantities"}:
        problems.append(entries[key].key_problem(f"unknown key {key!r}", "a quantities file has units and quantities"))
    for unit, node in _entries(entries.get("units"), problems):
        units[unit] = str(node.value)
    for name, node in _entries(entries.get("quantities"), problems):
        made = checked(Quantity, node, problems, f"quantity {name}")
        if made is None:
            continue
        for unit in (made.unit, *made.also):
            if unit not in units:
                problems.append(node.key_problem(f"quantity {name}: unit {unit!r} is not listed under units"))
        quantities[name] = made


def _entries(node: Node | None, problems: list[Problem]) -> list[tuple[str, Node]]:
    if node is None:
        return []
    if not isinstance(node.value, dict):
        problems.append(node.problem("a mapping is wanted here", "write `name: …` for each"))
        return []
    return list(node.value.items())
