"""What the simulated world says that happened, against what the feed says of it; both ways.

drivers/simulator/happening.py lists the kinds. Which of them a gateway tells, and how, follows from the site file:
a calibration is a flag of the analyser's values, a fuelling an event, an open door a contact that is true.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.profile import InstrumentSpec
from drivers.simulator.happening import Happening
from drivers.simulator.kinds import happenings, scenes
from tests.site_day.day import UTC_OFFSET_S, Record
from tests.site_day.feed import Feed, Told
from tests.site_day.polls import Findings

EDGE_MS = 300
"""Registers are renewed ten times a second, and a poll takes its time: so near an edge both are right."""
ALARM_EDGE_MS = 30_000
"""A source takes its time out of its shield; the alarm comes somewhere on its way."""
CONTACTS = {"door_open": "door", "alarm": "alarm", "bypass_open": "damper"}
"""Kind -> word in the quantity or note of the contact that shows it."""


def compare(record: Record, feed: Feed, findings: Findings) -> None:
    """Of a day that nobody disturbed."""
    places = scenes(record.site.instruments, record.seed, UTC_OFFSET_S)
    began_ms, ended_ms = record.lives[0]
    found = happenings(places, record.site.instruments, began_ms / 1000, ended_ms / 1000)
    specs = {spec.id: spec for spec in record.site.instruments}
    of_kind: dict[str, list[Happening]] = {}
    for one in found:
        of_kind.setdefault(one.kind, []).append(one)
        findings.count("happenings")
    for spec in specs.values():
        told = feed.samples.get(spec.id, [])
        _calibrations(
            spec, [one for one in of_kind.get("calibration", []) if one.instrument == spec.id], told, findings
        )
    _fuellings(record, of_kind.get("fuelling", []), feed, ended_ms, findings)
    for spec in specs.values():
        batch = record.site.steps[spec.id].batch
        if batch is not None and batch.state is not None:
            mine = [one for one in of_kind.get("batch", []) if one.instrument == spec.id]
            _batches(spec, mine, feed, began_ms, ended_ms, findings)
    for kind in CONTACTS:
        for spec in specs.values():
            mine = [one for one in of_kind.get(kind, []) if one.instrument == spec.id]
            if mine:
                _contact(kind, mine, feed.samples.get(spec.id, []), began_ms, findings)
    _bypass(record, of_kind.get("bypass_open", []), feed, began_ms, ended_ms, findings)


def _calibrations(spec: InstrumentSpec, mine: Sequence[Happening], told: Sequence[Told], findings: Findings) -> None:
    """Every value that the analyser can flag has C while it calibrates, and at no other time."""
    if "C" not in {flag for one in told for flag in one.flags.values()} and not mine:
        return
    can = {point for one in told for point, flag in one.flags.items() if flag == "C"}
    if mine and not can and _speaks(spec) and any(_inside(mine, one.ts) for one in told):
        findings.add(f"{spec.id}: calibrates, and no value has flag C")
    for one in told:
        if (inside := _inside(mine, one.ts)) is None:
            continue
        for point in can:
            findings.count("conditions")
            if (one.flags.get(point) == "C") != inside and one.flags.get(point) not in ("B", "D"):
                state = "while it calibrates" if inside else "and it does not calibrate"
                findings.add(f"{spec.id} at {one.ts}: {point} has flag {one.flags.get(point, 'N')} {state}")


def _speaks(spec: InstrumentSpec) -> bool:
    """Whether the instrument has a way to say that it calibrates."""
    options: Any = spec.options
    return any(rule.flag == "C" or "C" in (rule.codes or {}).values() for rule in getattr(options, "flags", ()) or ())


def _inside(spans: Sequence[Happening], ts: int, edge_ms: int = EDGE_MS) -> bool | None:
    """Whether it lasts at that time; None too near an edge."""
    for one in spans:
        if any(abs(ts - edge * 1000) <= edge_ms for edge in (one.from_s, one.until_s)):
            return None
        if one.from_s * 1000 < ts < one.until_s * 1000:
            return True
    return False


def _fuellings(record: Record, mine: Sequence[Happening], feed: Feed, ended_ms: int, findings: Findings) -> None:
    """Each fuelling that ended while the gateway looked is one record, with its litres; there is no other."""
    keys = record.site.vapour_recovery
    if keys is None:
        return
    for nozzle in keys.nozzles:
        instrument, point = nozzle.fuel.split("/")
        told = [e for e in feed.events if e["kind"] == "vapour.fuelling" and e["data"]["nozzle"] == nozzle.nozzle]
        first = feed.samples[instrument][0].ts
        every_ms = next(spec.every_s for spec in record.site.instruments if spec.id == instrument) * 1000
        done = [
            one
            for one in mine
            if one.instrument == instrument
            and point.startswith(f"{one.data['nozzle']}_")
            and first < one.until_s * 1000 < ended_ms - every_ms - 1000
        ]
        findings.count("fuellings", len(done))
        late = [event for event in told if event["ts"] >= ended_ms - every_ms - 1000]
        if len(told) - len(late) != len(done):
            findings.add(f"nozzle {nozzle.nozzle}: {len(told) - len(late)} records of {len(done)} fuellings")
            continue
        for one, event in zip(sorted(done, key=lambda each: each.until_s), told, strict=False):
            wanted = [float(one.data[key] or 0) for key in ("litres", "vapour_litres")]
            got = [event["data"]["fuel"], event["data"]["vapour"]]
            near = all(abs(a - b) <= 0.0051 for a, b in zip(wanted, got, strict=True))
            if not near or not 0 <= event["ts"] - one.until_s * 1000 <= every_ms + 1000:
                findings.add(f"nozzle {nozzle.nozzle}: {event} of {one}")


def _batches(
    spec: InstrumentSpec, mine: Sequence[Happening], feed: Feed, began_ms: int, ended_ms: int, findings: Findings
) -> None:
    """Each analysis that began and ended while the gateway looked is one result, with the time of its sample."""
    told = [e for e in feed.events if e["kind"] == "batch.result" and e["instrument"] == spec.id]
    every_ms = spec.every_s * 1000
    for one in mine:
        if one.until_s * 1000 > ended_ms - every_ms - 1000 or one.from_s * 1000 < began_ms:
            continue
        findings.count("batches of analysers")
        found = [e for e in told if 0 <= e["ts"] - one.until_s * 1000 <= every_ms + 1000]
        if len(found) != 1 or not 0 <= found[0]["data"]["sampled"] - one.from_s * 1000 <= every_ms + 1000:
            findings.add(f"{spec.id}: {found} of {one}")
            continue
        values = {point.quantity: found[0]["data"]["values"].get(point.id) for point in spec.points}
        for quantity, number in one.data.items():
            got = values.get(quantity)
            if got is not None and abs(got - float(number or 0)) > 2e-3 * max(1.0, abs(float(number or 0))):
                findings.add(f"{spec.id}: {quantity} of the batch is {got} instead of {number}")
    if len(told) > len(mine):
        findings.add(f"{spec.id}: {len(told)} results of {len(mine)} batches")


def _contact(kind: str, mine: Sequence[Happening], told: Sequence[Told], began_ms: int, findings: Findings) -> None:
    """One of the contacts is on while it lasts, and at no other time."""
    edge_ms = ALARM_EDGE_MS if kind == "alarm" else EDGE_MS
    bools = [point for point, value in told[0].values.items() if isinstance(value, bool)] if told else []
    sure = [(one, inside) for one in told if (inside := _inside(mine, one.ts, edge_ms)) is not None]
    findings.count("contacts", len(sure))
    if not any(all((one.values[point] is True) == inside for one, inside in sure) for point in bools):
        findings.add(f"{kind}: none of {bools} is on just while it lasts, from {began_ms} on")


def _bypass(
    record: Record, mine: Sequence[Happening], feed: Feed, began_ms: int, ended_ms: int, findings: Findings
) -> None:
    """An open bypass is an alarm from its first second, as the limit of its contact says, and there is no other."""
    for name, limit in _contact_limits(record):
        told = [e for e in feed.events if e.get("instrument") == name and e["data"].get("limit") == limit]
        wanted: list[tuple[str, float]] = []
        for one in (each for each in mine if each.instrument == name):
            wanted += [("limit.exceeded", one.from_s * 1000)] if one.from_s * 1000 > began_ms else []
            wanted += [("limit.cleared", one.until_s * 1000)] if one.until_s * 1000 < ended_ms - 3000 else []
        agrees = len(told) == len(wanted) and all(
            event["kind"] == kind and -EDGE_MS <= event["ts"] - at <= 2000
            for event, (kind, at) in zip(told, wanted, strict=False)
        )
        if not agrees:
            findings.add(f"{name}: {told} of {list(mine)}")


def _contact_limits(record: Record) -> Iterator[tuple[str, str]]:
    for spec in record.site.instruments:
        quantities: Mapping[str, str | None] = {point.id: point.quantity for point in spec.points}
        for limit in record.site.steps[spec.id].limits or ():
            if quantities.get(limit.point) == "damper_open":
                yield spec.id, limit.name
