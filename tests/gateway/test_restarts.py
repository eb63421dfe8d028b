"""What the steps know of before a kill: nothing of it is told twice, forgotten, or taken for longer than it was."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.contract import Flag, Sample, Value
from gateway.domain.steps import StepKeys
from gateway.pipeline.pipeline import Pipeline
from tests.fakes.life import life
from tests.fakes.log import TurnedClock, body, everything, opened, running
from tests.fakes.log import events as events_of

SITE = """
gateway: {id: plant-1}
lines:
  plc: {tcp: "127.0.0.1:502"}
instruments:
  - id: plc
    line: plc
    protocol: modbus
    address: 1
    every: 1s
    points:
      - {id: cod, table: holding, address: 0, type: uint16}
      - {id: flow, table: holding, address: 1, type: uint16}
    steps:
      limits: [{point: flow, above: 10, delay: 3s}]
derived:
  - {id: outlet, from: {cod: plc/cod, flow: plc/flow}, hold: {cod: 1h},
     points: [{id: load, value: "cod * flow"}]}
"""


class Plant:
    """Lives of one gateway on one log, each killed after its last commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = TurnedClock()

    async def lives(self, *polls: tuple[Value, Value], keep: bool = False) -> None:
        """One life with these polls, a second apart; `keep`: the state is kept after the first."""
        async with life(self._folder, self.clock, SITE, close=False) as one:
            for number, values in enumerate(polls):
                missing = {at: Flag.COMMUNICATION for at, value in enumerate(values) if value is None}
                sample = Sample(values, missing, dict.fromkeys(missing, "timeout: no answer in 1 s"))
                await one.poll(("cod", "flow"), sample, keep and number == 0)

    async def told(self) -> tuple[list[Any], list[dict[str, Any]]]:
        """Loads, and events of the steps."""
        async with running(await opened(self._folder / "log.db", self.clock, ())) as log:
            batches = await everything(log)
        loads = [
            sample["values"]["load"]
            for batch in batches
            for sample in body(batch)["samples"]
            if sample["instrument"] == "outlet"
        ]
        kinds = ("limit.exceeded", "limit.cleared")
        return loads, [event for kind in kinds for event in events_of(batches, kind)]


async def test_held_result_serves_on_after_a_kill(tmp_path: Path) -> None:
    """The analyser does not answer after the start; its result of before serves, as it says (`hold: 1h`)."""
    plant = Plant(tmp_path)
    await plant.lives((40, 5), keep=True)
    await plant.lives((None, 6), (None, 7))
    assert (await plant.told())[0] == [200, 240, 280]


async def test_result_that_came_after_the_state_was_kept_serves_on_after_a_kill(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    await plant.lives((40, 5), (50, 5), (None, 5), keep=True)
    await plant.lives((None, 6))
    loads, _ = await plant.told()
    assert loads == [200, 250, 250, 300]


async def test_held_result_is_not_held_for_longer_than_it_says_across_a_kill(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    await plant.lives((40, 5), keep=True)
    plant.clock.turn(3598)
    await plant.lives((None, 6), (None, 6), (None, 6))
    assert (await plant.told())[0] == [200, 240, 240, None]


async def test_delay_of_a_limit_goes_on_across_a_kill(tmp_path: Path) -> None:
    """Beyond since the second poll, which no kept state knows: told three seconds later, with that beginning."""
    plant = Plant(tmp_path)
    began_ms = plant.clock.now_ms() + 1000
    await plant.lives((1, 5), (1, 20), (1, 20), keep=True)
    await plant.lives((1, 20), (1, 20))
    (event,) = (await plant.told())[1]
    assert (event["kind"], event["ts"], event["data"]["since"]) == ("limit.exceeded", began_ms + 3000, began_ms)


async def test_good_value_before_a_kill_ends_the_delay(tmp_path: Path) -> None:
    """The kept state says "beyond since the first poll"; the third one was good."""
    plant = Plant(tmp_path)
    await plant.lives((1, 20), (1, 20), (1, 5), keep=True)
    await plant.lives((1, 20), (1, 20))
    assert (await plant.told())[1] == []


async def test_what_was_told_before_a_kill_is_not_told_again(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    await plant.lives((1, 20), (1, 20), (1, 20), (1, 20), (1, 20), keep=True)
    await plant.lives((1, 20), (1, 5))
    kinds = [event["kind"] for event in (await plant.told())[1]]
    assert kinds == ["limit.exceeded", "limit.cleared"]


def test_batch_of_an_older_configuration_is_looked_through_as_far_as_it_goes() -> None:
    """The state of the analyser is read only since the configuration was changed, and the gateway killed, at once."""
    keys = StepKeys.model_validate({"batch": {"points": ["cod"], "state": "state", "measuring": [1]}})
    pipeline = Pipeline(ZoneInfo("UTC"), {}, {"plc": keys})
    rows = [{"cod": 40}, {"cod": 40, "state": 1}, {"cod": 41, "state": 0}]
    samples = [
        {"instrument": "plc", "ts": at, "lag": 0, "values": row, "flags": {}, "why": {}} for at, row in enumerate(rows)
    ]
    (event,) = pipeline.repeat_body({"samples": samples, "windows": []}, 9)
    assert (event.kind, event.data["values"]) == ("batch.result", {"cod": 41})
