"""Durations and sizes as people write them: `50ms`, `5s`, `2m`, `400d`, `2GiB`."""

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")


def seconds(text: object) -> float:
    """Seconds from `5s`, `50ms`, `1.5m`. A bare number is refused: nobody can tell its unit. Raises ValueError."""
    return _number(text, _SECONDS, "a duration with a unit, such as 50ms, 5s, 2m, 12h or 400d")


def size(text: object) -> int:
    """Bytes from `2GiB`, `512MiB`. Raises ValueError."""
    return int(_number(text, _BYTES, "a size with a unit, such as 512MiB or 2GiB"))


def _number(text: object, units: dict[str, float] | dict[str, int], wanted: str) -> float:
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is not {wanted}")
    value = float(found[1]) * units[found[2]]
    # 0.001 is not a binary fraction: 50ms is 0.05, not 0.050000000000000003
    return round(value, 6)


def written(duration_s: float) -> str:
    """The shortest spelling of a duration: 0.05 -> 50ms, 90.0 -> 90s, 86400.0 -> 1d."""
    for unit, factor in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if duration_s >= factor and duration_s % factor == 0:
            return f"{duration_s / factor:g}{unit}"
    return f"{duration_s:g}s" if duration_s >= 1 else f"{duration_s * 1000:g}ms"
