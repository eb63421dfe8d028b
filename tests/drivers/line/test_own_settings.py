"""Instruments of several protocols and serial settings on one line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from drivers import catalogue
from drivers.airtime import switch_s
from drivers.contract import Request, Whole
from drivers.line import FieldLine
from drivers.line.own_settings import OwnSettings
from drivers.profile import LineSpec, line_for
from drivers.simulator import simulate
from gateway.fieldbus import build
from gateway.settings import load
from gateway.settings.problem import SettingsError
from tests.fakes import virtual_time
from tests.fakes.meters import instrument, values

SLOW = LineSpec(name="bus", kind="serial", path="/dev/none", baudrate=9600, timeout_s=1.0)
FAST = SLOW.model_copy(update={"baudrate": 2400, "parity": "even"})


class Port:
    """A serial port that answers every byte with itself, and writes down settings and bytes with their times."""

    def __init__(self) -> None:
        self.done: list[tuple[float, str]] = []

    async def open(self, spec: LineSpec, received: Any, lost: Any) -> "Port":
        self.received, self.lost = received, lost
        self.done.append((asyncio.get_running_loop().time(), f"open {spec.baudrate}"))
        return self

    def set_up(self, spec: LineSpec) -> None:
        self.done.append((asyncio.get_running_loop().time(), f"{spec.baudrate} {spec.parity}"))

    def write(self, data: bytes) -> None:
        self.done.append((asyncio.get_running_loop().time(), data.decode()))
        asyncio.get_running_loop().call_later(0.01, self.received, data.upper())

    def close(self) -> None:
        pass


def ask(letter: str) -> Request:
    return Request(letter, letter.encode(), lambda data: Whole(1, bytes(data)) if data else None, 1.0)


def test_the_port_is_switched_only_when_another_has_used_it_and_the_gap_begins_anew() -> None:
    async def main() -> list[tuple[float, str]]:
        port = Port()
        line = FieldLine(SLOW, port.open)
        task = asyncio.create_task(line.run())
        await line.wait_up(1)
        first, second = OwnSettings(line, SLOW), OwnSettings(line, FAST)
        for seen, letter in ((first, "a"), (second, "b"), (second, "c"), (first, "d")):
            assert await seen.exchange(ask(letter)) == letter.upper().encode()
        port.lost("pulled out")
        while not line.up:
            await asyncio.sleep(0.1)
        await second.exchange(ask("e"))
        task.cancel()
        return port.done

    done = virtual_time.run(main())
    assert [what for _, what in done] == [
        "open 9600", "a", "2400 even", "b", "c", "9600 none", "d", "open 9600", "2400 even", "e",
    ]  # fmt: skip
    at = {what: when for when, what in done}
    assert at["b"] - at["a"] >= 0.0099 + 3.5 * 11 / 2400
    assert at["d"] - at["c"] >= 0.0099 + 3.5 * 11 / 9600


MODBUS = {"id": "plc", "protocol": "modbus", "address": 1, "points": [
    {"id": "a", "table": "holding", "address": 0, "type": "uint16"}]}  # fmt: skip
METER = {"id": "meter", "profile": "energy/dlt645_single_phase", "address": 7, "timeout": "2s"}


@pytest.mark.parametrize("switched", [True, False])
async def test_modbus_and_dlt645_share_one_line_each_at_its_own_rate(switched: bool) -> None:
    written = "{serial: /dev/none, baudrate: 9600}"  # a pseudo-terminal has no parity
    line_spec = SLOW.model_copy(update={"name": "line"})
    plc, real = instrument(MODBUS, written), instrument({**METER, "serial": {"baudrate": 1200}}, written)
    meter = real if switched else instrument(METER, written)
    async with simulate([line_spec], [plc, real]) as lines:
        bus = build(lines, [plc, meter])["line"]
        task = asyncio.create_task(bus.line.run())
        assert await bus.line.wait_up(10)
        try:
            for _ in range(2):
                assert (await bus.drivers["plc"].poll()).result == "ok"
                sample = await bus.drivers["meter"].poll()
                if not switched:  # the meter hears nonsense at another rate: what the switch is for
                    assert sample.result == "timeout"
                    return
                assert sample.result == "ok"
                assert values(meter, sample)["voltage"] is not None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_settings_that_are_the_lines_own_are_no_switch() -> None:
    line = "{serial: /dev/none, baudrate: 2400, parity: even}"
    assert instrument({**METER, "serial": {"baudrate": 2400}}, line).serial is None
    own = instrument({**METER, "serial": {"baudrate": 9600}}, line).serial
    assert own is not None
    assert (own.baudrate, own.parity, own.stopbits) == (9600, "even", 1)


def test_serial_settings_on_a_network_line_are_refused() -> None:
    with pytest.raises(SettingsError, match="has serial settings, line line is a tcp line"):
        instrument({**METER, "serial": {"baudrate": 2400}}, '{tcp: "192.0.2.1:4001"}')


def test_the_wire_time_is_that_of_the_instruments_own_rate_and_counts_the_switch(tmp_path: Path) -> None:
    line = "{serial: /dev/none, baudrate: 115200}"
    own = instrument({**METER, "serial": {"baudrate": 1200}}, line)
    settings = line_for(own, SLOW.model_copy(update={"baudrate": 115200}))
    wire_s = catalogue.protocol("dlt645").wire_s
    assert wire_s is not None
    alone_s, switching_s = wire_s(own, settings), switch_s(settings)
    assert switching_s > 0.03  # 10 ms for the port, 3.5 characters of quiet

    def every(period_s: float, shared: bool = True, **keys: Any) -> None:
        one = {**METER, "line": "line", "every": f"{period_s * 1000:.0f}ms", **keys}
        other = {**METER, "id": "other", "line": "line", "address": "000000000002", "every": "1h"}
        file = tmp_path / "site.yaml"
        instruments = json.dumps([one, other] if shared else [one])
        file.write_text(f"gateway: {{id: t}}\nlines: {{line: {line}}}\ninstruments: {instruments}\n", "utf-8")
        load(file)

    every(alone_s / 2)
    every(alone_s + switching_s + 0.002, serial={"baudrate": 1200})
    every(alone_s + switching_s / 2, shared=False, serial={"baudrate": 1200})  # nobody switches the port back
    with pytest.raises(SettingsError, match="its bytes alone take"):
        every(alone_s + switching_s / 2, serial={"baudrate": 1200})
