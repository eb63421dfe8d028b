"""What every protocol beside Modbus is asked: garbage, bytes one by one, and a hostile instrument on a real line."""

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.line import open_line
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator import Truth
from drivers.simulator.meter import MeterBus, MeterStream, Readings
from drivers.simulator.meter_faults import FAULTS, MeterHostility
from drivers.simulator.meters import KINDS
from drivers.simulator.ports import PtyPort
from tests.fakes.meters import (
    ADDRESSES,
    FULLEST,
    Counting,
    FunctionLine,
    at_once,
    fixed,
    instrument,
    made,
    polled,
    whole,
)
from tests.fuzz.meters import run

SAMPLE = 2_500
PROTOCOLS = sorted(FULLEST)


def fullest(protocol: str) -> InstrumentSpec:
    return instrument({"profile": FULLEST[protocol], "address": ADDRESSES[protocol]})


def answers(spec: InstrumentSpec) -> Callable[[bytes], bytes]:
    kind = KINDS[spec.protocol]
    meter = kind.meter(Readings(spec, fixed(spec, {})))
    return lambda request: meter.answer(request.lstrip(kind.framing.filler)) or b""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_garbage_ends_only_in_declared_errors(protocol: str) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    # a slow machine is no fault of the codec: ten times the command's bound here
    result = run(protocol, SAMPLE, seed, slowest_s=0.2)
    assert min(result.outcomes[kind] for kind in ("crc", "timeout")) > 10
    assert result.outcomes["ok"], "no poll of many questions went through; there are about 15 of them"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_bytes_bring_no_value(protocol: str) -> None:
    spec = fullest(protocol)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=400))
    def feed(data: bytes) -> None:
        sample = polled(spec, lambda request: data)
        whole(sample)
        assert set(sample.values) == {None}

    feed()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_one_by_one_give_what_they_give_at_once(protocol: str) -> None:
    spec = fullest(protocol)
    reply = answers(spec)
    for noise in (b"", b"\x00\x01"):

        def noisy(request: bytes, noise: bytes = noise) -> bytes:
            return noise + reply(request)

        assert polled(spec, noisy, byte_by_byte=True) == polled(spec, noisy)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_point_of_the_profile_is_had_from_the_simulator(protocol: str) -> None:
    spec = fullest(protocol)
    sample = polled(spec, answers(spec))
    assert sample.result == "ok"
    assert None not in sample.values


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dead_instrument_costs_one_question(protocol: str) -> None:
    spec = fullest(protocol)
    line = FunctionLine(lambda request: b"")
    sample = at_once(made(spec, line).poll())
    assert len(line.asked) == 1
    assert sample.result == "timeout"
    assert set(sample.values) == {None}


async def hostile(protocol: str, seed: int) -> None:
    """Every look of the instrument has its own number: a value that comes from an earlier poll is found out."""
    timeout_s = 0.05
    spec = fullest(protocol).model_copy(update={"timeout_s": timeout_s})
    truth = Truth(most=1_000_000)
    framing = KINDS[protocol].framing
    meter = KINDS[protocol].meter(Readings(spec, Counting(len(spec.points)), truth))  # type: ignore[arg-type]
    questions = len(made(spec, FunctionLine(lambda request: b"")).questions)  # type: ignore[attr-defined]
    hostility = MeterHostility(framing, 0.5 / questions, seed, timeout_s)
    async with PtyPort(MeterBus([meter], mischief=hostility), lambda: MeterStream(KINDS[protocol].heard)) as port:
        # late answers come within 2.6 timeouts; twice that, so that a busy machine is no fault of the line
        line_spec = LineSpec(
            name="line", kind="serial", path=port.path, baudrate=115200, timeout_s=timeout_s, settle_s=6 * timeout_s
        )
        line = open_line(line_spec, None)
        task = asyncio.create_task(line.run())
        assert await line.wait_up(10.0)
        driver = made(spec, line)
        polls = good = 0
        try:
            while len(hostility.done) < len(FAULTS) or good < 10:
                before = {point.id: len(truth.served(spec.id, point.id)) for point in spec.points}
                sample = await driver.poll()
                whole(sample)
                for point, value in zip(spec.points, sample.values, strict=True):
                    if value is not None:
                        served = [each for _, each in truth.served(spec.id, point.id)[before[point.id] :]]
                        assert value in served, f"{point.id}: {value} is not of this poll: {served}; seed {seed}"
                good += None not in sample.values
                polls += 1
                assert polls < 5000, f"{protocol}: {good} good polls, faults so far {dict(hostility.done)}"
                if (wait_s := line.ready_at(driver.unit) - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(wait_s)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_hostile_instrument_never_gives_a_value_that_it_did_not_serve_for_this_poll() -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    async with asyncio.TaskGroup() as group:  # mostly they wait, so all at once
        for protocol in PROTOCOLS:
            group.create_task(hostile(protocol, seed))
