"""What an outsider knows after the day: the payloads, read as contract.md §2 says, and nothing else."""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Told:
    """One sample of the feed; `order` is its place among all samples."""

    order: int
    ts: int
    due: int
    values: dict[str, Any]
    flags: dict[str, str]
    why: dict[str, str]


@dataclass
class Feed:
    """Batches once each, in their order."""

    samples: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    windows: dict[tuple[str, str, int], tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """(instrument, period, start) -> (rev, values), the last word."""
    events: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    batches: int = 0
    polls: int = 0


def read(payloads: Iterable[tuple[str, bytes]]) -> Feed:
    """Batches of `data` and `backfill`, repeats left out, by (order of streams, seq)."""
    feed = Feed()
    bodies: dict[tuple[str, int], bytes] = {}
    streams: dict[str, int] = {}
    for topic, payload in payloads:
        if topic.rpartition("/")[2] not in ("data", "backfill"):
            continue
        text = payload if payload[:1] == b"{" else zlib.decompress(payload)
        head = json.loads(text)
        name = head["stream"], head["seq"]
        if bodies.setdefault(name, text) != text:
            feed.findings.append(f"{name} came with two bodies")
        streams.setdefault(head["stream"], len(streams))
    for name in sorted(bodies, key=lambda name: (streams[name[0]], name[1])):
        _take(feed, json.loads(bodies[name]))
    feed.batches = len(bodies)
    return feed


def _take(feed: Feed, body: dict[str, Any]) -> None:
    for one in body["samples"]:
        feed.samples[one["instrument"]].append(
            Told(feed.polls, one["ts"], one["ts"] - one["lag"], one["values"], one["flags"], one["why"])
        )
        feed.polls += 1
    for one in body["windows"]:
        key = one["instrument"], one["period"], one["start"]
        rev, _ = feed.windows.get(key, (-1, {}))
        if one["rev"] != rev + 1:
            feed.findings.append(f"{key}: rev {one['rev']} after {rev}")
        feed.windows[key] = one["rev"], one["values"]
    feed.events += body["events"]
