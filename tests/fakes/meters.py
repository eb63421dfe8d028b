"""What the tests of the protocols beside Modbus share: instruments from a few lines, and lines made of functions."""

import json
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from drivers import catalogue
from drivers.contract import Driver, Flag, Request, Sample, Skip, Value, Whole
from drivers.errors import NoReply
from drivers.profile import InstrumentSpec, LineSpec
from drivers.simulator.behaviour import Behaviour
from gateway.settings import load

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "config" / "profiles"
SERIAL = LineSpec(name="line", kind="serial", path="/dev/none", baudrate=2400, parity="even", timeout_s=1.0)
FULLEST: Mapping[str, str] = {
    "dlt645": "energy/dlt645_three_phase",
    "cjt188": "heat/cjt188_heat_meter",
    "mbus": "heat/mbus_heat_meter",
    "sdi12": "water/sdi12_water_probe",
    "bayern_hessen": "air/acoem_serinus40",
    "veeder_root": "vapour_recovery/veeder_root_tls350",
}
"""Protocol -> the shipped profile that has most to say."""
ADDRESSES: Mapping[str, int | str] = {
    "dlt645": "000000000001",
    "cjt188": "00000000000001",
    "mbus": 5,
    "sdi12": "3",
    "bayern_hessen": "any",
    "veeder_root": 0,
}


def instrument(
    keys: Mapping[str, Any], line: str = "{serial: /dev/none, baudrate: 2400, parity: even}"
) -> InstrumentSpec:
    """An instrument as a site file has it (`id`, `line` and `every` may be left out). Raises SettingsError."""
    entry = {"id": "one", "line": "line", "every": "5s", **keys}
    text = f"gateway: {{id: test}}\nlines: {{line: {line}}}\ninstruments: [{json.dumps(entry)}]\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(text, "utf-8")
        return load(path).instruments[0]


class FunctionLine:
    """A line on which a function says what comes in after each request; without an answer it times out at once."""

    name = "line"
    in_flight = 1
    generation = 1

    def __init__(self, reply: Callable[[bytes], bytes], *, byte_by_byte: bool = False) -> None:
        self._reply = reply
        self._byte_by_byte = byte_by_byte
        self.asked: list[bytes] = []
        self.skipped: list[str] = []

    async def exchange(self, request: Request) -> bytes:
        self.asked.append(request.frame)
        coming = self._reply(request.frame)
        held = bytearray()
        pieces = [coming[at : at + 1] for at in range(len(coming))] if self._byte_by_byte else [coming]
        for piece in pieces:
            held += piece
            while held:
                verdict = request.receive(held)
                if verdict is None:
                    break
                if isinstance(verdict, Whole):
                    assert 0 < verdict.end <= len(held)
                    return verdict.payload
                assert isinstance(verdict, Skip)
                assert 0 < verdict.upto <= len(held)
                self.skipped.append(verdict.fault)
                del held[: verdict.upto]
        raise NoReply(f"no answer in {request.timeout_s:.1f} s")

    def ready_at(self, unit: object) -> float:
        return 0.0


def made(spec: InstrumentSpec, line: Any) -> Driver:
    """Its driver."""
    return catalogue.protocol(spec.protocol).driver(spec, line, SERIAL)


def at_once(poll: Coroutine[Any, Any, Sample]) -> Sample:
    """Run a poll on a FunctionLine, which never waits."""
    try:
        poll.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("the driver waited for something else than its line")


def polled(spec: InstrumentSpec, reply: Callable[[bytes], bytes], *, byte_by_byte: bool = False) -> Sample:
    """One poll."""
    return at_once(made(spec, FunctionLine(reply, byte_by_byte=byte_by_byte)).poll())


def values(spec: InstrumentSpec, sample: Sample) -> dict[str, Value]:
    """The sample by point."""
    return dict(zip((point.id for point in spec.points), sample.values, strict=True))


def whole(sample: Sample) -> None:
    """What every sample must be: a reason for each null, a flag for each reason."""
    assert set(sample.flags) == set(sample.why)
    for index, value in enumerate(sample.values):
        assert value is not None or (index in sample.flags and sample.flags[index] is not Flag.NORMAL), index
        assert isinstance(value, (bool, int, float, str, type(None)))


class Counting:
    """A behaviour whose every look is different, so that a value tells which answer it came from."""

    def __init__(self, count: int, first: int = 1) -> None:
        self._count = count
        self.looks = first

    def at(self, t_s: float) -> tuple[Value, ...]:
        self.looks += 1
        return (self.looks,) * self._count


def fixed(spec: InstrumentSpec, shown: Mapping[str, Value]) -> Behaviour:
    """A behaviour that shows the same for ever; points that are not named show 0."""

    def always(value: Value) -> Callable[[float], Value]:
        return lambda t_s: value

    return Behaviour(tuple(always(shown.get(point.id, 0)) for point in spec.points), lambda t_s: Flag.NORMAL)
