"""The real poller, line and driver on a 9600-baud bus played in virtual time: who waits for whom, and how long."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from drivers.line.line import FieldLine
from drivers.modbus.crc import crc16
from drivers.profile import LineSpec
from gateway.polling.poller import Polled, Poller
from gateway.polling.schedule import phases
from gateway.reading import Reading
from tests.fakes import virtual_time
from tests.fakes.instrument_wire import HandWire, Heard
from tests.lines import paced

LONG_S = 1200.0
CLOCK_S = 0.001
ANSWER_BYTES = 5 + 2 * paced.REGISTERS


def bus(dead: Callable[[int], bool]) -> HandWire:
    """A wire that takes the time of every character; unit N serves N in every register, unless it is dead now."""

    def answers(sent: bytes) -> Heard:
        unit, count = sent[0], sent[5]
        if dead(unit):
            return []
        body = bytes([unit, 3, 2 * count]) + bytes([0, unit]) * count
        return [
            ((len(sent) + 3.5 + len(body) + 2) * paced.CHARACTER_S, body + crc16(body).to_bytes(2, "little")),
        ]

    return HandWire(answers)


def polled(
    wire: HandWire,
    units: Sequence[int],
    period_s: float,
    seconds: float,
    jobs: Callable[[Poller], object] | None = None,
) -> list[Reading]:
    """What the poller hands on in that time."""

    async def main() -> list[Reading]:
        spec = LineSpec(
            name="bus",
            kind="serial",
            path="/dev/bus",
            baudrate=paced.BAUDRATE,
            stopbits=2,
            timeout_s=paced.TIMEOUT_S,
        )
        line = FieldLine(spec, wire.open)
        keeper = asyncio.create_task(line.run())
        await line.wait_up(5)
        readings: list[Reading] = []
        period_ms = round(period_s * 1000)
        instruments = [
            Polled(f"unit-{unit}", paced.instrument(unit, spec, line), period_ms, phase_ms)
            for unit, phase_ms in zip(units, phases([("line", period_ms)] * len(units)), strict=True)
        ]
        clock = virtual_time.VirtualClock()
        poller = Poller(line, instruments, clock, readings.append, lambda event: None, shared_wire=True)
        task = asyncio.create_task(poller.run())
        beside = jobs(poller) if jobs is not None else None
        await asyncio.sleep(seconds)
        for each in (task, keeper, beside):
            if isinstance(each, asyncio.Task):
                each.cancel()
        await asyncio.gather(task, keeper, return_exceptions=True)
        return readings

    return virtual_time.run(main())


def test_three_dead_of_twenty_cost_the_others_one_timeout_a_cycle_and_then_their_probes() -> None:
    readings = polled(bus(lambda unit: unit in paced.DEAD), range(1, 21), paced.PERIOD_S, LONG_S)
    fares = paced.judged(readings, known_ms=readings[0].ts_ms + 120_000)
    assert fares.missed == 0
    assert fares.polls == pytest.approx(17 * LONG_S / paced.PERIOD_S, abs=17)
    assert fares.longest_s <= paced.PERIOD_S + paced.TIMEOUT_S + CLOCK_S
    # three units, a probe in ten seconds each at most
    assert LONG_S / 10 < fares.probes_known <= 3 * (LONG_S - 120) / 10


def test_unit_that_comes_back_is_polled_within_its_longest_wait_and_nobody_notices() -> None:
    now = [0.0]
    began: list[float] = []

    def dead(unit: int) -> bool:
        now[0] = asyncio.get_running_loop().time()
        began.append(now[0])
        return unit == 4 and 300 < now[0] - began[0] < 900

    readings = polled(bus(dead), range(1, 11), 2.0, 1200.0)
    back = [one for one in readings if one.instrument == "unit-4" and one.sample.result == "ok"]
    start_ms = readings[0].ts_ms
    gap_ms = max(later.ts_ms - earlier.ts_ms for earlier, later in pairwise(back))
    assert 600_000 - 2100 <= gap_ms <= 600_000 + 10_000 + 2100 + 300
    others = [one for one in readings if one.instrument != "unit-4"]
    assert {one.sample.result for one in others} == {"ok"}
    assert len({(one.instrument, one.ts_ms - one.lag_ms) for one in readings}) == len(readings)
    assert all(one.ts_ms >= start_ms for one in readings)


def test_every_value_on_a_shared_wire_is_its_own_units() -> None:
    readings = polled(bus(lambda unit: False), range(1, 21), 2.0, 600.0)
    assert all(set(one.sample.values) == {int(one.instrument.removeprefix("unit-"))} for one in readings)
    assert len(readings) >= 20 * 298


def test_fastest_uses_the_whole_wire_and_gives_everybody_the_same_turn() -> None:
    readings = polled(bus(lambda unit: False), (1, 2, 3), 0.0, 600.0)
    made = [one.instrument for one in readings]
    # in virtual time nothing but the wire takes time
    assert len(made) >= 0.99 * 600 / paced.exchange_s()
    assert all(made[at] != made[at + 1] for at in range(len(made) - 1))
    assert max(made.count(name) for name in set(made)) - min(made.count(name) for name in set(made)) <= 1


def test_commands_on_a_full_line_wait_for_one_poll_and_the_commands_before_them() -> None:
    waits: list[float] = []

    async def commands(poller: Poller) -> None:
        loop = asyncio.get_running_loop()

        async def one() -> None:
            asked_s = loop.time()
            reading = await poller.read_now("unit-2")
            assert set(reading.sample.values) == {2}
            waits.append(loop.time() - asked_s)

        while True:
            await asyncio.gather(one(), one(), one())
            await asyncio.sleep(0.5)

    readings = polled(
        bus(lambda unit: False), (1, 2, 3), 0.0, 300.0, lambda poller: asyncio.ensure_future(commands(poller))
    )
    assert len(waits) > 900
    # the poll under way, and a poll between any two commands
    assert max(waits) <= (1 + 2 * 3) * paced.exchange_s() + 0.001
    # the polls go on meanwhile
    assert len(readings) + len(waits) >= 0.99 * 300 / paced.exchange_s()


def test_a_week_of_polls_falls_due_on_the_round_second_to_the_end() -> None:
    week_s = 7 * 86400.0
    readings = polled(bus(lambda unit: False), (1,), 60.0, week_s)
    assert len(readings) >= week_s / 60 - 1
    assert {(one.ts_ms - one.lag_ms) % 60_000 for one in readings} == {0}
    assert max(one.lag_ms for one in readings) <= 1000 * paced.exchange_s() + 1
