"""A site whose instruments are simulated: the same site file with other addresses for its lines."""

from collections.abc import Mapping
from typing import Any

from drivers.profile import LineSpec
from gateway.settings.model import KINDS


def moved(document: Mapping[str, Any], lines: Mapping[str, LineSpec]) -> dict[str, Any]:
    """The site file's content (plain values) with every line at its simulated endpoint; all else as it stands."""
    changed = dict(document)
    changed["lines"] = {name: _line(settings, lines[name]) for name, settings in document["lines"].items()}
    changed["instruments"] = [
        {**entry, "serial": _taken(entry["serial"])} if "serial" in entry else entry
        for entry in document["instruments"]
    ]
    return changed


def _line(settings: Mapping[str, Any], simulated: LineSpec) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if key not in KINDS and key != "allow"}
    if simulated.kind == "serial":
        return {"serial": simulated.path, **_taken(kept)}
    if simulated.kind == "local":
        return {"local": simulated.path, **kept}
    return {simulated.kind: f"{simulated.host}:{simulated.port}", **kept}


def _taken(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a pseudo-terminal takes: it has a baud rate, but neither parity nor characters of seven bits."""
    return {key: value for key, value in settings.items() if key not in ("parity", "bytesize")}
