"""The formulas of the standards once more, written apart from gateway/domain: by hand, in another form.

Sources as there: HJ 75-2017 and HJ 76-2017 equations 18 to 34, HJ 212-2017 annex D, GB 3095 with its amendment.
A formula is evaluated as the Python expression that it also is.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any


class NoValue(Exception):
    """There is no value for these numbers."""


def _only_if(condition: float, value: float) -> float:
    if condition:
        return value
    raise NoValue


def _corrected(c: float, o2: float, reference: float, guard: float = 20.0) -> float:
    if o2 >= guard or o2 >= 21:
        raise NoValue
    alpha, wanted = 21 / (21 - o2), 21 / (21 - reference)
    return c * alpha / wanted


def _excess(o2: float, guard: float = 20.0) -> float:
    if o2 >= guard:
        raise NoValue
    return 1 / (1 - o2 / 21)


def _dry(c: float, moisture: float) -> float:
    if not 0 <= moisture < 100:
        raise NoValue
    return 100 * c / (100 - moisture)


def _dry_standard_flow(q: float, t: float, ps: float, moisture: float, ba: float = 101.325) -> float:
    if not 0 <= moisture < 100:
        raise NoValue
    return q * (100 - moisture) / 100 * (273 * (ba + ps)) / (101.325 * (273 + t))


def _lost(given: float, taken: float) -> float:
    if given <= 0:
        raise NoValue
    return 100 - 100 * taken / given


def _if(condition: float, then: float, otherwise: float) -> float:
    return then if condition else otherwise


def _energy(level: float) -> float:
    return float(math.exp(level / 10 * math.log(10)))


NAMES: Mapping[str, Any] = {
    "min": min, "max": max, "abs": abs, "if_": _if, "only_if": _only_if,
    "to_standard": lambda c, t, ps, ba=101.325: c * (1 + t / 273) / ((ba + ps) / 101.325),
    "dry": _dry,
    "ppm_to_mg": lambda ppm, mass: ppm / 22.4 * mass,
    "nox_as_no2": lambda no, no2=0.0: 46 / 30 * no + no2,
    "nox_from_ppm": lambda no, no2=0.0: 46 * (no + no2) / 22.4,
    "oxygen_corrected": _corrected,
    "excess_air": _excess,
    "excess_air_corrected": lambda c, o2, reference, guard=20.0: c * _excess(o2, guard) / reference,
    "duct_flow": lambda v, area, kv=1.0: v * kv * area * 3600,
    "dry_standard_flow": _dry_standard_flow,
    "mass_rate": lambda c, q: c / 1e6 * q,
    "load_rate": lambda c, q: c * q * 3.6 / 1000,
    "ppb_to_ug": lambda ppb, mass, volume=24.45: mass * (ppb / volume),
    "heat_power": lambda q, t1, t2, c=983.2 * 4.185: c / 3600 * q * (t1 - t2),
    "lost_share": _lost,
    "energy": _energy,
    "level": lambda energy: 10 * math.log(energy) / math.log(10),
}  # fmt: skip


@lru_cache(maxsize=256)
def _compiled(text: str) -> Any:
    text = re.sub(r"\bif\s*\(", "if_(", text)
    for name in names_of(text):
        text = re.sub(rf"\b{name}\b", f"{name}_", text)  # `return` is a name there, and a word of Python
    return compile(text, "formula", "eval")


@lru_cache(maxsize=256)
def names_of(text: str) -> tuple[str, ...]:
    """The names that a formula uses and that are no functions, in order."""
    found = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"\d[\d.]*[eE][+-]?\d+", "0", text))
    return tuple(dict.fromkeys(one for one in found if one not in {*NAMES, "if", "and", "or", "not"}))


def value(text: str, known: Mapping[str, float]) -> float:
    """The value of a formula. Raises NoValue."""
    try:
        found = eval(_compiled(text), {"__builtins__": {}, **NAMES}, {f"{name}_": one for name, one in known.items()})
    except (ArithmeticError, ValueError):
        raise NoValue from None
    if isinstance(found, float) and not math.isfinite(found):
        raise NoValue
    return found  # type: ignore[no-any-return]
