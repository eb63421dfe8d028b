"""Instruments that are asked: over a real connection, with everything that can come back."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from drivers.contract import Flag, Sample, Value
from drivers.hj212.driver import Hj212Driver
from drivers.hj212.frame import framed
from drivers.hj212.history import History
from drivers.hj212.message import Message, written
from drivers.hj212.recorded import RecordedLine
from drivers.hj212.scan import scan
from drivers.line import open_line
from drivers.line.transcript import Transcript, read
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.hj212_instrument import Hj212Bus, Hj212Instrument, Hj212Stream
from drivers.simulator.ports import TcpPort
from drivers.simulator.slave import Send
from tests.drivers.hj212.vectors import sender

NOW_S = 1_783_305_000.0 + 35 * 60
"""2026-07-06 11:05:00 in China."""


def seven(t_s: float) -> Value:
    return 7.5


class Scripted(Hj212Bus):
    """Answers with what the test says."""

    def __init__(self, one: Hj212Instrument, say: Callable[[Message, Hj212Instrument], bytes]) -> None:
        super().__init__([one])
        self.asked: list[Message] = []
        self._say, self._one = say, one

    def acts(self, question: Message, stream: object) -> tuple[Send, ...]:
        self.asked.append(question)
        return (Send(self._say(question, self._one)),)


@asynccontextmanager
async def polling(
    spec: InstrumentSpec,
    say: Callable[[Message, Hj212Instrument], bytes],
    most: int = 950,
    now: Callable[[], float] = lambda: NOW_S,
) -> AsyncIterator[tuple[Hj212Driver, Scripted]]:
    behaviour = Behaviour((seven,) * len(spec.points), lambda t_s: Flag.NORMAL)
    one = Hj212Instrument(spec, behaviour, now=lambda: NOW_S, most=most)
    bus = Scripted(one, say)
    async with TcpPort(bus, lambda: Hj212Stream([one])) as port:
        line_spec = LineSpec(name="line", kind="tcp", host="127.0.0.1", port=port.port, settle_s=0.0)
        line = open_line(line_spec, None)
        task = asyncio.create_task(line.run())
        assert await line.wait_up(5.0)
        try:
            yield Hj212Driver(spec, line, line_spec, now=now), bus
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def right(question: Message, one: Hj212Instrument) -> bytes:
    return b"".join(one.answers(question))


def answer(cn: str, area: str, qn: str | None = None, mn: str = "MN1") -> Callable[[Message, Hj212Instrument], bytes]:
    def say(question: Message, one: Hj212Instrument) -> bytes:
        fields = {"QN": qn or question.qn, "ST": "91", "CN": cn, "PW": "1", "MN": mn, "Flag": "4"}
        return framed(written(fields, area))

    return say


async def polled(say: Callable[[Message, Hj212Instrument], bytes], most: int = 950, **options: object) -> Sample:
    async with polling(sender(timeout_s=0.3, **options), say, most) as (driver, _):  # type: ignore[arg-type]
        return await driver.poll()


async def test_real_time_data_is_asked_for_and_decoded() -> None:
    async with polling(sender(timeout_s=5.0), right) as (driver, bus):
        first, second = await driver.poll(), await driver.poll()
    assert first.values == second.values == (7.5, 7.5, 7.5)
    assert first.at_ms == round(NOW_S * 1000)
    one, two = bus.asked
    assert one.fields == {"QN": "20260706110500000", "ST": "32", "CN": "2011", "MN": "MN1", "FLAG": "5"}
    assert two.qn == "20260706110500001"  # never the same number twice


async def test_answer_in_parts_is_one_sample() -> None:
    sample = await polled(right, most=60)
    assert sample.values == (7.5, 7.5, 7.5)


@pytest.mark.parametrize(
    ("command", "begin"),
    [("2061", "20260706100000"), ("2051", "20260706105000"), ("2031", "20260705000000")],
)
async def test_history_is_of_the_last_whole_period(command: str, begin: str) -> None:
    points = ({"id": "cod", "item": "w01018-Avg", "unit": "mg/L"},)
    async with polling(sender(points=points, command=command, timeout_s=5.0), right) as (driver, bus):
        sample = await driver.poll()
    assert bus.asked[0].item("BeginTime") == bus.asked[0].item("EndTime") == begin
    assert sample.values == (7.5,)
    assert sample.at_ms is not None
    assert sample.at_ms < NOW_S * 1000


HOUR = ({"id": "cod", "item": "w01018-Avg", "unit": "mg/L"},)


async def test_periods_missed_in_an_outage_come_with_the_next_poll_and_their_own_times() -> None:
    hours = [0]
    away = [False]

    def say(question: Message, one: Hj212Instrument) -> bytes:
        return b"" if away[0] else right(question, one)

    spec = sender(points=HOUR, command="2061", timeout_s=0.3)
    async with polling(spec, say, now=lambda: NOW_S + 3600 * hours[0]) as (driver, bus):
        assert (await driver.poll()).earlier == ()  # what was before the start is not asked for
        away[0] = True
        hours[0] = 1
        assert (await driver.poll()).result == "timeout"
        away[0] = False
        hours[0] = 4  # nobody asked for hours 2 and 3: the unit was left alone
        bus.asked.clear()
        driver._spec = driver._spec.model_copy(update={"timeout_s": 20.0})
        sample = await driver.poll()
        again = await driver.poll()
    assert [one.item("BeginTime") for one in bus.asked][:4] == [
        "20260706140000", "20260706110000", "20260706120000", "20260706130000",
    ]  # fmt: skip
    assert sample.at_ms is not None
    first_ms = round(NOW_S * 1000) - 5 * 60_000
    assert [one.at_ms for one in sample.earlier] == [first_ms + 3_600_000 * hour for hour in range(3)]
    assert sample.at_ms == first_ms + 3_600_000 * 3
    assert all(one.values == (7.5,) for one in sample.earlier)
    assert again.earlier == ()


async def test_period_that_the_sender_does_not_have_yet_is_asked_for_once_more_and_then_left() -> None:
    hours = [0]
    none = answer("9012", "ExeRtn=100")

    def say(question: Message, one: Hj212Instrument) -> bytes:
        return none(question, one) if question.item("BeginTime") == "20260706110000" else right(question, one)

    spec = sender(points=HOUR, command="2061", timeout_s=9.0)
    async with polling(spec, say, now=lambda: NOW_S + 3600 * hours[0]) as (driver, bus):
        samples = []
        for hours[0] in range(4):
            samples.append(await driver.poll())
    assert [one.result for one in samples] == ["ok", "exception", "ok", "ok"]
    assert [one.earlier for one in samples] == [()] * 4
    assert [one.item("BeginTime") for one in bus.asked].count("20260706110000") == 2


async def test_catching_up_takes_no_more_of_the_line_than_one_timeout_and_goes_on_at_the_next_poll() -> None:
    hours = [0]

    def slow(question: Message, one: Hj212Instrument) -> bytes:
        time.sleep(0.1)  # what the sender takes to look it up: its process is ours here
        return right(question, one)

    spec = sender(points=HOUR, command="2061", timeout_s=1.0)
    async with polling(spec, slow, now=lambda: NOW_S + 3600 * hours[0]) as (driver, _):
        await driver.poll()
        hours[0] = 21
        polls: list[int] = []
        at: list[int] = []
        while len(at) < 20 and len(polls) < 100:
            earlier = (await driver.poll()).earlier
            polls.append(len(earlier))
            at += [one.at_ms for one in earlier if one.at_ms is not None]
    assert max(polls) <= 10
    assert (len(at), at) == (20, sorted(set(at)))


@pytest.mark.parametrize(("most", "at_start", "count"), [(5, 0, 5), (0, 0, 0), (48, 0, 99), (2000, 3, 102)])
def test_what_is_asked_for_is_bounded_and_the_oldest_is_given_up(most: int, at_start: int, count: int) -> None:
    history = History(3600, 8 * 3600, most, at_start)
    first = history.newest(NOW_S)
    newest = history.newest(NOW_S + 100 * 3600)
    found = []
    while (missed := history.missed()) is not None:
        found.append(missed)
        history.done(missed)
    assert newest - first == 100
    missed_by_then = [*range(first - at_start, first), *range(first + 1, newest)]  # `first` was asked for
    assert found == missed_by_then[-most:] * (most > 0)
    assert len(found) == min(count, most)
    assert history.newest(NOW_S - 3600) < newest  # a clock set back asks for what it is asked for, and misses nothing
    assert history.missed() is None


async def test_history_of_another_period_is_no_answer() -> None:
    def other(question: Message, one: Hj212Instrument) -> bytes:
        return b"".join(one.uploads("20260706080000", answer=False))

    points = ({"id": "cod", "item": "w01018-Avg", "unit": "mg/L"},)
    sample = await polled(other, points=points, command="2061")
    assert (sample.values, sample.result) == ((None,), "timeout")


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (answer("9011", "QnRtn=2"), "exception: 2 refused"),
        (answer("9011", "QnRtn=3"), "exception: 3 wrong PW"),
        (answer("9012", "ExeRtn=100"), "exception: 100 no data"),
        (answer("9012", "ExeRtn=1"), "crc: it says that it is done, and has sent nothing"),
        (answer("2011", "DataTime=20260706110500;w01018-Rtd=1", mn="MN2"), "timeout: no answer"),
        (answer("2061", "DataTime=20260706110500;w01018-Rtd=1"), "timeout: no answer"),
        (answer("9011", "QnRtn=2", qn="20260101000000000"), "timeout: no answer"),
        (lambda question, one: b"", "timeout: no answer"),
        (lambda question, one: right(question, one)[:150], "timeout: no answer"),
    ],
)
async def test_what_is_no_answer_gives_nulls_with_its_reason(say: Callable[..., bytes], why: str) -> None:
    sample = await polled(say)
    assert sample.values == (None, None, None)
    assert sample.why[0].startswith(why)


async def test_data_that_asks_for_it_is_acknowledged() -> None:
    heard: list[Message] = []

    def say(question: Message, one: Hj212Instrument) -> bytes:
        heard.append(question)
        return b"".join(one.uploads("20260706110500", answer=True)) if question.cn == "2011" else b""

    async with polling(sender(timeout_s=5.0), say) as (driver, _):
        await driver.poll()
        async with asyncio.timeout(5.0):
            while len(heard) < 2:
                await asyncio.sleep(0.01)
    assert (heard[1].cn, heard[1].mn) == ("9014", "MN1")


async def test_noise_before_and_pieces_do_no_harm() -> None:
    assert (await polled(lambda question, one: b"\x00##12" + right(question, one))).values == (7.5, 7.5, 7.5)


async def test_recording_is_asked_again_whatever_its_numbers_and_periods_were() -> None:
    points = ({"id": "cod", "item": "w01018-Avg", "unit": "mg/L"},)
    spec = sender(points=points, command="2061", timeout_s=5.0)
    out = io.StringIO()
    async with polling(spec, right, most=60) as (driver, _):
        driver._line.transcript = Transcript(out)  # type: ignore[attr-defined]
        was = await driver.poll()
    recording = read(out.getvalue().splitlines())
    line_spec = LineSpec(name="line", kind="tcp", host="127.0.0.1", port=1)
    line = RecordedLine(line_spec, recording.pieces)
    line.show(0, len(recording.pieces))
    again = Hj212Driver(spec, line, line_spec, now=lambda: NOW_S + 86_400 * 30)
    assert await again.poll() == was
    assert (await again.poll()).result == "line"


async def test_scan_hears_the_sender_that_is_there_and_no_other() -> None:
    def say(question: Message, one: Hj212Instrument) -> bytes:
        return b"".join(act.data for act in Hj212Bus([one]).acts(question, None) if isinstance(act, Send))

    async with polling(sender(), say) as (driver, _):
        line = driver._line
        spec = LineSpec(name="line", kind="tcp", host="127.0.0.1", port=1, timeout_s=0.3)
        steps = [step async for step in scan(line, spec, ["MN9", "MN1"])]
        assert [step async for step in scan(line, spec)] == []
    assert [(step.address, step.heard is not None) for step in steps] == [("MN9", False), ("MN1", True)]
