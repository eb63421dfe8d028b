"""The poller: every expected poll becomes one reading, silence grows, commands fit between polls."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import pytest

from drivers.contract import Answers, Sample
from gateway.polling.poller import JOBS, LineBusyError, Polled, Poller
from gateway.polling.silence import Silence
from gateway.reading import Event, Reading
from tests.fakes import virtual_time
from tests.fakes.rows import Rows


class Wire(Rows):
    name = "forecourt"
    in_flight = 1

    def __init__(self) -> None:
        self.settling: dict[Hashable, float] = {}

    async def exchange(self, request: object) -> bytes:
        raise AssertionError("the drivers here do not send")

    def ready_at(self, unit: Hashable) -> float:
        return self.settling.get(unit, 0.0)


class Scripted:
    """A driver whose polls take `takes_s` and give what `answer(poll number)` says."""

    points = ("a", "b")

    def __init__(self, unit: int, answer: Callable[[int], Sample], takes_s: float = 0.02) -> None:
        self.unit = unit
        self.answer = answer
        self.takes_s = takes_s
        self.polls = 0

    async def poll(self) -> Sample:
        self.polls += 1
        await asyncio.sleep(self.takes_s)
        return self.answer(self.polls)


class Prompted(Scripted):
    """The same without a task; `conclude` gives what `ends` makes of the sample."""

    def __init__(self, unit: int, answer: Callable[[int], Sample], takes_s: float = 0.02) -> None:
        super().__init__(unit, answer, takes_s)
        self.ready = True
        self.given_up = 0
        self.ends: Callable[[Sample], Sample | Coroutine[Any, Any, Sample]] = lambda sample: sample

    async def poll(self) -> Sample:
        assert not self.ready, "it can be begun"
        return await super().poll()

    def begin(self, done: Callable[[Answers], None]) -> Callable[[], None] | None:
        if not self.ready:
            return None
        timer = asyncio.get_running_loop().call_later(self.takes_s, done, [])

        def give_up() -> None:
            self.given_up += 1
            timer.cancel()

        return give_up

    def conclude(self, answers: Answers) -> Sample | Coroutine[Any, Any, Sample]:
        self.polls += 1
        return self.ends(self.answer(self.polls))


def good(number: int) -> Sample:
    return Sample((number, -number))


def dead(_: int) -> Sample:
    return Sample.nothing(2, "timeout: no answer in 1.0 s")


class Site:
    def __init__(self, drivers: dict[str, Scripted], period_ms: int = 1000, wire: Wire | None = None) -> None:
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.clock = virtual_time.VirtualClock()
        polled = [Polled(name, driver, period_ms) for name, driver in drivers.items()]
        self.poller = Poller(
            wire or Wire(), polled, self.clock, self.readings.append, self.events.append, shared_wire=True
        )

    async def run_for(self, seconds: float) -> None:
        task = asyncio.create_task(self.poller.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def of(self, instrument: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.instrument == instrument]


def due_times(readings: list[Reading]) -> list[int]:
    return [reading.ts_ms - reading.lag_ms for reading in readings]


def test_every_due_time_is_in_the_feed_exactly_once_even_with_a_dead_neighbour() -> None:
    async def main() -> Site:
        site = Site({"good": Scripted(1, good), "dead": Scripted(2, dead, takes_s=1.0)})
        await site.run_for(60)
        return site

    site = virtual_time.run(main())
    for instrument in ("good", "dead"):
        dues = due_times(site.of(instrument))
        assert dues == list(range(dues[0], dues[0] + 1000 * len(dues), 1000))
        assert len(dues) >= 58
    reasons = {next(iter(reading.sample.why.values())).partition(":")[0] for reading in site.of("dead")}
    assert reasons == {"timeout", "silent"}
    stamps = [reading.ts_ms for reading in site.of("good")]
    assert max(late - early for late, early in zip(stamps[1:], stamps, strict=False)) <= 1000 + 1000 + 40


def test_silence_grows_to_ten_seconds_and_the_first_success_resets_it() -> None:
    silence = Silence()
    waits = []
    for _ in range(25):
        silence.failed("unit", 100.0)
        waits.append(silence.until("unit") - 100.0)
    assert waits[:4] == [0.0, 0.5, 1.0, 1.5]
    assert waits[-1] == 10.0
    assert silence.answered("unit") == 25
    assert silence.until("unit") == 0.0


def test_a_settling_unit_is_not_asked_and_its_poll_says_so() -> None:
    async def main() -> Site:
        wire = Wire()
        wire.settling[1] = asyncio.get_running_loop().time() + 2.5
        site = Site({"a": Scripted(1, good)}, wire=wire)
        await site.run_for(5.1)
        return site

    site = virtual_time.run(main())
    whys = [reading.sample.why.get(0, "").partition(":")[0] for reading in site.of("a")]
    assert whys[:3] == ["settling"] * 3
    assert whys[-1] == ""
    assert whys.count("settling") == 3


def test_polls_that_fell_due_while_the_line_was_busy_are_told_as_overruns() -> None:
    async def main() -> Site:
        site = Site({"slow": Scripted(1, good, takes_s=3.5)})
        await site.run_for(20)
        return site

    site = virtual_time.run(main())
    dues = due_times(site.of("slow"))
    assert sorted(dues) == list(range(min(dues), min(dues) + 1000 * len(dues), 1000))
    assert site.poller.polls["slow", "overrun"] > site.poller.polls["slow", "ok"] > 0


def test_a_clock_step_disturbs_neither_the_polls_nor_the_due_times() -> None:
    async def main() -> Site:
        site = Site({"a": Scripted(1, good)})

        async def step() -> None:
            await asyncio.sleep(5.51)
            site.clock.offset_ms -= 3_600_000
            site.poller.clock_stepped()

        stepping = asyncio.create_task(step())
        await site.run_for(10)
        await stepping
        return site

    site = virtual_time.run(main())
    assert [reading.sample.values[0] for reading in site.readings] == list(range(1, len(site.readings) + 1))
    assert all(due % 1000 == 0 for due in due_times(site.readings))
    assert 9 <= len(site.readings) <= 11


def test_samples_of_earlier_times_become_readings_of_their_own_and_are_not_lost_to_a_command() -> None:
    late = tuple(Sample((hour, hour), at_ms=3_600_000 * hour) for hour in (1, 2))

    async def main() -> tuple[Site, Reading]:
        site = Site({"a": Scripted(1, lambda number: Sample((3, 3), at_ms=3_600_000 * 3, earlier=late))}, 60_000)
        running = asyncio.create_task(site.poller.run())
        await asyncio.sleep(0)
        reading = await site.poller.read_now("a")
        running.cancel()
        await asyncio.wait((running,))
        return site, reading

    site, asked = virtual_time.run(main())
    assert (asked.sample.values, asked.sample.earlier) == ((3, 3), ())
    assert [(one.sample, one.lag_ms) for one in site.readings] == [(late[0], 0), (late[1], 0)]
    polled = Reading("a", ("a", "b"), 9000, 40, Sample((3, 3), earlier=late))
    assert [(one.sample.values, one.ts_ms, one.lag_ms) for one in polled.spread()] == [
        ((1, 1), 9000, 0), ((2, 2), 9000, 0), ((3, 3), 9000, 40),
    ]  # fmt: skip


def test_a_command_runs_between_polls_and_too_many_are_refused() -> None:
    async def main() -> Reading:
        site = Site({"a": Scripted(1, good), "b": Scripted(2, good, takes_s=0.5)})
        running = asyncio.create_task(site.poller.run())
        await asyncio.sleep(1.01)  # b is being polled
        reading = await asyncio.wait_for(site.poller.read_now("a"), 1.0)
        waiting = [asyncio.create_task(site.poller.read_now("a")) for _ in range(JOBS)]
        await asyncio.sleep(0)
        with pytest.raises(LineBusyError, match="forecourt"):
            await site.poller.read_now("a")
        await asyncio.gather(*waiting)
        running.cancel()
        await asyncio.wait((running,))
        return reading

    assert virtual_time.run(main()).sample.values[0] is not None


def test_due_times_are_exact_where_the_wall_clocks_milliseconds_change_later_than_the_monotonic_ones() -> None:
    class Behind(virtual_time.VirtualClock):
        def now_ms(self) -> int:
            return int(asyncio.get_running_loop().time() * 1000 - 0.5) + self.offset_ms

    async def main() -> Site:
        site = Site({"gone": Scripted(9, dead, takes_s=0.3)})
        site.poller._clock = site.clock = Behind()
        await asyncio.sleep(0.00075)
        await site.run_for(60)
        return site

    site = virtual_time.run(main())
    due = due_times(site.of("gone"))
    assert len(due) >= 59
    assert {after - before for before, after in itertools.pairwise(due)} == {1000}


@pytest.mark.parametrize("stood_ms", [-88, 88])
def test_due_times_are_exact_where_the_process_stands_still_between_two_looks_at_the_clocks(stood_ms: int) -> None:
    class Preempted(virtual_time.VirtualClock):
        looks = 1

        def now_ms(self) -> int:  # every other look at it is so far from the look at the monotonic clock beside it
            self.looks += 1
            return super().now_ms() + self.looks % 2 * stood_ms

    async def main() -> Site:
        site = Site({"a": Scripted(1, good, takes_s=0.3)})
        site.poller._clock = site.clock = Preempted()
        await site.run_for(20)
        return site

    site = virtual_time.run(main())
    due = due_times(site.of("a"))
    assert len(due) >= 19
    assert {after - before for before, after in itertools.pairwise(due)} == {1000}


def test_polls_that_need_no_task_are_made_like_others_and_in_turn_with_them() -> None:
    async def main() -> None:
        prompt, other = Prompted(1, good), Scripted(2, good)
        site = Site({"p": prompt, "o": other})
        await site.run_for(3.5)
        for name in ("p", "o"):
            assert [reading.sample.values[0] for reading in site.of(name)] == [1, 2, 3, 4]
            assert due_times(site.of(name)) == [due_times(site.of("p"))[0] + 1000 * at for at in range(4)]
        prompt.ready = False  # its line is down, say: the task awaits what it says
        await site.run_for(1.5)
        assert len(site.of("p")) == 5

    virtual_time.run(main())


def test_what_is_left_of_a_poll_without_the_task_is_awaited_by_it() -> None:
    async def main() -> None:
        driver = Prompted(1, dead)

        async def late(sample: Sample) -> Sample:
            await asyncio.sleep(0.5)
            return sample

        driver.ends = late
        site = Site({"p": driver})
        await site.run_for(2.9)
        first, second = site.of("p")[:2]
        assert first.sample.result == "timeout"
        assert first.lag_ms == pytest.approx(520, abs=2)
        assert second.ts_ms - second.lag_ms - (first.ts_ms - first.lag_ms) == 1000

    virtual_time.run(main())


def test_poll_that_fails_unexpectedly_without_the_task_fails_it() -> None:
    async def main() -> None:
        driver = Prompted(1, good)

        def broken(sample: Sample) -> Sample:
            raise ZeroDivisionError

        driver.ends = broken
        site = Site({"p": driver})
        with pytest.raises(ZeroDivisionError):
            await site.poller.run()
        driver.ends = lambda sample: sample
        await site.run_for(2.5)  # as it is started again
        assert len(site.of("p")) == 2

    virtual_time.run(main())


def test_end_of_the_poller_gives_up_the_poll_under_way() -> None:
    async def main() -> None:
        driver = Prompted(1, good, takes_s=0.5)
        site = Site({"p": driver})
        await site.run_for(1.2)
        await asyncio.sleep(2)
        assert (driver.given_up, len(site.readings)) == (1, 1)

    virtual_time.run(main())


def test_command_waits_for_the_end_of_a_poll_without_the_task() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        driver = Prompted(1, good, takes_s=0.5)
        site = Site({"p": driver})
        task = asyncio.create_task(site.poller.run())
        await asyncio.sleep(1.2)

        async def job() -> tuple[float, int]:
            return loop.time(), driver.polls

        asked_s = loop.time()
        at_s, polls = await site.poller.between(job)
        assert (polls, at_s > asked_s) == (2, True)
        await asyncio.sleep(1.2)
        assert driver.polls == 3
        task.cancel()

    virtual_time.run(main())
