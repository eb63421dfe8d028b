"""What stands between pollers and log, over a real log: nothing that fails here may cost a reading."""

from pathlib import Path
from typing import Any

from drivers.contract import Sample
from gateway.accounts import Accounts
from gateway.reading import Reading
from gateway.settings import load
from tests.fakes.log import TurnedClock, body, committed, events, everything, opened, running

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
    (tmp_path / "site.yaml").write_text(SITE)
    clock = TurnedClock()
    async with running(await opened(tmp_path / "log.db", clock, ())) as log:
        accounts = Accounts(load(tmp_path / "site.yaml"), log, clock)
        await accounts.take_up()

        async def polled(points: tuple[str, ...]) -> None:
            sample = Sample((7,) * len(points))
            accounts.emit(Reading("plc", points, clock.now_ms(), 0, sample, clock.monotonic()))
            await committed(log)
            clock.turn(1)

        await polled(("a", "b"))
        for _ in range(3):
            await polled(("elsewhere",))  # what a driver with a mistake would hand on
        await polled(("a", "b"))
        batches = await everything(log)
    samples: list[dict[str, Any]] = [sample for batch in batches for sample in body(batch)["samples"]]
    assert [sample["values"] for sample in samples if sample["instrument"] == "plc"] == [
        {"a": 7, "b": 7}, *[{"elsewhere": 7}] * 3, {"a": 7, "b": 7},
    ]  # fmt: skip
    assert [sample["values"] for sample in samples if sample["instrument"] == "double"] == [{"twice": 14}] * 2
    (failed,) = events(batches, "pipeline.failed")
    assert failed["instrument"] == "plc"


async def test_fuelling_of_the_feed_is_kept_with_the_state_that_knows_it(tmp_path: Path) -> None:
    """Killed right after the commit of the event: the same record is not told again."""
    (tmp_path / "site.yaml").write_text(SITE)
    clock = TurnedClock()

    async def life(*counts: int) -> None:
        async with running(await opened(tmp_path / "log.db", clock, ()), close=False) as log:
            accounts = Accounts(load(tmp_path / "site.yaml"), log, clock)
            await accounts.take_up()
            for count in counts:
                sample = Sample((count, count))
                accounts.emit(Reading("plc", ("a", "b"), clock.now_ms(), 0, sample, clock.monotonic()))
                await committed(log)
                clock.turn(1)

    await life(20, 30)
    await life(30, 40)
    async with running(await opened(tmp_path / "log.db", clock, ())) as log:
        told = events(await everything(log), "vapour.fuelling")
    assert [event["data"]["fuel"] for event in told] == [30, 40]
