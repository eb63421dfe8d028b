"""Is the gateway doing its work? The rule of contract.md §5 `/healthz`."""

from gateway.health.sources import Parts

POLL_PERIODS = 3
"""A reading of each instrument within so many periods, made or not: it says that the poller lives."""
POLL_LEAST_S = 5.0
"""But a poll may take its timeout, and so may its neighbours'."""
COMMIT_PERIODS = 3
COMMIT_LEAST_S = 5.0
DELIVER_S = 60.0


class Bounds:
    """Remembers since when each uplink is without a connection or an acknowledgement; asked again and again."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cut_since_s: dict[str, float] = {}
        self._acknowledged: dict[str, tuple[int, float]] = {}

    def broken(self) -> list[str]:
        """What is not within its bounds, each in words; nothing when the gateway is healthy."""
        now_s = self._parts.clock.monotonic()
        return [*self._polling(now_s), *self._committing(now_s), *self._delivering(now_s)]

    def _polling(self, now_s: float) -> list[str]:
        found = []
        for poller in self._parts.pollers.values():
            for instrument in poller.answering.keys() | poller.last.keys():
                found += self._overdue(instrument, now_s - poller.last[instrument].monotonic_s)
        read = {instrument for poller in self._parts.pollers.values() for instrument in poller.last}
        for instrument in self._parts.specs.keys() - read:
            found += self._overdue(instrument, now_s - self._parts.started_s)
        return found

    def _overdue(self, instrument: str, age_s: float) -> list[str]:
        if instrument in self._parts.whenever:
            return []  # it speaks when it has something to say
        limit_s = max(POLL_PERIODS * self._parts.specs[instrument].every_s, POLL_LEAST_S)
        return [f"polling: {instrument} has no reading for {age_s:.0f} s"] if age_s > limit_s else []

    def _committing(self, now_s: float) -> list[str]:
        log = self._parts.log
        if log.trouble is not None:
            return [f"committing: {log.trouble}"]
        if log.holding or not self._parts.specs:
            return []
        # nothing is committed where nothing is read: the shortest period bounds how often there is something
        expected = [spec for name, spec in self._parts.specs.items() if name not in self._parts.whenever]
        if not expected:
            return []
        shortest_s = min(spec.every_s for spec in expected)
        limit_s = max(COMMIT_PERIODS * self._parts.site.log.commit_every_s, COMMIT_LEAST_S) + shortest_s
        idle_s = now_s - log.last_commit_s
        return [f"committing: nothing for {idle_s:.0f} s"] if idle_s > limit_s else []

    def _delivering(self, now_s: float) -> list[str]:
        found = []
        for name, uplink in self._parts.uplinks.items():
            if uplink.connected:
                self._cut_since_s.pop(name, None)
            cut_s = now_s - self._cut_since_s.setdefault(name, now_s) if not uplink.connected else 0.0
            waiting, oldest_ms = self._parts.log.backlog(name)
            waiting_s = (self._parts.clock.now_ms() - oldest_ms) / 1000 if oldest_ms is not None else 0.0
            stuck_s = self._stuck_s(name, uplink.acknowledged, waiting, now_s)
            if cut_s > DELIVER_S:
                found.append(f"delivering: {name} has no connection for {cut_s:.0f} s: {uplink.trouble or 'unknown'}")
            elif uplink.unheard and waiting_s > DELIVER_S:
                found.append(f"delivering: nobody listens on {name}")
            elif waiting_s > DELIVER_S and not uplink.connected:
                found.append(f"delivering: {name} has batches waiting for {waiting_s:.0f} s")
            elif stuck_s > DELIVER_S:
                found.append(f"delivering: {name} has {waiting} batches waiting, none acknowledged for {stuck_s:.0f} s")
        return found

    def _stuck_s(self, name: str, acknowledged: int, waiting: int, now_s: float) -> float:
        """How long batches have been waiting without one being acknowledged; a backlog that drains is not stuck."""
        before, since_s = self._acknowledged.get(name, (-1, now_s))
        if acknowledged != before or not waiting:
            since_s = now_s
        self._acknowledged[name] = acknowledged, since_s
        return now_s - since_s
