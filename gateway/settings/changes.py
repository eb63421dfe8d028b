"""What differs between two configurations in what affects values; the `changes` of `configuration.changed`."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.batch import pack, plain
from gateway.settings.site import Site, dumped

MOST_CHANGES = 200
"""Beyond this the event says how many more there are: an event must fit a batch."""


def described(site: Site) -> bytes:
    """Everything of a site that affects values, as JSON: lines and instruments with their points, by name.

    Compressed, because it is kept for the next start: 2,000 points are 1 MB, and 20 kB compressed.
    """
    parts = {
        "gateway": site.gateway_id,
        "timezone": site.timezone,
        "lines": site.lines,
        "instruments": {
            spec.id: {
                **dumped(spec),
                "points": {point.id: point for point in spec.points},
                "steps": site.steps[spec.id],
            }
            for spec in site.everything
        },
        "vapour_recovery": site.vapour_recovery,
        "derived": {
            one.spec.id: {"inputs": one.inputs, "constants": one.constants, "formulas": one.formulas}
            for one in site.derived
        },
    }
    written = orjson.dumps(parts, default=dumped, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return pack(written, "zlib")


def changes(before: bytes, after: bytes) -> list[dict[str, Any]]:
    """Each difference as {"what": "instruments.cems-1.points.so2.scale", "from": …, "to": …}; null where absent.

    Both as `described`, compressed or not.
    """
    found = [
        {"what": ".".join(path), "from": old, "to": new}
        for path, old, new in _differences((), orjson.loads(plain(before)), orjson.loads(plain(after)))
    ]
    if len(found) > MOST_CHANGES:
        more = len(found) - MOST_CHANGES
        found = [*found[:MOST_CHANGES], {"what": f"and {more} more", "from": None, "to": None}]
    return found


def _differences(path: tuple[str, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences((*path, key), old.get(key), new.get(key))
    elif old != new:
        yield path, old, new
