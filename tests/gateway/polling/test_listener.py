"""Instruments that speak unasked: every message is a reading, and every period without one is told."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from drivers.contract import Flag, Heard, Sample
from drivers.line.listened import Listened
from drivers.profile import InstrumentSpec, Point
from gateway.polling.listener import Listener
from gateway.polling.poller import LineBusyError
from gateway.reading import Event, Reading
from tests.fakes import virtual_time


class Hearing:
    def __init__(self, last_only: bool) -> None:
        self._last_only = last_only

    def last_only(self, instrument: str) -> bool:
        return self._last_only


class Line:
    """What is heard is what the test says."""

    name = "scale"

    def __init__(self, last_only: bool = False) -> None:
        self.up = True
        self.state = "up"
        self.hearing = Hearing(last_only)
        self.said: list[Callable[[Heard], None]] = []
        self.answer: Callable[[Callable[[], None]], None] = lambda send: send()

    def say(self, value: float | None, instrument: str = "scale") -> None:
        sample = Sample((value,)) if value is not None else None
        for tell in self.said:
            tell(Heard(instrument, sample))


class Site:
    def __init__(self, every_s: float = 1.0, last_only: bool = False) -> None:
        self.line = Line(last_only)
        self.commit = asyncio.Event()
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.clock = virtual_time.VirtualClock()
        one = InstrumentSpec(
            id="scale", line="scale", protocol="text", profile=None, address=1, every_s=every_s, timeout_s=1.0,
            points=(Point(id="weight"),),
        )  # fmt: skip
        driver = Listened(one, self.line)  # type: ignore[arg-type]
        self.listener = Listener(
            self.line,  # type: ignore[arg-type]
            [("scale", driver, round(every_s * 1000))],
            self.clock,
            self.readings.append,
            self.events.append,
            lambda: self.commit,
        )

    def values(self) -> list[object]:
        return [reading.sample.values[0] for reading in self.readings]


def lived(site: Callable[[], Site], says: Callable[[Site], "asyncio.Future[None] | object"]) -> Site:
    """A site while `says` goes on."""

    async def main() -> Site:
        made = site()
        task = asyncio.create_task(made.listener.run())
        await asyncio.sleep(0)
        await says(made)  # type: ignore[misc]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return made

    return virtual_time.run(main())


def test_each_message_is_a_reading_of_its_moment_without_lag() -> None:
    async def says(site: Site) -> None:
        for number in range(5):
            await asyncio.sleep(1.0)
            site.line.say(number)

    site = lived(Site, says)
    assert site.values() == [0, 1, 2, 3, 4]
    assert {reading.lag_ms for reading in site.readings} == {0}
    stamps = [reading.ts_ms for reading in site.readings]
    assert [after - before for before, after in pairwise(stamps)] == [1000] * 4
    assert site.listener.polls == {("scale", "ok"): 5}


def test_every_period_without_a_message_is_one_null_with_a_reason() -> None:
    async def says(site: Site) -> None:
        site.line.say(1.5)
        await asyncio.sleep(10.0)
        site.line.say(2.5)

    site = lived(Site, says)
    nulls = site.readings[1:-1]
    # expected at 1, 2 … 10 s; given up half a period later, so at 1.5 … 9.5 s
    assert len(nulls) == 9
    assert {reading.sample.why[0] for reading in nulls} == {"timeout: no message in 1s, the line is up"}
    assert all(reading.sample.flags == {0: Flag.COMMUNICATION} for reading in nulls)
    assert site.values()[-1] == 2.5
    assert site.listener.answering == {"scale": True}


def test_message_that_comes_a_little_late_makes_no_null() -> None:
    async def says(site: Site) -> None:
        for pause_s in (1.4, 0.6, 1.3, 0.8, 1.45):
            await asyncio.sleep(pause_s)
            site.line.say(1)

    assert lived(Site, says).values() == [1] * 5


def test_line_that_is_down_is_named_as_the_reason() -> None:
    async def says(site: Site) -> None:
        site.line.up, site.line.state = False, "/dev/ttyUSB0: no such device"
        await asyncio.sleep(3.0)

    site = lived(Site, says)
    assert {reading.sample.why[0] for reading in site.readings} == {"line: /dev/ttyUSB0: no such device"}


def test_of_an_instrument_that_chatters_the_last_message_of_each_period_is_kept() -> None:
    async def says(site: Site) -> None:
        for number in range(25):
            await asyncio.sleep(0.09)
            site.line.say(number)
        await asyncio.sleep(3.0)

    site = lived(lambda: Site(last_only=True), says)
    assert site.values()[:3] == [10, 21, 24]
    assert site.values()[3:] == [None, None]


def test_instrument_without_a_period_is_expected_never() -> None:
    async def says(site: Site) -> None:
        await asyncio.sleep(86_400.0)
        site.line.say(7)

    site = lived(lambda: Site(every_s=0.0), says)
    assert site.values() == [7]
    assert site.listener.whenever == {"scale"}


def test_sign_of_life_without_values_keeps_nobody_from_missing_them() -> None:
    async def says(site: Site) -> None:
        for _ in range(6):
            await asyncio.sleep(0.5)
            site.line.say(None)

    site = lived(Site, says)
    assert site.values() == [None, None]
    assert "scale" in site.listener.answered_s


def test_long_standstill_is_told_and_costs_bounded_memory() -> None:
    async def says(site: Site) -> None:
        loop = asyncio.get_running_loop()
        loop._jumping.now += 5000.0  # type: ignore[attr-defined]  # the process stood still
        await asyncio.sleep(0.1)

    site = lived(Site, says)
    assert len(site.readings) == 1000
    assert [event.kind for event in site.events] == ["polling.gap"]
    assert site.events[0].data["missed"] + len(site.readings) in (4999, 5000)


def test_reading_on_command_is_the_next_message() -> None:
    async def says(site: Site) -> None:
        asked = asyncio.create_task(site.listener.read_now("scale"))
        await asyncio.sleep(0.2)
        site.line.say(3.5)
        assert (await asked).sample.values == (3.5,)
        assert (await site.listener.read_now("scale")).sample.result == "timeout"
        with pytest.raises(LineBusyError):
            await site.listener.between(lambda: asyncio.sleep(0))

    lived(Site, says)


def test_nothing_is_acknowledged_before_it_is_committed() -> None:
    sent: list[str] = []

    async def says(site: Site) -> None:
        site.line.answer(lambda: sent.append("heartbeat"))
        assert sent == ["heartbeat"]  # nothing waits for a commit
        site.line.say(1)
        site.line.answer(lambda: sent.append("first"))
        site.line.answer(lambda: sent.append("repeat"))
        await asyncio.sleep(5.0)
        assert sent == ["heartbeat"]
        before, site.commit = site.commit, asyncio.Event()
        before.set()
        site.line.say(2)
        site.line.answer(lambda: sent.append("second"))
        await asyncio.sleep(1.0)
        assert sent == ["heartbeat", "first", "repeat"]
        site.commit.set()
        await asyncio.sleep(1.0)
        assert sent[-1] == "second"

    lived(lambda: Site(every_s=60.0), says)
