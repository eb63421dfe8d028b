"""Instruments that speak in messages, with every fault of drivers/simulator/message_faults.py: never a wrong value."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from drivers import catalogue
from drivers.contract import Driver, Flag
from drivers.line import open_line
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import Behaviour
from drivers.simulator.hj212_instrument import Hj212Bus, Hj212Instrument, Hj212Stream
from drivers.simulator.message_faults import CHANGED, FAULTS, MessageFaults
from drivers.simulator.ports import TcpPort
from drivers.simulator.text_instrument import TextBus, TextInstrument, TextStream
from drivers.simulator.truth import Truth
from tests.drivers.hj212.vectors import sender
from tests.drivers.text.instrument import spec as text_spec

TIMEOUT_S = 0.08
POLLS = 60


def scale() -> InstrumentSpec:
    """A scale whose lines carry a CRC."""
    return text_spec(
        [{"id": "weight", "unit": "kg"}],
        messages=[{"request": "W{checksum}\r\n", "pattern": r"W(?P<weight>[0-9.]+)kg"}],
        checksum={"kind": "crc16"},
    ).model_copy(update={"timeout_s": TIMEOUT_S})


def analyser() -> InstrumentSpec:
    return sender(points=({"id": "weight", "item": "w01018-Rtd", "unit": "mg/L"},), timeout_s=TIMEOUT_S)


@asynccontextmanager
async def polled(spec: InstrumentSpec, mischief: MessageFaults, truth: Truth) -> AsyncIterator[Driver]:
    numbers = count(1)
    rising = Behaviour((lambda t_s: next(numbers),), lambda t_s: Flag.NORMAL)
    bus: Any
    stream: Callable[[], Any]
    if spec.protocol == "text":
        scale = TextInstrument(spec, rising, truth)
        bus, stream = TextBus([scale], mischief=mischief), lambda: TextStream([scale])
    else:
        one = Hj212Instrument(spec, rising, truth)
        bus, stream = Hj212Bus([one], mischief=mischief), lambda: Hj212Stream([one])
    async with TcpPort(bus, stream) as port:
        line_spec = LineSpec(name="line", kind="tcp", host="127.0.0.1", port=port.port, timeout_s=TIMEOUT_S)
        line = open_line(line_spec, None)
        task = asyncio.create_task(line.run())
        try:
            assert await line.wait_up(5.0)
            yield catalogue.protocol(spec.protocol).driver(spec, line, line_spec)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("make", [scale, analyser], ids=["text", "hj212"])
async def test_no_value_is_one_that_was_not_served_for_this_poll(make: Callable[[], InstrumentSpec]) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    spec, truth = make(), Truth()
    # one changed byte in 256 passes the CRC of HJ 212 by design, so there it is not among the faults
    mischief = MessageFaults(0.5, seed, TIMEOUT_S, changed=spec.protocol == "text")
    good = 0
    async with polled(spec, mischief, truth) as driver:
        for _ in range(POLLS):
            before = len(truth.served(spec.id, "weight"))
            sample = await driver.poll()
            (value,) = sample.values
            if value is None:
                assert sample.why[0].partition(":")[0] in ("timeout", "crc", "settling", "line")
                await asyncio.sleep(TIMEOUT_S)
            else:
                good += 1
                assert value in [served for _, served in truth.served(spec.id, "weight")[before:]]
    assert good > 0
    assert sum(mischief.done.values()) > 0


@pytest.mark.parametrize("name", [*FAULTS, *CHANGED])
def test_each_fault_spoils_what_it_says(name: str) -> None:
    chance = random.Random(1)
    acts = tuple({**FAULTS, **CHANGED}[name](b"ask", b"W12.5kg4F2A\r\n", chance, 0.1))
    sent = b"".join(getattr(act, "data", b"") for act in acts)
    same = {"late", "drip"}
    assert (sent == b"W12.5kg4F2A\r\n") == (name in same)
