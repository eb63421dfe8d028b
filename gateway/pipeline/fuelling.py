"""Fuelling records, and rule A: the air-to-liquid ratio of each nozzle, day by day.

A record is new when the controller's count has changed, or when the controller calls its record fresh again. At local
midnight the nozzle is judged: too few fuellings are merged with the days that follow; more than the share outside the
band is a warning; warnings on `days` judged days in a row are an alarm. A day without judgement neither breaks nor
makes a row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from gateway.domain.vapour_recovery import Nozzle, VapourRules
from gateway.pipeline.calendar import day_bounds
from gateway.reading import Reading

Tell = Callable[[int, str, dict[str, Any], str], None]
"""(ts_ms, kind, data, level)"""

NOT_JUDGED, NORMAL, WARNING, ALARM = "N", "0", "1", "2"
"""States as the cities' protocols write them: N is no fuelling, or too few."""
LEVELS = {NOT_JUDGED: "info", NORMAL: "info", WARNING: "warning", ALARM: "alarm"}
LONGEST_DAY_MS = 25 * 3_600_000
DAY_GRACE_MS = 60_000
"""After midnight, for polls that were due before it."""


@dataclass(slots=True)
class _Account:
    """Judged fuellings since the last judgement, and the row of warnings."""

    day: str = ""
    after_ms: int = 0
    fuellings: int = 0
    outside: int = 0
    merged: list[str] = field(default_factory=list)
    row: int = 0
    state: str = NOT_JUDGED


class NozzleBook:
    """The records and days of one nozzle."""

    def __init__(self, nozzle: Nozzle, rules: VapourRules, version: str, zone: tzinfo) -> None:
        self._nozzle = nozzle
        self._rules = rules
        self._version = version
        self._zone = zone
        self._last: list[float] | None = None
        self._old = False
        self._account = _Account()

    @property
    def instrument(self) -> str:
        """Whose readings are to be shown to `look`."""
        return self._nozzle.fuel.split("/")[0]

    def look(self, reading: Reading, tell: Tell) -> None:
        """A reading of the nozzle's controller: a new record becomes an event `vapour.fuelling`."""
        record, flag = self._record(reading)
        if record is None:
            return
        last, self._last = self._last, record
        old, self._old = self._old, self._is_old(reading)
        compared = 1 if self._nozzle.detect == "fuel" else len(record)
        renewed = old and not self._old
        if last is None or record[0] <= 0 or (record[:compared] == last[:compared] and not renewed):
            return  # what stood there at the first start is of nobody knows when; a count of zero is no fuelling
        due_ms = reading.ts_ms - reading.lag_ms
        self._turn(due_ms, tell)
        data = self._fuelling(record, flag)
        if data["judged"]:
            self._account.fuellings += 1
            self._account.outside += data["outside"]
        tell(reading.ts_ms, "vapour.fuelling", data, "info")

    def _is_old(self, reading: Reading) -> bool:
        """Whether the controller says that its record is no longer fresh; never without that point."""
        if self._nozzle.fresh is None:
            return False
        point = self._nozzle.fresh.split("/")[1]
        value = reading.sample.values[reading.points.index(point)] if point in reading.points else None
        return self._old if value is None else value != 0

    def _record(self, reading: Reading) -> tuple[list[float] | None, str]:
        """(fuel, vapour, seconds) as counted, and the worst of their flags that is not N."""
        record: list[float] = []
        flag = "N"
        for source in (self._nozzle.fuel, self._nozzle.vapour, self._nozzle.seconds):
            if source is None:
                continue
            if source.split("/")[1] not in reading.points:
                return None, flag  # a reading held back since before the configuration changed
            index = reading.points.index(source.split("/")[1])
            value = reading.sample.values[index]
            if value is None or isinstance(value, str):
                return None, flag
            record.append(float(value))
            flag = reading.sample.flags[index].value if index in reading.sample.flags else flag
        return record, flag

    def _fuelling(self, record: list[float], flag: str) -> dict[str, Any]:
        rules, nozzle = self._rules, self._nozzle
        fuel, vapour = record[0] * nozzle.fuel_litres, record[1] * nozzle.vapour_litres
        ratio = vapour / fuel
        outside = not rules.band[0] <= ratio <= rules.band[1]
        data: dict[str, Any] = {"nozzle": nozzle.nozzle, "fuel": fuel, "vapour": vapour, "ratio": ratio}
        why = None
        if len(record) > 2 and record[2] > 0:
            data["seconds"] = record[2]
            data["fuel_speed"], data["vapour_speed"] = 60 * fuel / record[2], 60 * vapour / record[2]
            if outside and data["fuel_speed"] < rules.slow_fuel:
                why = "slow dispenser"
            elif outside and data["vapour_speed"] < rules.slow_vapour:
                data["fault"] = "vapour pump"
        if fuel < rules.least_volume_l:
            why = f"less than {rules.least_volume_l:g} L"
        if flag != "N":
            why = f"flag {flag}"
        data |= {"judged": why is None, "outside": outside, "rule": "A", "version": self._version}
        return data if why is None else {**data, "why": why}

    def _turn(self, now_ms: int, tell: Tell) -> None:
        """Close the day if it is over; open the one that `now_ms` lies in, also where the clock was set back."""
        account = self._account
        if account.day and now_ms >= account.after_ms:
            self._judge(now_ms, tell)
        if not account.day or now_ms >= account.after_ms or now_ms < account.after_ms - LONGEST_DAY_MS:
            _, account.after_ms, account.day = day_bounds(now_ms, self._zone)

    def due(self, now_ms: int, tell: Tell) -> None:
        """Judge the day when it is over."""
        if not self._account.after_ms <= now_ms < self._account.after_ms + DAY_GRACE_MS:
            self._turn(now_ms, tell)

    def _judge(self, now_ms: int, tell: Tell) -> None:
        rules, account = self._rules, self._account
        data: dict[str, Any] = {"nozzle": self._nozzle.nozzle, "day": account.day, "fuellings": account.fuellings}
        data |= {"outside": account.outside, "merged": list(account.merged), "rule": "A", "version": self._version}
        if account.fuellings < rules.least_fuellings:
            state = NOT_JUDGED
            account.merged.append(account.day)
        else:
            data["share"] = account.outside / account.fuellings
            account.row = account.row + 1 if data["share"] > rules.share else 0
            state = NORMAL if not account.row else WARNING if account.row < rules.days else ALARM
            account.fuellings = account.outside = 0
            account.merged = []
        account.state = state
        tell(now_ms, "vapour.day", {**data, "state": state, "days": account.row}, LEVELS[state])

    def state(self) -> list[Any]:
        """For a kept state."""
        one = self._account
        return [
            self._last, self._old, one.day, one.after_ms, one.fuellings, one.outside, one.merged, one.row, one.state,
        ]  # fmt: skip

    def restore(self, row: list[Any]) -> None:
        """Go on from a kept state."""
        self._last, self._old, *rest = row
        self._account = _Account(*rest)
