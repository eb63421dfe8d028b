"""What follows once the record has been read: gaps and what explains them, edits, and who signed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.evidence.chain import Chain
from gateway.evidence.daily import Told
from gateway.evidence.item import Finding

DAY_MS = 86_400_000

Name = tuple[str, str]
"""(gateway, stream)"""


class Conclusions:
    """Findings and notes over all streams of a record; computed when made."""

    def __init__(
        self,
        chains: Mapping[Name, Chain],
        started: Mapping[Name, Mapping[str, Any] | None],
        absences: Mapping[Name, Sequence[Finding]],
        rewritten: set[Name],
        pinned: str | None,
        seals: set[str],
    ) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self._chains = chains
        self._seals = seals
        self._absences = absences
        self._incomplete: dict[str, list[tuple[float, float]]] = {}  # gateway -> times in ms with batches missing
        earliest = _earliest(chains)
        for name, chain in sorted(chains.items()):
            self._gaps(name, chain, begins=earliest[name[0]] == name[1])
            for edit in chain.edits():
                kind = "edit" if edit.first == edit.last else "edit.range"
                self.findings.append(Finding(kind, *name, edit.first, edit.last, {"rewritten": name in rewritten}))
            self._signers(name, chain, pinned)
        self._successions(started, earliest)

    def may_lack(self, day: Told) -> bool:
        """Whether batches missing from the record can be why fewer values were seen than the event tells."""
        if any(seen > told for told, seen in day.differences().values()):
            return False
        times = self._incomplete.get(day.gateway, ())
        return not day.whole or any(first < day.to_ms and last >= day.from_ms for first, last in times)

    def _gaps(self, name: Name, chain: Chain, begins: bool) -> None:
        before = 0
        for first, last, _ in chain.spans():
            if first > before + 1:
                if before or not begins:
                    self._missing(name, before + 1, first - 1, "gap")
                else:
                    self.notes.append(Finding("begins", *name, first))
                    created = chain.lowest_created
                    self._lack(name[0], float("-inf"), created[1] if created else float("inf"))
            before = last

    def _missing(self, name: Name, first: int, last: int, kind: str, **details: Any) -> None:
        """Batches that are not there: notes where an eviction or the log explains them, findings for the rest."""
        rest = [(first, last)]
        for absence in sorted(self._absences.get(name, ()), key=lambda one: (one.kind, _range(one))):  # evicted first
            low, high = _range(absence)
            for start, end in [run for run in rest if run[0] <= high and run[1] >= low]:
                rest.remove((start, end))
                rest += [run for run in ((start, low - 1), (high + 1, end)) if run[0] <= run[1]]
                self._explained(name, absence, max(start, low), min(end, high))
        for start, end in sorted(rest):
            self.findings.append(Finding(kind, *name, start, end, details))
            self._lack(name[0], float("-inf"), float("inf"))

    def _explained(self, name: Name, absence: Finding, first: int, last: int) -> None:
        self.notes.append(Finding(absence.kind, *name, first, last, absence.details))
        times = absence.details
        self._lack(name[0], times.get("from", float("-inf")) - DAY_MS, times.get("to", float("inf")) + DAY_MS)

    def _lack(self, gateway: str, from_ms: float, to_ms: float) -> None:
        self._incomplete.setdefault(gateway, []).append((from_ms, to_ms))

    def _signers(self, name: Name, chain: Chain, pinned: str | None) -> None:
        if len(chain.keys) > 1:
            order = sorted(chain.keys.items(), key=lambda row: row[1])
            keys = "; ".join(f"{key} ({low}-{high})" for key, (low, high, _) in order)
            low, high = min(span[0] for span in chain.keys.values()), max(span[1] for span in chain.keys.values())
            self.findings.append(Finding("key.changed", *name, low, high, {"keys": keys}))
        spans = list(chain.spans())
        if pinned is not None:
            for key, (low, high, count) in chain.keys.items():
                if key != pinned:
                    details = {"key": key, "pinned": pinned, "count": count}
                    self.findings.append(Finding("key.pinned", *name, low, high, details))
            if pinned not in chain.keys and pinned not in self._seals:
                details = {"pinned": pinned}
                self.findings.append(Finding("unsigned", *name, spans[0][0], spans[-1][1], details))
        if self._seals:
            return
        self.notes += [
            Finding("open", *name, max(covered + 1, first), last) for first, last, covered in spans if covered < last
        ]

    def _successions(self, started: Mapping[Name, Mapping[str, Any] | None], earliest: Mapping[str, str]) -> None:
        """Each stream's start names the stream before it and where that one ended."""
        for (gateway, stream), previous in sorted(started.items()):
            if previous is None:
                continue
            before, last = (gateway, previous["stream"]), previous["last"]
            chain = self._chains.get(before)
            if chain is None:
                if earliest[gateway] != stream and last > 0 and not self._covered(before, last):
                    details = {"next": stream, "ended": last}
                    self.findings.append(Finding("gap.stream", *before, details=details))
                    self._lack(gateway, float("-inf"), float("inf"))
                continue
            highest = max(end for _, end, _ in chain.spans())
            if highest < last:
                self._missing(before, highest + 1, last, "gap.end", next=stream, ended=last)
            elif highest > last:
                self.notes.append(Finding("forgotten", *before, details={"next": stream, "known": last}))

    def _covered(self, name: Name, last: int) -> bool:
        """Whether evictions and removals explain all batches 1 to `last`."""
        at = 1
        for absence in sorted(self._absences.get(name, ()), key=_range):
            if (absence.first or 0) <= at:
                at = max(at, (absence.last or 0) + 1)
        return at > last


def _range(finding: Finding) -> tuple[int, int]:
    return finding.first or 0, finding.last or 0


def _earliest(chains: Mapping[Name, Chain]) -> dict[str, str]:
    """For each gateway the stream whose lowest batch was made first: the one the record may begin within."""

    def keys() -> Iterator[tuple[int, str, str]]:
        for (gateway, stream), chain in chains.items():
            if chain.lowest_created is not None:
                yield chain.lowest_created[1], gateway, stream

    earliest: dict[str, str] = {}
    for _, gateway, stream in sorted(keys(), reverse=True):
        earliest[gateway] = stream
    return earliest
