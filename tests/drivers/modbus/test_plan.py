"""Plans: worked ones, and for any points that all are covered within every limit by the fewest reads."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.plan import Block, plan, plan_instrument
from drivers.modbus.source import ModbusOptions, ModbusPoint
from drivers.modbus.wire import Wire
from drivers.profile import InstrumentSpec, LineSpec

NETWORK = Wire(0.0, 0.0, False)
SERIAL = Wire(10 / 9600, 35 / 9600, False)


def point(address: int, kind: str = "uint16", **keys: Any) -> ModbusPoint:
    return ModbusPoint.model_validate(
        {"id": f"p{address}", "table": "holding", "address": address, "type": kind} | keys
    )


def spans(blocks: tuple[Block, ...]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


def made(
    points: list[ModbusPoint], wire: Wire = NETWORK, timeout_s: float = 1.0, **options: Any
) -> list[tuple[int, int]]:
    return spans(plan(points, ModbusOptions.model_validate(options), wire, timeout_s))


def test_near_points_come_in_one_read_and_far_ones_in_two() -> None:
    assert made([point(0), point(10), point(27), point(200)]) == [(0, 28), (200, 1)]
    assert made([point(0), point(10), point(28)], gap=16) == [(0, 11), (28, 1)]


def test_fewest_registers_decide_between_plans_of_as_many_reads() -> None:
    """Three reads are needed either way; the plan leaves out the wider of the two gaps."""
    points = [point(0), point(4), point(10)]
    assert made(points, registers_per_request=7) == [(0, 5), (10, 1)]
    assert made(points, registers_per_request=10) == [(0, 5), (10, 1)]


def test_tables_are_never_mixed() -> None:
    points = [point(0), point(1, table="input"), point(2, None, table="coil"), point(3, None, table="discrete")]
    blocks = plan([p.model_copy(update={"id": str(at)}) for at, p in enumerate(points)], ModbusOptions(), NETWORK, 1.0)
    assert [(block.table, block.function) for block in blocks] == [
        ("coil", 1), ("discrete", 2), ("holding", 3), ("input", 4),
    ]  # fmt: skip


def test_function_can_be_another() -> None:
    blocks = plan([point(0, table="input")], ModbusOptions(functions={"input": 3}), NETWORK, 1.0)
    assert blocks[0].function == 3


def test_even_start_rounds_start_and_count() -> None:
    assert made([point(1), point(4)], even_start=True) == [(0, 6)]
    assert made([point(1, "float32"), point(60, "float32")], even_start=True, gap=0) == [(0, 4), (60, 2)]


def test_forbidden_registers_are_never_crossed() -> None:
    forbidden = [{"table": "holding", "address": 5, "count": 2}]
    assert made([point(3), point(4), point(7), point(8)], forbidden=forbidden) == [(3, 2), (7, 2)]
    with pytest.raises(ValueError, match="p6: holding 6 touches what is forbidden"):
        made([point(6)], forbidden=forbidden)


def test_together_holds_against_every_other_wish() -> None:
    points = [point(0, together="a"), point(30, together="a"), point(31)]
    assert made(points, gap=0, one_request_per_point=True) == [(0, 31), (31, 1)]
    with pytest.raises(ValueError, match=r"p0, p30: one read of 31 is needed.*allow 30"):
        made(points, registers_per_request=30)
    with pytest.raises(ValueError, match="together: a spans the tables holding and input"):
        made([point(0, together="a"), point(30, together="a", table="input")])


def test_one_request_per_point_still_reads_a_register_once() -> None:
    points = [point(0, "bits", id="a", bit=0), point(0, "bits", id="b", bit=1), point(1)]
    assert made(points, one_request_per_point=True) == [(0, 1), (1, 1)]


def test_serial_gap_is_left_out_when_it_takes_longer_than_another_request() -> None:
    points = [point(0), point(17)]
    assert made(points, SERIAL, response="1ms") == [(0, 1), (17, 1)]  # 16 registers take 33 ms, a request 18 ms
    assert made(points, SERIAL, response="50ms") == [(0, 18)]


def test_slice_bounds_how_long_one_read_holds_the_line() -> None:
    points = [point(address) for address in range(100)]
    blocks = plan(points, ModbusOptions.model_validate({"slice": "100ms", "response": "10ms"}), SERIAL, 1.0)
    assert len(blocks) > 1
    assert all(SERIAL.exchange_s(block.data_bytes, 0.01) <= 0.1 for block in blocks)


def test_answer_never_takes_longer_than_the_timeout() -> None:
    points = [point(address) for address in range(100)]
    slow = Wire(11 / 1200, 38.5 / 1200, False)
    blocks = plan(points, ModbusOptions(), slow, 1.0)
    assert all(slow.reply_s(block.data_bytes, 0.02) < 1.0 for block in blocks)
    with pytest.raises(ValueError, match="instrument, line and timeout allow"):
        plan([point(0, "string", length=100)], ModbusOptions(), slow, 1.0)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)p6.*p9") as refused:
        made([point(6), point(9)], forbidden=[{"table": "holding", "address": 0, "count": 100}])
    assert len(str(refused.value).splitlines()) == 2


def test_statuses_are_read_behind_the_points() -> None:
    spec = InstrumentSpec(
        id="i", line="l", protocol="modbus", profile=None, address=1, every_s=1, timeout_s=1, points=(point(34),),
        options=ModbusOptions.model_validate({"flags": [{"table": "discrete", "address": 15, "flag": "D"}]}),
    )  # fmt: skip
    made = plan_instrument(spec, LineSpec(name="l", kind="tcp"))
    assert [block.words for block in made.blocks] == ["discrete 15", "holding 34"]
    assert [point.id for point in made.points] == ["p34", "status.0"]


POINTS = st.lists(
    st.builds(
        lambda address, kind, group: point(address, kind, together=group),
        st.integers(0, 400),
        st.sampled_from(["uint16", "float32", "float64"]),
        st.sampled_from([None, None, None, "a", "b"]),
    ),
    min_size=1,
    max_size=25,
)
OPTIONS = st.fixed_dictionaries(
    {
        "registers_per_request": st.sampled_from([4, 10, 64, 125]),
        "gap": st.sampled_from([0, 1, 16, 124]),
        "even_start": st.booleans(),
        "one_request_per_point": st.booleans(),
        "forbidden": st.lists(
            st.builds(lambda first, count: {"table": "holding", "address": first, "count": count},
                      st.integers(0, 400), st.integers(1, 5)), max_size=3,
        ),
    }
)  # fmt: skip


@given(POINTS, OPTIONS, st.sampled_from([NETWORK, SERIAL]))
def test_any_plan_covers_every_point_once_within_every_limit(
    points: list[ModbusPoint], keys: dict[str, Any], wire: Wire
) -> None:
    options = ModbusOptions.model_validate(keys)
    try:
        blocks = plan(points, options, wire, 1.0)
    except ValueError:
        return
    members = sorted(member for block in blocks for member in block.members)
    assert members == list(range(len(points)))
    for block in blocks:
        end = block.address + block.count
        assert block.count <= options.registers_per_request
        for member in block.members:
            assert block.address <= points[member].address
            assert points[member].address + points[member].count <= end
        for one in options.forbidden:
            assert end <= one.address or one.address + one.count <= block.address
        if options.even_start:
            assert block.address % 2 == block.count % 2 == 0
        gaps = pairwise(block.atoms)
        assert all(later.start - earlier.end <= options.gap for earlier, later in gaps)
    for group in ("a", "b"):
        wanted = {index for index, one in enumerate(points) if one.together == group}
        assert any(wanted <= set(block.members) for block in blocks)


@given(
    st.lists(st.integers(0, 120), min_size=1, max_size=9, unique=True), st.sampled_from([4, 9, 30]), st.integers(0, 20)
)
def test_no_other_cutting_needs_fewer_reads_or_as_many_with_fewer_registers(
    addresses: list[int], most: int, gap: int
) -> None:
    addresses.sort()
    found = made([point(address) for address in addresses], registers_per_request=most, gap=gap)
    best = min(costs(addresses, most, gap))
    assert (len(found), sum(count for _, count in found)) == best


def costs(addresses: list[int], most: int, gap: int) -> list[tuple[int, int]]:
    """Reads and registers of every possible way to cut, by trying all."""
    if not addresses:
        return [(0, 0)]
    found = []
    for size in range(1, len(addresses) + 1):
        part = addresses[:size]
        if part[-1] - part[0] + 1 > most or any(b - a - 1 > gap for a, b in pairwise(part)):
            break
        rest = costs(addresses[size:], most, gap)
        found += [(reads + 1, registers + part[-1] - part[0] + 1) for reads, registers in rest]
    return found


def test_thousand_points_are_planned_quickly() -> None:
    assert (
        len(made([point(address, id=f"p{address}") for address in range(0, 20000, 20)], gap=124)) == 143
    )  # seven points in 121 registers each
