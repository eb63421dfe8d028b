"""Vapour recovery of a petrol station: rules A to G over readings as they enter the log (GB 20952-2020 annex E).

Events: `vapour.fuelling` and `vapour.day` (fuelling.py), and `vapour.rule` whenever the state of another rule changes:
{"rule": "B", "state": "0" | "1" | "2", "version": …, "value": …, "since": ms …}; 0 normal, 1 warning, 2 alarm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any

from gateway.domain.vapour_recovery import VapourKeys
from gateway.pipeline.calendar import day_bounds
from gateway.pipeline.fuelling import ALARM, DAY_GRACE_MS, LEVELS, LONGEST_DAY_MS, NORMAL, WARNING, NozzleBook
from gateway.pipeline.lasting import Lasting
from gateway.reading import Event, Reading

LASTING = ("B", "C", "E", "F", "U")


@dataclass(slots=True)
class _Row:
    """Consecutive days on which a rule was in warning."""

    last_day: int = 0  # ordinal of the date
    days: int = 0

    def count(self, name: str) -> int:
        """Warning on this day (ISO date); how many in a row that makes."""
        day = date.fromisoformat(name).toordinal()
        if day != self.last_day:
            self.days = self.days + 1 if day == self.last_day + 1 else 1
            self.last_day = day
        return self.days


@dataclass(slots=True)
class _Share:
    """Rule D: readings of a day, and how many were high."""

    day: str = ""
    after_ms: int = 0
    readings: int = 0
    high: int = 0


@dataclass(slots=True)
class _Fault:
    """Rule G: polls in a row without a value."""

    polls: int = 0
    told: bool = False


@dataclass(slots=True)
class _Standing:
    lasting: dict[str, Lasting] = field(default_factory=lambda: {rule: Lasting() for rule in LASTING})
    rows: dict[str, _Row] = field(default_factory=lambda: {"B": _Row(), "D": _Row()})
    share: _Share = field(default_factory=_Share)
    faults: dict[str, _Fault] = field(default_factory=dict)


class VapourRecovery:
    """The rules of one station. `to_pa`: factors from the units of `tank` and `line` to Pa."""

    def __init__(self, keys: VapourKeys, zone: tzinfo, to_pa: Mapping[str, float]) -> None:
        self._keys = keys
        self._rules = keys.resolved()
        self._version = keys.version
        self._zone = zone
        self._to_pa = to_pa
        self._books = [NozzleBook(nozzle, self._rules, self._version, zone) for nozzle in keys.nozzles]
        self._standing = _Standing()
        self._by_instrument: dict[str, list[tuple[str, str]]] = {}
        for key in ("tank", "line", "speed", "outlet", "unloading"):
            source = getattr(keys, key)
            if source is not None:
                instrument, point = source.split("/")
                self._by_instrument.setdefault(instrument, []).append((key, point))
        self._values: dict[str, tuple[float, int]] = {}  # key -> newest value (pressures in Pa) and its due time
        self._instruments = {source.split("/")[0] for _, source in keys.sources()}
        self._events: list[Event] = []

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._instruments

    def look(self, reading: Reading) -> list[Event]:
        """A reading as it takes its place in the log; what follows from it."""
        self._fault(reading)
        for book in self._books:
            if book.instrument == reading.instrument:
                book.look(reading, self._tell)
        for key, point in self._by_instrument.get(reading.instrument, ()):
            if point not in reading.points:
                continue  # a reading held back since before the configuration changed
            index = reading.points.index(point)
            value = reading.sample.values[index]
            if value is None or isinstance(value, str) or index in reading.sample.flags:
                continue
            due_ms = reading.ts_ms - reading.lag_ms
            self._values[key] = (float(value) * self._to_pa.get(key, 1.0), due_ms)
            getattr(self, f"_{key}")(self._values[key][0], due_ms, reading.ts_ms)
        return self._taken()

    def due(self, now_ms: int) -> list[Event]:
        """What midnight brings."""
        for book in self._books:
            book.due(now_ms, self._tell)
        share = self._standing.share
        if self._rules.high and share.day and now_ms >= share.after_ms + DAY_GRACE_MS:
            self._judge_share(now_ms)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _tell(self, ts_ms: int, kind: str, data: dict[str, Any], level: str) -> None:
        self._events.append(Event(ts_ms, kind, data, self._keys.id, level=level))

    def _rule(self, ts_ms: int, rule: str, state: str, more: Mapping[str, Any]) -> None:
        data = {"rule": rule, "state": state, "version": self._version, **more}
        self._tell(ts_ms, "vapour.rule", data, LEVELS[state])

    # -- the rules, each for the value that it judges

    def _tank(self, pressure: float, at_ms: int, ts_ms: int) -> None:
        rules, keys = self._rules, self._keys
        self._zero(pressure, at_ms, ts_ms)
        high, low = keys.valve_positive_pa, keys.valve_negative_pa
        beyond = (high is not None and pressure > high + rules.critical_pa) or (
            low is not None and pressure < low - rules.critical_pa
        )
        self._last("C", beyond, pressure, at_ms, ts_ms, 0, 1, rules.critical_for_s)
        if rules.high:
            if not self._standing.share.after_ms - LONGEST_DAY_MS <= at_ms < self._standing.share.after_ms:
                self._judge_share(ts_ms)
                _, self._standing.share.after_ms, self._standing.share.day = day_bounds(at_ms, self._zone)
            bound = min(rules.high_pa, rules.high_of_valve * high) if high is not None else rules.high_pa
            self._standing.share.readings += 1
            self._standing.share.high += pressure > bound or pressure < rules.low_pa

    def _zero(self, pressure: float, at_ms: int, ts_ms: int) -> None:
        """Rule B: zero for twelve hours is a warning of the day; on the fifth day in a row it is an alarm."""
        rules, one = self._rules, self._standing.lasting["B"]
        before = one.state
        one.look(abs(pressure) <= rules.zero_pa, at_ms, rules.gap_s * 1000, rules.zero_for_s * 1000, 1, None)
        days = self._standing.rows["B"].days
        if one.state != NORMAL:
            days = self._standing.rows["B"].count(day_bounds(at_ms, self._zone)[2])
            one.state = ALARM if days >= rules.days else WARNING
        if one.state != before:
            self._rule(ts_ms, "B", one.state, {"value": pressure, "since": one.since_ms, "days": days})

    def _judge_share(self, ts_ms: int) -> None:
        """Rule D, of the day that is over."""
        share, rules = self._standing.share, self._rules
        if share.readings:
            part = share.high / share.readings
            days = self._standing.rows["D"].count(share.day) if part > rules.high_share else 0
            if not days:
                self._standing.rows["D"] = _Row()
            state = NORMAL if not days else WARNING if days < rules.days else ALARM
            self._rule(ts_ms, "D", state, {"day": share.day, "share": part, "days": days})
        self._standing.share = _Share()

    def _line(self, pressure: float, at_ms: int, ts_ms: int) -> None:
        """Rule E, with the newest tank pressure and vapour speed."""
        rules = self._rules
        tank, speed = self._values.get("tank"), self._values.get("speed")
        if not rules.resistance or tank is None or speed is None:
            return
        if max(at_ms - tank[1], at_ms - speed[1]) > rules.gap_s * 1000 or speed[0] <= rules.resistance_from:
            return
        most = rules.resistance_slope * speed[0] + rules.resistance_offset
        resistance = pressure - tank[0]
        self._last("E", resistance > most, resistance, at_ms, ts_ms, 0, 1, rules.resistance_for_s)

    def _speed(self, speed: float, at_ms: int, ts_ms: int) -> None:
        """Only kept, for rule E."""

    def _outlet(self, concentration: float, at_ms: int, ts_ms: int) -> None:
        rules = self._rules
        beyond = concentration > rules.outlet_limit
        self._last("F", beyond, concentration, at_ms, ts_ms, 0, rules.outlet_readings, rules.outlet_for_s)

    def _unloading(self, concentration: float, at_ms: int, ts_ms: int) -> None:
        limit = self._rules.unloading_limit
        if limit is not None:
            self._last("U", concentration > limit, concentration, at_ms, ts_ms, 0, 1, None)

    def _last(
        self, rule: str, holds: bool, value: float, at_ms: int, ts_ms: int, warning_s: float, readings: int,
        alarm_s: float | None,
    ) -> None:  # fmt: skip
        one = self._standing.lasting[rule]
        since_ms = one.since_ms
        alarm_ms = None if alarm_s is None else alarm_s * 1000
        if one.look(holds, at_ms, self._rules.gap_s * 1000, warning_s * 1000, readings, alarm_ms):
            self._rule(ts_ms, rule, one.state, {"value": value, "since": one.since_ms or since_ms})

    def _fault(self, reading: Reading) -> None:
        """Rule G: so many polls in a row without any value."""
        if reading.instrument not in self._instruments:
            return
        one = self._standing.faults.setdefault(reading.instrument, _Fault())
        if all(value is None for value in reading.sample.values):
            one.polls += 1
            if one.polls >= self._rules.fault_polls and not one.told:
                one.told = True
                why = next(iter(reading.sample.why.values()), "")
                self._rule(reading.ts_ms, "G", WARNING, {"instrument": reading.instrument, "why": why})
        else:
            one.polls = 0
            if one.told:
                one.told = False
                self._rule(reading.ts_ms, "G", NORMAL, {"instrument": reading.instrument})

    # -- across restarts

    def state(self) -> dict[str, Any]:
        """For a kept state."""
        standing = self._standing
        share = standing.share
        return {
            "nozzles": {
                nozzle.nozzle: book.state() for nozzle, book in zip(self._keys.nozzles, self._books, strict=True)
            },
            "lasting": {rule: one.row() for rule, one in standing.lasting.items()},
            "rows": {rule: [row.last_day, row.days] for rule, row in standing.rows.items()},
            "share": [share.day, share.after_ms, share.readings, share.high],
            "faults": {instrument: [one.polls, one.told] for instrument, one in standing.faults.items()},
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a kept state."""
        for nozzle, book in zip(self._keys.nozzles, self._books, strict=True):
            if nozzle.nozzle in kept["nozzles"]:
                book.restore(kept["nozzles"][nozzle.nozzle])
        self._standing = _Standing(
            {rule: Lasting(*kept["lasting"][rule]) for rule in LASTING},
            {rule: _Row(*row) for rule, row in kept["rows"].items()},
            _Share(*kept["share"]),
            {name: _Fault(*row) for name, row in kept["faults"].items() if name in self._instruments},
        )
