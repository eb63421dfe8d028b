"""Windows over the samples of each instrument, by due time: minutes to days, with validity and revisions.

    reading ─► minute cell ─► hour ─► day          a window is told `grace` after its end
                                                   and again, rev + 1, when a sample changes it later

Only the minute of a reading is touched when it comes; every longer window is joined from its minutes, a day from its
hours, when it is told. What is told counts exactly the samples that stand in the feed. Minutes are remembered for the
last few hours that had samples (`KEPT_HOURS`), hours for about three days; a sample that comes later than that is not
in any window, and the event `window.late` says so.

How it survives a kill is as in completeness.py: keep `state()` with a batch; after a restart `restore` it and feed
the bodies of all later batches to `count_body`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import orjson

from gateway.domain import noise
from gateway.domain.windows import MINUTE_MS
from gateway.pipeline.calendar import day_bounds, window_bounds
from gateway.pipeline.cells import Cell, Hour, hour_of, hour_row
from gateway.pipeline.spans import Spans
from gateway.pipeline.tally import Tally
from gateway.pipeline.window_values import Windowed, WindowValues
from gateway.reading import Event, Reading, Window

KEPT_HOURS = 3
"""Hours whose minutes are remembered, least recently touched forgotten first: three hours of an instrument with 30
points are about 200 kB of state. Held readings (10 min) and slow polls (5 min) are far within."""
KEPT_PARTS = 80
"""Hours remembered as a whole, for days: three days and a little."""
KEPT_DAYS = 40
"""Days whose last `rev` is remembered."""

Key = tuple[str, int]
"""(period, start)"""


@dataclass(slots=True)
class Late:
    """Samples that came too late for any window."""

    count: int = 0
    from_ms: int = 0
    to_ms: int = 0


class Windows:
    """The windows of a site."""

    def __init__(self, zone: tzinfo, wanted: Mapping[str, Windowed]) -> None:
        self._instruments = {name: _Instrument(name, zone, one) for name, one in wanted.items()}

    def __bool__(self) -> bool:
        return bool(self._instruments)

    def count(self, reading: Reading) -> None:
        """A reading as it takes its place in the log."""
        one = self._instruments.get(reading.instrument)
        if one is not None:
            one.count(reading)

    def take_back(self, reading: Reading) -> None:
        """A reading that was counted and then lost before its commit: its windows are told again."""
        one = self._instruments.get(reading.instrument)
        if one is not None:
            one.take_back(reading)

    def lost(self, window: Window) -> None:
        """A window that was told and then lost before its commit: it is told again, with the next rev."""
        one = self._instruments.get(window.instrument)
        if one is not None:
            one.reopen(window.period, window.start_ms)

    def due(self, now_ms: int) -> list[Window]:
        """The windows to be told now, each once; put them in the next batch.

        A window that lies ahead of the clock is over too: the clock has been set back out of it.
        """
        return [window for one in self._instruments.values() for window in one.due(now_ms)]

    def late(self, now_ms: int) -> list[Event]:
        """Events about samples that came too late for their windows."""
        return [event for one in self._instruments.values() for event in one.late_events(now_ms)]

    def count_body(self, body: Mapping[str, Any]) -> None:
        """What a committed batch says: its samples, and the windows it has told."""
        for sample in body["samples"]:
            if (one := self._instruments.get(sample["instrument"])) is not None:
                one.count_fields(sample["ts"] - sample["lag"], sample["values"], sample["flags"])
        for window in body["windows"]:
            if (one := self._instruments.get(window["instrument"])) is not None:
                one.told_before((window["period"], window["start"]), window["rev"], window["values"])

    def state(self) -> bytes:
        """Everything counted so far, for `restore`."""
        return orjson.dumps(
            {"v": 1, "instruments": {name: one.state() for name, one in self._instruments.items()}},
            option=orjson.OPT_NON_STR_KEYS,
        )

    def restore(self, state: bytes) -> None:
        """Take up a kept state; call it first, once. Raises ValueError for what is not one.

        Instruments and points that are no longer wanted are left out; those that are new begin empty.
        """
        try:
            kept = orjson.loads(state)
            version = kept["v"]
            if version == 1:
                for name, rows in kept["instruments"].items():
                    if name in self._instruments:
                        self._instruments[name].restore(rows)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"this is no kept state of windows: {state[:80]!r}") from error
        if version != 1:
            raise ValueError(f"the kept state of windows has version {version}, this release knows 1")


class _Instrument:
    """The windows of one instrument."""

    def __init__(self, name: str, zone: tzinfo, wanted: Windowed) -> None:
        self._name = name
        self._zone = zone
        self._points = wanted.points
        self._period_ms = wanted.period_ms
        self._periods = wanted.keys.periods
        self._levels = {at for at, point in enumerate(wanted.points) if point in wanted.keys.levels}
        self._grace_ms = round(wanted.keys.grace_s * 1000)
        self._hours: dict[int, Hour] = {}  # by start, least recently touched first
        self._values = WindowValues(wanted, zone, self._hours)
        self._open: dict[Key, int] = {}  # windows with something to tell, and their end
        self._told: dict[Key, int] = {}  # rev of the last telling
        self._forgotten = Spans()
        self._late = Late()
        self._cell: Cell | None = None
        self._named: tuple[str, ...] = ()
        self._pairs: list[tuple[int, int]] = []  # (index in the reading, index of the tally)

    # counting

    def count(self, reading: Reading) -> None:
        cell = self._place(reading.ts_ms - reading.lag_ms)
        if cell is None:
            return
        cell.polls += 1
        if reading.points is not self._named:
            self._name_points(reading.points)
        values, flags, tallies = reading.sample.values, reading.sample.flags, cell.tallies
        for index, at in self._pairs:
            value = values[index]
            if index in flags:
                tallies[at].flag(flags[index].value)
            elif value is not None and not isinstance(value, str):
                tallies[at].add(+value)
                if at in self._levels:
                    tallies[at].level(noise.step(value))

    def count_fields(self, due_ms: int, values: Mapping[str, Any], flags: Mapping[str, str]) -> None:
        """The same for a sample as the feed has it."""
        cell = self._place(due_ms)
        if cell is None:
            return
        cell.polls += 1
        for at, (tally, point) in enumerate(zip(cell.tallies, self._points, strict=True)):
            value = values.get(point)
            if point in flags:
                tally.flag(flags[point])
            elif value is not None and not isinstance(value, str):
                tally.add(+value)
                if at in self._levels:
                    tally.level(noise.step(value))

    def take_back(self, reading: Reading) -> None:
        due_ms = reading.ts_ms - reading.lag_ms
        hour = self._hours.get(window_bounds("1h", due_ms, self._zone)[0])
        if hour is None or due_ms - due_ms % MINUTE_MS not in (hour.cells or {}):
            return  # it came too late and was never counted
        cell = self._place(due_ms)
        assert cell is not None
        cell.polls -= 1
        self._name_points(reading.points)
        for index, at in self._pairs:
            value = reading.sample.values[index]
            if index in reading.sample.flags:
                cell.tallies[at].flag(reading.sample.flags[index].value, -1)
            elif value is not None and not isinstance(value, str):
                cell.tallies[at].take_back(+value)
                if at in self._levels:
                    cell.tallies[at].level(noise.step(value), -1)

    def _name_points(self, points: tuple[str, ...]) -> None:
        self._named = points
        place = {point: index for index, point in enumerate(points)}
        self._pairs = [(place[point], at) for at, point in enumerate(self._points) if point in place]

    def _place(self, due_ms: int) -> Cell | None:
        """The minute of a sample, with its windows open; None if that is long forgotten."""
        cell = self._cell
        if cell is not None and cell.start <= due_ms < cell.start + MINUTE_MS:
            return cell
        start, after = window_bounds("1h", due_ms, self._zone)
        hour = self._hours.pop(start, None)
        if hour is None:
            if due_ms in self._forgotten:
                self._count_late(due_ms)
                return None
            hour = Hour(start, after)
        self._hours[start] = hour
        if hour.cells is None:
            self._count_late(due_ms)
            return None
        minute = due_ms - due_ms % MINUTE_MS
        cell = hour.cells.get(minute)
        if cell is None:
            cell = hour.cells[minute] = Cell(minute, [Tally() for _ in self._points])
        if cell.fresh:
            cell.fresh = False
            for period in self._periods:
                first, end = window_bounds(period, due_ms, self._zone)
                self._open[period, first] = end
        hour.part = None
        self._cell = cell
        return cell

    def _count_late(self, due_ms: int) -> None:
        late = self._late
        late.from_ms = min(late.from_ms, due_ms) if late.count else due_ms
        late.to_ms = max(late.to_ms, due_ms) if late.count else due_ms
        late.count += 1

    def late_events(self, now_ms: int) -> list[Event]:
        if not self._late.count:
            return []
        late, self._late = self._late, Late()
        data = {"samples": late.count, "from": late.from_ms, "to": late.to_ms}
        return [Event(now_ms, "window.late", data, self._name, level="warning")]

    # telling

    def due(self, now_ms: int) -> list[Window]:
        limit = now_ms - self._grace_ms
        over = [(key, end) for key, end in self._open.items() if end <= limit or key[1] > now_ms]
        if not over:
            return []
        # short ones first, so that a consumer has the parts before the whole
        over.sort(key=lambda one: (one[1] - one[0][1], one[0][1]))
        told = [self._tell(key, end) for key, end in over]
        self._forget()
        return told

    def _tell(self, key: Key, end: int) -> Window:
        period, start = key
        rev = self._told[key] = self._told.get(key, -1) + 1
        self._settle(key, end)
        return Window(self._name, period, start, rev, self._values.of(period, start, end))

    def reopen(self, period: str, start: int) -> None:
        """Tell a window again, if what it counts is still remembered."""
        hours = [hour for hour in self._hours.values() if hour.start <= start < hour.after]
        if period == "1d" or any(hour.cells for hour in hours):
            self._open[period, start] = window_bounds(period, start, self._zone)[1]

    def _settle(self, key: Key, end: int) -> None:
        """The window has nothing to tell until one of its minutes is touched again."""
        del self._open[key]
        self._cell = None
        for hour in self._values.between(key[1], end):
            for cell in (hour.cells or {}).values():
                if key[1] <= cell.start < end:
                    cell.fresh = True

    # forgetting

    def _forget(self) -> None:
        """Keep within bounds; only what has nothing to tell goes."""
        with_cells = [hour for hour in self._hours.values() if hour.cells is not None]
        for hour in with_cells[: max(0, len(with_cells) - KEPT_HOURS)]:
            if self._has_open(hour):
                continue
            self._values.part(hour)
            hour.cells = None
            self._forgotten.add(hour.start, hour.after)
            for key in [key for key in self._told if key[0] not in ("1h", "1d") and hour.start <= key[1] < hour.after]:
                del self._told[key]
        for hour in list(self._hours.values())[: max(0, len(self._hours) - KEPT_PARTS)]:
            if hour.cells is None:
                # its day cannot be joined any more
                first, after, _ = day_bounds(hour.start, self._zone)
                self._forgotten.add(first, after)
                del self._hours[hour.start]
                self._told.pop(("1h", hour.start), None)
        days = [key for key in self._told if key[0] == "1d"]
        for key in days[: max(0, len(days) - KEPT_DAYS)]:
            del self._told[key]

    def _has_open(self, hour: Hour) -> bool:
        return any(period != "1d" and hour.start <= start < hour.after for period, start in self._open)

    # across restarts

    def told_before(self, key: Key, rev: int, values: Mapping[str, Mapping[str, Any]]) -> None:
        """A window found in the log; it is told again only if something was counted after it."""
        self._told[key] = max(rev, self._told.get(key, -1))
        end = self._open.get(key)
        if end is None:
            return
        now = self._values.of(*key, end)
        if {point: (one["n"], one["valid"]) for point, one in now.items()} == {
            point: (one["n"], one["valid"]) for point, one in values.items()
        }:
            self._settle(key, end)

    def state(self) -> dict[str, Any]:
        return {
            "points": self._points,
            "forgotten": self._forgotten.rows(),
            "told": [[*key, rev] for key, rev in self._told.items()],
            "open": [[*key, end] for key, end in self._open.items()],
            "hours": [hour_row(hour) for hour in self._hours.values()],
            "late": [self._late.count, self._late.from_ms, self._late.to_ms],
        }

    def restore(self, rows: Mapping[str, Any]) -> None:
        order = [list(rows["points"]).index(point) if point in rows["points"] else None for point in self._points]
        self._forgotten = Spans(rows["forgotten"])
        self._late = Late(*rows["late"])
        moved = False
        for row in rows["hours"]:
            hour = hour_of(row, order)
            if (hour.start, hour.after) != window_bounds("1h", hour.start, self._zone):
                # the site's time zone was changed: these hours can neither go on nor be revised
                self._forgotten.add(hour.start, hour.after)
                moved = True
            else:
                self._hours[hour.start] = hour
        self._told = {(period, start): rev for period, start, rev in rows["told"]}
        if not moved:
            self._open = {(period, start): end for period, start, end in rows["open"] if period in self._periods}
