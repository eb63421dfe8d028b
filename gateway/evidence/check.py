"""The check of a feed: takes messages in any order and with repeats, and says what is wrong with them."""

import re
import zlib
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import orjson

from gateway.batch import FIRST_PREV, digest
from gateway.evidence.chain import Chain
from gateway.evidence.conclusions import Conclusions
from gateway.evidence.daily import BadEvent, DailySums, Told
from gateway.evidence.item import Finding, Item, Seal
from gateway.evidence.report import Report, StreamSummary
from gateway.signing import checkpoint_text, verify

BODY_LIMIT = 64 * 2**20
"""Uncompressed bytes of one body, far above any batch: a few KiB of zlib may claim gigabytes."""

LISTED = 1000
"""Findings spelled out; further ones are counted. One cause can break every batch of a year."""

HEX64 = re.compile(r"[0-9a-f]{64}")


class Unreadable(ValueError):
    """A message that is no batch although it should be one; the text says why."""


def check_feed(items: Iterable[Item | Finding | Seal], pinned_key: str | None = None) -> Report:
    """Check a whole record. `items` come from sources.py, bundle.py or the log's archive."""
    check = FeedCheck(pinned_key)
    for item in items:
        check.take(item)
    return check.report()


async def check_messages(
    messages: AsyncIterable[tuple[str, bytes]], pinned_key: str | None = None, check: "FeedCheck | None" = None
) -> Report:
    """Check (topic, payload) pairs as a broker delivers them, until the iterator ends.

    Pass a `check` of your own to ask it for its `report()` while messages still come.
    """
    check = check or FeedCheck(pinned_key)
    number = 0
    async for topic, payload in messages:
        number += 1
        check.take(Item(topic, payload, f"message {number}"))
    return check.report()


class FeedCheck:
    """Gathers evidence message by message; `report()` may be asked at any time."""

    def __init__(self, pinned_key: str | None = None) -> None:
        self._pinned = pinned_key.lower() if pinned_key else None
        self._chains: dict[tuple[str, str], Chain] = {}
        self._daily = DailySums()
        self._findings: list[Finding] = []
        self._omitted = 0
        self._other = 0
        self._evicted: dict[tuple[str, str], list[Finding]] = {}
        self._removed: dict[str, list[Finding]] = {}  # by stream, as a log says of itself
        self._started: dict[tuple[str, str], Mapping[str, Any] | None] = {}  # by stream: its `previous`
        self._seals: set[str] = set()
        self._rewritten: set[tuple[str, str]] = set()
        self._announced: dict[tuple[str, str], None] = {}  # (gateway, key) of points catalogues

    def take(self, item: Item | Finding | Seal) -> None:
        """Add one message, or a finding that its source has made."""
        if isinstance(item, Finding):
            self._note_source(item)
            return
        if isinstance(item, Seal):
            self._seals.add(item.key.lower())
            return
        kind = item.topic.rpartition("/")[2] if item.topic is not None else None
        if kind not in ("data", "backfill", "points", None):
            self._other += 1
            return
        try:
            body, raw = _parsed(item.body)
            if kind == "points" or (kind is None and "prev" not in body and "seq" not in body):
                self._other += 1
                self._catalogue(body)
                return
            self._batch(item, body, raw)
        except Unreadable as error:
            self._find(Finding("unreadable", details={"place": item.place, "reason": str(error)}))

    def _note_source(self, finding: Finding) -> None:
        if finding.kind == "removed":
            self._removed.setdefault(finding.stream or "", []).append(finding)
        else:
            self._find(finding)

    def _find(self, finding: Finding) -> None:
        if len(self._findings) < LISTED:
            self._findings.append(finding)
        else:
            self._omitted += 1

    def _catalogue(self, body: Mapping[str, Any]) -> None:
        gateway, key = body.get("gateway"), body.get("key")
        if isinstance(gateway, str) and isinstance(key, str):
            self._announced[gateway, key] = None

    def _batch(self, item: Item, body: Mapping[str, Any], raw: bytes) -> None:
        gateway, stream, seq, prev = _name(body)
        if item.topic is not None and item.topic.split("/")[-2:-1] != [gateway]:
            self._find(Finding("topic", gateway, stream, seq, details={"topic": item.topic}))
        if item.seq is not None and (item.stream, item.seq) != (stream, seq):
            stored = {"stored": f"{item.stream} {item.seq}", "body": f"{stream} {seq}", "place": item.place}
            self._find(Finding("row", gateway, stream, seq, details=stored))
        if not item.exact:
            self._rewritten.add((gateway, stream))
        chain = self._chains.get((gateway, stream))
        if chain is None:
            chain = self._chains[gateway, stream] = Chain()
        outcome = chain.take(seq, digest(raw), prev)
        if outcome == "twin":
            self._find(Finding("double", gateway, stream, seq, details={"place": item.place}))
        if outcome != "new":
            return
        if seq == 1 and prev != FIRST_PREV:
            self._find(Finding("first", gateway, stream, 1))
        if chain.lowest_created is None or seq < chain.lowest_created[0]:
            chain.lowest_created = (seq, body["created"])
        for sample in body["samples"]:
            try:
                self._daily.sample(gateway, sample)
            except (KeyError, TypeError, AttributeError) as error:
                raise Unreadable(f"a sample of batch {seq} is not as the format says ({error!r})") from error
        for event in body["events"]:
            self._event(chain, (gateway, stream), seq, prev, event)

    def _event(self, chain: Chain, name: tuple[str, str], seq: int, prev: str, event: object) -> None:
        if not isinstance(event, dict) or not isinstance(event.get("data", {}), dict):
            raise Unreadable(f"an event of batch {seq} is no JSON object")
        data = event.get("data", {})
        match event.get("kind"):
            case "log.checkpoint":
                self._checkpoint(chain, name, seq, prev, data)
            case "log.evicted":
                self._eviction(name, seq, data)
            case "log.started":
                self._start(name, seq, data)
            case "completeness":
                try:
                    self._daily.event(name[0], event)
                except BadEvent as error:
                    self._find(Finding("completeness.event", *name, seq, details={"reason": str(error)}))

    def _checkpoint(self, chain: Chain, name: tuple[str, str], seq: int, prev: str, data: Mapping[str, Any]) -> None:
        signed, head, signature, key = (data.get(field) for field in ("seq", "head", "signature", "key"))
        if not (isinstance(signed, int) and all(isinstance(text, str) for text in (head, signature, key))):
            self._find(Finding("checkpoint", *name, seq, details={"reason": f"its fields are {sorted(data)}"}))
            return
        key = str(key).lower()
        valid = verify(key, checkpoint_text(*name, signed, str(head)), str(signature))
        if signed != seq - 1:
            reason = f"it speaks of batch {signed}"
        elif head != prev:
            reason = "its head is not the SHA-256 that this batch states as `prev`"
        else:
            reason = ""
            if valid:
                chain.signed(key, signed)
        if reason:
            self._find(Finding("checkpoint", *name, seq, details={"reason": reason}))
        if not valid:
            self._find(Finding("signature", *name, seq, details={"key": key}))

    def _eviction(self, name: tuple[str, str], seq: int, data: Mapping[str, Any]) -> None:
        stream, first, last = data.get("stream"), data.get("first"), data.get("last")
        if not (isinstance(stream, str) and isinstance(first, int) and isinstance(last, int)):
            raise Unreadable(f"the eviction report in batch {seq} lacks stream, first or last")
        times = {field: data[field] for field in ("from", "to") if isinstance(data.get(field), int)}
        details = {"reason": str(data.get("reason", "")), **times}
        self._evicted.setdefault((name[0], stream), []).append(
            Finding("evicted", name[0], stream, first, last, details)
        )

    def _start(self, name: tuple[str, str], seq: int, data: Mapping[str, Any]) -> None:
        if seq != 1:
            self._find(Finding("start", *name, seq))
            return
        previous = data.get("previous")
        if previous is not None and not (
            isinstance(previous, dict)
            and isinstance(previous.get("stream"), str)
            and isinstance(previous.get("last"), int)
        ):
            raise Unreadable(f"the start of the stream in batch {seq} names no previous stream and last batch")
        self._started[name] = previous

    def report(self) -> Report:
        """What can be said of everything taken so far."""
        names = {*self._evicted, *self._chains}
        absences = {name: [*self._evicted.get(name, ()), *self._removed.get(name[1], ())] for name in names}
        conclusions = Conclusions(self._chains, self._started, absences, self._rewritten, self._pinned, self._seals)
        found = [*self._findings, *conclusions.findings]
        if self._pinned:
            strangers = sorted(self._seals - {self._pinned})
            found += [Finding("bundle.key", details={"key": key, "pinned": self._pinned}) for key in strangers]
        notes = list(conclusions.notes)
        for day in self._daily.disagreements():
            finding = _disagreement(day)
            if conclusions.may_lack(day):
                notes.append(Finding("unchecked", day.gateway, details=finding.details))
            else:
                found.append(finding)
        signers = {(gateway, key) for (gateway, _), chain in self._chains.items() for key in chain.keys}
        notes += [
            Finding("key.catalogue", gateway, details={"key": key})
            for gateway, key in self._announced
            if (gateway, key) not in signers
        ]
        return Report(
            pinned=self._pinned,
            proven=bool(self._pinned and self._chains and not found),
            streams=[_summary(name, chain) for name, chain in sorted(self._chains.items())],
            findings=found[:LISTED],
            notes=notes[:LISTED],
            omitted=self._omitted + max(0, len(found) - LISTED),
            other_messages=self._other,
            days=self._daily.days,
        )


def _parsed(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The message's JSON object and its uncompressed bytes. Raises Unreadable."""
    raw = payload
    if payload[:1] == b"\x78":
        unpack = zlib.decompressobj()
        try:
            raw = unpack.decompress(payload, BODY_LIMIT)
        except zlib.error as error:
            raise Unreadable(f"it is damaged zlib data ({error})") from error
        if not unpack.eof or unpack.unused_data:
            raise Unreadable("its zlib data is cut short, too long, or followed by something else")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"it is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise Unreadable("it is no JSON object")
    return body, raw


def _name(body: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """gateway, stream, seq and prev of a batch body whose shape has been checked. Raises Unreadable."""
    if body.get("v") != 1:
        raise Unreadable(f"its version is {body.get('v')!r}, this release knows 1")
    gateway, stream, seq, prev = (body.get(field) for field in ("gateway", "stream", "seq", "prev"))
    if not (isinstance(gateway, str) and isinstance(stream, str)):
        raise Unreadable("it names no gateway and stream")
    if type(seq) is not int or not 0 < seq < 2**63:
        raise Unreadable(f"its seq is {seq!r}")
    if not (isinstance(prev, str) and HEX64.fullmatch(prev)):
        raise Unreadable(f"its prev is {prev!r}, not 64 hex digits")
    if type(body.get("created")) is not int:
        raise Unreadable(f"its created is {body.get('created')!r}")
    if not (isinstance(body.get("samples"), list) and isinstance(body.get("events"), list)):
        raise Unreadable("its samples or events are no list")
    return gateway, stream, seq, prev


def _disagreement(day: Told) -> Finding:
    words = ", ".join(f"{word} told {told}, seen {seen}" for word, (told, seen) in day.differences().items())
    details = {"instrument": day.instrument, "day": day.name, "differences": words}
    return Finding("completeness", day.gateway, details=details)


def _summary(name: tuple[str, str], chain: Chain) -> StreamSummary:
    spans = list(chain.spans())
    signed = sum(covered - first + 1 for first, _, covered in spans)
    keys = tuple(sorted(chain.keys))
    return StreamSummary(*name, spans[0][0], spans[-1][1], chain.batches, chain.repeats, signed, keys)
