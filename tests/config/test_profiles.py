"""Every profile is asked the same questions."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from drivers import catalogue
from drivers.contract import Heard, Request, Sample, Whole
from drivers.line.ear import Ear
from drivers.modbus.plan import plan_instrument
from drivers.modbus.source import MASKED, PLAIN, ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec, Point
from gateway.settings import Site, load
from gateway.settings.problem import Problem
from gateway.settings.profiles import Profile, load_profile
from gateway.settings.quantities import Vocabulary
from gateway.settings.site import quantities
from tests.config.limits import within_limits
from tests.config.loopback import Loopback
from tests.fakes.rows import Rows

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "profiles"
NAMES = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in sorted(FOLDER.glob("*/*.yaml"))]
WANTED = {
    "vapour_recovery/anysafe_al2", "vapour_recovery/pressure_a1", "boiler_cems/teledyne_t100", "water/ysi_odo",
    "water/ysi_iq_sensornet", "water/tuf_2000f",
}  # fmt: skip

SITE = """\
gateway: {{id: test}}
lines: {{line: {{serial: /dev/none, {serial}}}}}
instruments: [{{id: one, line: line, profile: {profile}, address: {address}}}]
"""


MODBUS = [name for name in NAMES if "\nprotocol: modbus\n" in (FOLDER / f"{name}.yaml").read_text("utf-8")]


@cache
def profile_of(name: str) -> Profile:
    problems: list[Problem] = []
    profile = load_profile(name, FOLDER / f"{name}.yaml", problems)
    assert not problems
    assert profile is not None
    return profile


@cache
def site_with(name: str) -> Site:
    """One instrument with this profile and nothing else, on the line it was made for."""
    keys = profile_of(name).keys
    serial = "baudrate: 19200"
    if keys.serial is not None:
        serial = ", ".join(f"{key}: {value}" for key, value in keys.serial.model_dump().items())
    address = json.dumps(1 if keys.address is None else keys.address)
    text = SITE.format(profile=name, address=address, serial=serial)
    if keys.protocol == "host":
        text = text.replace(f"serial: /dev/none, {serial}", "local: /")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(text, "utf-8")
        return load(path)


def spec_of(name: str) -> InstrumentSpec:
    return site_with(name).instruments[0]


def line_of(name: str) -> LineSpec:
    return site_with(name).lines["line"]


def resolved(name: str) -> tuple[tuple[Point, ...], ModbusOptions]:
    """Points and options of one Modbus instrument with this profile and nothing else."""
    spec = spec_of(name)
    assert isinstance(spec.options, ModbusOptions)
    return spec.points, spec.options


MODBUS = [name for name in NAMES if profile_of(name).keys.protocol == "modbus"]


def is_quantity(point: Point) -> bool:
    """Whether its value is a number that needs a unit."""
    kind, states = getattr(point, "type", ""), getattr(point, "states", None)
    return kind not in (*PLAIN, "text") and not states


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return quantities([ROOT / "config"], [])


def test_there_are_at_least_thirty_profiles_and_the_six_that_the_demo_needs() -> None:
    assert len(NAMES) >= 30
    assert set(NAMES) >= WANTED


@pytest.mark.parametrize("name", NAMES)
def test_it_makes_an_instrument_as_it_is(name: str) -> None:
    assert spec_of(name).points


@pytest.mark.parametrize("name", NAMES)
def test_each_point_has_its_evidence(name: str) -> None:
    """A page of the manual, or an honest word that there is none."""
    profile = profile_of(name)
    made = [(entry.get("page"), entry.get("confidence")) for entry in profile.points.values()]
    if profile.keys.confidence == "manual":
        bare = [id_ for id_, (page, sure) in zip(profile.points, made, strict=True) if page is None and sure is None]
        assert not bare
    else:
        assert any("manual" in source for source in profile.keys.sources), "say that no manual was seen"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_sure_is_said_and_can_be_changed(name: str) -> None:
    keys = profile_of(name).keys
    unsure = keys.confidence != "manual" or "inferred" in str(keys.points) or "general" in str(keys.points)
    assert keys.caveats or not unsure or keys.confidence == "general"


@pytest.mark.parametrize("name", NAMES)
def test_each_number_has_a_unit_or_says_who_gives_it(name: str) -> None:
    points = spec_of(name).points
    bare = [point.id for point in points if not point.unit and is_quantity(point) and point.quantity is None]
    if bare:
        assert any("site file" in caveat or "map" in caveat for caveat in profile_of(name).keys.caveats), bare


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_code_stands_with_its_own_unit(name: str, words: Vocabulary) -> None:
    units = {quantity.factor: quantity.unit for quantity in words.quantities.values() if quantity.factor}
    points = spec_of(name).points
    assert [point.id for point in points if point.factor and units[point.factor] != point.unit] == []


@pytest.mark.parametrize("name", MODBUS)
def test_no_two_points_read_the_same_thing(name: str) -> None:
    points, _ = resolved(name)
    read = [
        (point.table, point.address, point.bit, point.mask, point.type)
        for point in points
        if isinstance(point, ModbusPoint)
    ]
    assert len(read) == len(set(read))


@pytest.mark.parametrize("name", MODBUS)
def test_points_overlap_only_as_parts_of_one_register(name: str) -> None:
    points, _ = resolved(name)
    cells: dict[tuple[str, int], ModbusPoint] = {}
    for point in points:
        assert isinstance(point, ModbusPoint)
        for offset in range(point.count):
            other = cells.setdefault((point.table, point.address + offset), point)
            parts = other.type in MASKED and point.type in MASKED and (other.mask or other.bit is not None)
            assert other is point or parts, f"{other.id} and {point.id}"


@pytest.mark.parametrize("name", MODBUS)
def test_flag_rules_speak_of_points_that_are_there(name: str) -> None:
    spec = spec_of(name)
    ids = {point.id for point in spec.points}
    assert all(set(rule.points or ()) <= ids for rule in getattr(spec.options, "flags", ()))


@pytest.mark.parametrize("name", MODBUS)
def test_values_that_belong_together_fit_one_request(name: str) -> None:
    points, options = resolved(name)
    groups: dict[str, list[tuple[int, int]]] = {}
    for point in points:
        if isinstance(point, ModbusPoint) and point.together:
            groups.setdefault(point.together, []).append((point.address, point.address + point.count))
    for rule in options.flags:
        if rule.together and rule.address is not None:
            groups.setdefault(rule.together, []).append((rule.address, rule.address + 1))
    for group, spans in groups.items():
        width = max(end for _, end in spans) - min(start for start, _ in spans)
        assert width <= options.registers_per_request, group


@pytest.mark.parametrize("name", MODBUS)
def test_its_plan_keeps_the_limits(name: str) -> None:
    spec = spec_of(name)
    within_limits(spec, plan_instrument(spec, line_of(name)))


@pytest.mark.parametrize("name", NAMES)
def test_units_and_quantities_are_those_of_the_vocabulary(name: str, words: Vocabulary) -> None:
    for point in spec_of(name).points:
        assert point.unit is None or point.unit in words.units, point.id
        assert point.quantity is None or point.quantity in words.quantities, point.id


ASKED = [name for name in NAMES if profile_of(name).keys.protocol not in ("text", "hj212", "host")]
"""Profiles of protocols whose instruments only answer; the others speak unasked, or are this machine."""


@pytest.mark.parametrize("name", ASKED)
async def test_a_simulated_instrument_is_read_as_it_serves(name: str) -> None:
    """Encoder and decoder were written apart: an order, a scale or an offset that one of them gets wrong shows."""
    spec = spec_of(name)
    line = line_of(name)
    wired = Loopback(spec, line, at_s=1_764_040_000.0)
    sample = await catalogue.protocol(spec.protocol).driver(spec, wired, line).poll()
    assert sample.result == "ok"
    served = {point.id: wired.truth.served(spec.id, point.id) for point in spec.points}
    assert [name for name, answers in served.items() if not answers] == []
    assert dict(zip(served, sample.values, strict=True)) == {name: answers[-1][1] for name, answers in served.items()}


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ASKED)))
def test_what_speaks_unasked_brings_an_example_where_its_protocol_has_no_standard(name: str) -> None:
    keys = profile_of(name).keys
    assert keys.examples or keys.protocol in ("hj212", "host"), "tests/drivers/hj212 has the standard's, host no frames"


@pytest.mark.parametrize("name", NAMES)
def test_its_protocol_is_there(name: str) -> None:
    assert catalogue.protocol(profile_of(name).keys.protocol).point


class Replay(Rows):
    """A line on which one request gets one recorded answer."""

    name = "replay"
    in_flight = 1

    def __init__(self, request: bytes, reply: bytes) -> None:
        self._request, self._reply = request, reply

    async def exchange(self, request: Request) -> bytes:
        assert request.frame.hex(" ") == self._request.hex(" ")
        verdict = request.receive(self._reply)
        assert isinstance(verdict, Whole)
        return verdict.payload

    def ready_at(self, unit: object) -> float:
        return 0.0


def examples() -> list[tuple[str, int]]:
    return [(name, number) for name in NAMES for number in range(len(profile_of(name).keys.examples))]


@pytest.mark.parametrize(("name", "number"), examples())
async def test_it_asks_and_decodes_as_its_example_says(name: str, number: int) -> None:
    example = profile_of(name).keys.examples[number]
    spec = spec_of(name)
    protocol, line_spec = catalogue.protocol(spec.protocol), line_of(name)
    if spec.protocol not in ("text", "hj212"):
        # the example is of address 1, reads what it names and no status
        wanted = tuple(point for point in spec.points if point.id in example.values)
        assert spec.options is not None
        options = spec.options.model_copy(update={"flags": ()})
        spec = spec.model_copy(update={"points": wanted, "options": options, "address": 1})
    if example.heard is not None:
        sample = heard(spec, line_spec, bytes.fromhex(example.heard))
    else:
        assert example.request is not None
        assert example.reply is not None
        line = Replay(bytes.fromhex(example.request), bytes.fromhex(example.reply))
        sample = await protocol.driver(spec, line, line_spec).poll()
    assert sample.result == "ok"
    got = dict(zip((point.id for point in spec.points), sample.values, strict=True))
    assert {id_: got[id_] for id_ in example.values} == {
        id_: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        for id_, value in example.values.items()
    }


def heard(spec: InstrumentSpec, line: LineSpec, data: bytes) -> Sample:
    """The last sample of what this instrument says unasked."""
    make = catalogue.protocol(spec.protocol).hearing
    assert make is not None
    hearing = make([spec], line)
    faults: Counter[str] = Counter()
    said: list[Heard] = []
    ear = Ear(hearing, faults, said.append, lambda reply: None)
    ear.add(data)
    while ear.work(1):
        pass
    samples = [one.sample for one in said if one.sample is not None]
    return samples[-1]


def test_some_profiles_bring_examples() -> None:
    assert len(examples()) >= 2
