"""What stands between pollers and log, over a real log: nothing that fails here may cost a reading."""

from pathlib import Path
from typing import Any

from drivers.contract import Sample
from tests.fakes.life import life
from tests.fakes.log import TurnedClock, body, events, everything, opened, running

SITE = """\
gateway: {id: test-1, timezone: Asia/Shanghai}
lines: {plc: {tcp: "192.0.2.1:502"}}
instruments:
  - id: plc
    line: plc
    protocol: modbus
    address: 1
    every: 1s
    points:
      - {id: a, table: holding, address: 0, type: uint16}
      - {id: b, table: holding, address: 1, type: uint16}
derived:
  - {id: double, from: {a: plc/a}, points: [{id: twice, value: "a * 2"}]}
vapour_recovery:
  nozzles: [{nozzle: "1", fuel: plc/a, vapour: plc/b}]
"""


async def test_step_that_fails_costs_no_reading_and_is_told_once(tmp_path: Path) -> None:
    async with life(tmp_path, TurnedClock(), SITE) as one:
        await one.poll(("a", "b"), Sample((7, 7)))
        for _ in range(3):
            await one.poll(("elsewhere",), Sample((7,)))  # what a driver with a mistake would hand on
        await one.poll(("a", "b"), Sample((7, 7)))
        batches = await everything(one.log)
    samples: list[dict[str, Any]] = [sample for batch in batches for sample in body(batch)["samples"]]
    assert [sample["values"] for sample in samples if sample["instrument"] == "plc"] == [
        {"a": 7, "b": 7}, *[{"elsewhere": 7}] * 3, {"a": 7, "b": 7},
    ]  # fmt: skip
    assert [sample["values"] for sample in samples if sample["instrument"] == "double"] == [{"twice": 14}] * 2
    (failed,) = events(batches, "pipeline.failed")
    assert failed["instrument"] == "plc"


async def test_fuelling_of_the_feed_is_kept_with_the_state_that_knows_it(tmp_path: Path) -> None:
    """Killed right after the commit of the event: the same record is not told again."""
    clock = TurnedClock()
    for counts in ((20, 30), (30, 40)):
        async with life(tmp_path, clock, SITE, close=False) as one:
            for count in counts:
                await one.poll(("a", "b"), Sample((count, count)))
    async with running(await opened(tmp_path / "log.db", clock, ())) as log:
        told = events(await everything(log), "vapour.fuelling")
    assert [event["data"]["fuel"] for event in told] == [30, 40]
