"""Everything the status page and `fieldgate status` show, as plain values."""

from typing import Any

from gateway.health.bounds import Bounds
from gateway.health.sources import Parts

ERASE_CYCLES_BYTES = 30 * 2**40
"""What a good 32 GB industrial card takes in its life (about 1,000 full writes): the card life shown is this
divided by what the log writes, an order of magnitude and no promise."""
DAY_S = 86400.0
PROJECTED_AFTER_S = 600.0
"""Before that the start itself (a new file, catch-up) outweighs what a day is made of."""


def status(parts: Parts, bounds: Bounds) -> dict[str, Any]:
    """The body of /status.json, v 1. Times are ms UTC, ages and durations seconds."""
    troubles = bounds.broken()
    now_s, now_ms = parts.clock.monotonic(), parts.clock.now_ms()
    return {
        "v": 1,
        "gateway": parts.site.gateway_id,
        "site": parts.site.title,
        "version": parts.version,
        "configuration": parts.site.hash,
        "now": now_ms,
        "since": parts.started_ms,
        "healthy": not troubles,
        "troubles": troubles,
        "clock": {"state": parts.clock.state().value, "steps": parts.clock.steps},
        "lines": [
            {"id": name, "up": line.up, "state": line.state, "faults": dict(line.faults)}
            for name, line in parts.lines.items()
        ],
        "instruments": [row for name in parts.pollers for row in _instruments(parts, name, now_s)],
        "log": _log(parts, now_s),
        "uplinks": [_uplink(parts, name, now_ms) for name in parts.uplinks],
    }


def _instruments(parts: Parts, line: str, now_s: float) -> list[dict[str, Any]]:
    poller, marks = parts.pollers[line], parts.marks()
    rows = []
    for spec in parts.site.instruments:
        if spec.line != line:
            continue
        reading = poller.last.get(spec.id)
        answered_s = poller.answered_s.get(spec.id)
        points = []
        for index, point in enumerate(spec.points):
            cell: dict[str, Any] = {"id": point.id, "unit": point.unit, "decimals": point.decimals, "value": None}
            if reading is not None:
                flag = reading.sample.flags.get(index)
                cell |= {
                    "value": reading.sample.values[index],
                    "flag": flag.value if flag is not None else "N",
                    "why": reading.sample.why.get(index),
                }
            points.append(cell)
        rows.append(
            {
                "id": spec.id,
                "title": spec.title,
                "line": line,
                "profile": spec.profile,
                "period_s": spec.every_s,
                "answering": poller.answering.get(spec.id, False),
                "age_s": round(now_s - reading.monotonic_s, 1) if reading is not None else None,
                "value_age_s": round(now_s - answered_s, 1) if answered_s is not None else None,
                "mark": marks.get(spec.id),
                "points": points,
            }
        )
    return rows


def _log(parts: Parts, now_s: float) -> dict[str, Any]:
    log = parts.log
    up_s = now_s - parts.started_s
    daily = log.written_bytes / up_s * DAY_S if up_s >= PROJECTED_AFTER_S else None
    return {
        "stream": log.stream,
        "seq": log.seq,
        "batches": log.batches,
        "bytes": log.bytes,
        "max_bytes": parts.site.log.max_size,
        "written_bytes": log.written_bytes,
        "written_bytes_per_day": None if daily is None else round(daily),
        "card_life_years": round(ERASE_CYCLES_BYTES / daily / 365, 1) if daily else None,
        "trouble": log.trouble,
        "holding": log.holding,
        "evicted": dict(log.evicted_batches),
    }


def _uplink(parts: Parts, name: str, now_ms: int) -> dict[str, Any]:
    uplink = parts.uplinks[name]
    batches, oldest_ms = parts.log.backlog(name)
    return {
        "id": name,
        "connected": uplink.connected,
        "trouble": uplink.trouble,
        "unheard": uplink.unheard,
        "backlog": batches,
        "oldest_s": round(max(0, now_ms - oldest_ms) / 1000, 1) if oldest_ms is not None else None,
        "acknowledged": uplink.acknowledged,
        "refused": dict(uplink.refused),
        "certificate_expiry": uplink.certificate_expiry_s,
    }
