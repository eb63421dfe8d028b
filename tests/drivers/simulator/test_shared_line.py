"""Simulated instruments of several protocols on one pseudo-terminal: a request for one does not make another deaf."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator import simulate
from gateway.fieldbus import build
from tests.fakes.meters import instrument

LINE = LineSpec(name="line", kind="serial", path="/dev/none", baudrate=9600, timeout_s=5.0)
WRITTEN = "{serial: /dev/none, baudrate: 9600, timeout: 5s}"  # a pseudo-terminal has no parity
ROUNDS = 4

METER = {"id": "meter", "profile": "energy/dlt645_single_phase"}
HEAT = {"id": "heat", "profile": "heat/cjt188_heat_meter", "address": "00000000000001"}
PLC = {"id": "plc", "protocol": "modbus", "address": 1, "points": [
    {"id": "a", "table": "holding", "address": 0, "type": "uint16"}]}  # fmt: skip
WATER_LIKE = "000000000012"
"""Sent low byte first: 68 12 is how a frame to a CJ/T 188 water meter begins, and 64 bytes more would follow."""
WRITE_LIKE = "000000001000"
"""Sent as 68 00 10 …, in which a Modbus slave sees a write of many registers begin."""


@asynccontextmanager
async def bus(simulated: Sequence[InstrumentSpec], asked: Sequence[InstrumentSpec]) -> AsyncIterator[Any]:
    """The gateway's drivers of `asked` on the line on which `simulated` are."""
    async with simulate([LINE], simulated) as lines:
        made = build(lines, asked)["line"]
        task = asyncio.create_task(made.line.run())
        try:
            assert await made.line.wait_up(10)
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("other", "address"), [(HEAT, WATER_LIKE), (PLC, WRITE_LIKE)], ids=["cjt188", "modbus"])
async def test_two_protocols_are_asked_in_turn_without_a_pause(other: dict[str, Any], address: str) -> None:
    here = [instrument(METER | {"address": address}, WRITTEN), instrument(other, WRITTEN)]
    async with bus(here, here) as made:
        for _ in range(ROUNDS):
            for spec in here:
                sample = await made.drivers[spec.id].poll()
                assert sample.result == "ok", (spec.id, sample.why)


@pytest.mark.parametrize(("other", "address"), [(HEAT, WATER_LIKE), (PLC, WRITE_LIKE)], ids=["cjt188", "modbus"])
async def test_a_request_for_a_unit_that_is_not_there_makes_nobody_deaf(other: dict[str, Any], address: str) -> None:
    """It is given up after 20 ms, long before the simulated line counts as silent."""
    absent = instrument(METER | {"address": address, "timeout": "20ms", "settle": "0s"}, WRITTEN)
    here = instrument(other, WRITTEN)
    async with bus([here], [absent, here]) as made:
        for _ in range(ROUNDS):
            assert (await made.drivers["meter"].poll()).result == "timeout"
            sample = await made.drivers[here.id].poll()
            assert sample.result == "ok", sample.why
