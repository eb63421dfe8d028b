"""What the commands do here (contract.md §2): each looks at the site first, so that a wrong one reaches no line.

`backfill` is not among them: it belongs to the uplink that is asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from drivers.contract import Driver, Excluding, Writing
from drivers.errors import WriteRefused
from gateway.clock import Clock
from gateway.pipeline.marks import Mark, Marks
from gateway.polling.listener import Listener
from gateway.polling.poller import LineBusyError, Poller
from gateway.reading import Event, Flag
from gateway.settings import SettingsError
from gateway.told import Hindered, Told
from gateway.uplink import Action, Denied

MOST_PROBLEMS = 20
"""Of a refused site file in one answer; `fieldgate check` on the machine shows all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An instrument and the owner of its line."""

    poller: Poller | Listener
    driver: Driver


class Actions:
    """The commands of one gateway. `status` gives what the status page shows; `keep_marks` has the log keep them."""

    def __init__(
        self,
        instruments: Mapping[str, Asked],
        marks: Callable[[], Marks],
        clock: Clock,
        told: Told,
        tell: Callable[[Event], None],
        keep_marks: Callable[[], None],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._instruments = instruments
        self._marks = marks
        self._clock = clock
        self._told = told
        self._tell = tell
        self._keep_marks = keep_marks
        self._status = status

    def by_name(self) -> dict[str, Action]:
        """Command -> what carries it out."""
        return {
            "status": self.status,
            "read": self.read,
            "mark": self.mark,
            "write": self.write,
            "reload": self.reload,
        }

    async def status(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """As /status.json, without the values of each point, which are in the feed."""
        said = dict(self._status())
        said["instruments"] = [
            {key: value for key, value in row.items() if key != "points"} for row in said["instruments"]
        ]
        return said

    async def read(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """One poll now, beside the schedule. The answer is for who asks; it is not in the feed."""
        asked = self._asked(args["instrument"])
        if isinstance(asked.driver, Excluding):
            asked.driver.retry_excluded()
        try:
            reading = await asked.poller.read_now(args["instrument"])
        except LineBusyError as error:
            raise Denied("busy", str(error)) from error
        sample, points = reading.sample, reading.points
        return {
            "instrument": reading.instrument,
            "ts": reading.ts_ms,
            "values": dict(zip(points, sample.values, strict=True)),
            "flags": {points[at]: flag.value for at, flag in sample.flags.items()},
            "why": {points[at]: why for at, why in sample.why.items()},
        }

    async def mark(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Flag what is N as M or C until a time, from the next reading on."""
        return self.marked(args)

    def marked(self, args: Mapping[str, Any], **told: str) -> Mapping[str, Any]:
        """The same, with what else is `told` in the event: where it came from, if not over MQTT. Raises Denied."""
        self._asked(args["instrument"])
        mark = Mark(args["instrument"], Flag(args["flag"]), args["who"], args["until"])
        event = self._marks().set(mark, self._clock.now_ms())
        self._tell(replace(event, data={**event.data, **told}))
        self._keep_marks()
        return {"instrument": mark.instrument, "flag": mark.flag.value, "until": mark.until_ms}

    async def write(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write one value between two polls, and read it back."""
        name, point, value = args["instrument"], args["point"], args["value"]
        asked = self._asked(name)
        driver = asked.driver
        if point not in driver.points:
            raise Denied("point", f"{name} has no point {point!r}")
        if not isinstance(driver, Writing):
            raise Denied("refused", f"{name} speaks a protocol in which nothing is written")

        async def job() -> Any:
            return await driver.write(point, value)

        try:
            found = await asked.poller.between(job)
        except WriteRefused as error:
            raise Denied("refused", str(error)) from error
        except LineBusyError as error:
            raise Denied("busy", str(error)) from error
        return {"instrument": name, "point": point, "value": found}

    async def reload(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the site file again; a wrong one changes nothing."""
        if self._told.ended.is_set():
            raise Denied("busy", "the gateway is stopping or loading a configuration already")
        try:
            site = await self._told.reload()
        except Hindered as error:
            raise Denied("log", str(error)) from error
        except SettingsError as error:
            told = [str(problem) for problem in error.problems]
            more = [f"and {len(told) - MOST_PROBLEMS} more"] if len(told) > MOST_PROBLEMS else []
            raise Denied("configuration", "\n".join([*told[:MOST_PROBLEMS], *more])) from error
        return {"configuration": site.hash}

    def _asked(self, instrument: str) -> Asked:
        found = self._instruments.get(instrument)
        if found is None:
            raise Denied("instrument", f"this site has no instrument {instrument!r}")
        return found
