"""What a plan must keep: a guard's questions to one instrument's plan, asked of profiles and of sites."""

from drivers.modbus.plan import Plan
from drivers.modbus.source import BIT_TABLES
from drivers.profile import InstrumentSpec

MOST_REGISTERS, MOST_BITS = 125, 2000
"""In one read (Modbus Application Protocol V1.1b3 §6.1 to §6.4)."""


def within_limits(spec: InstrumentSpec, plan: Plan) -> None:
    """Every read within the standard's and the profile's limits, each point in one, nothing forbidden touched."""
    covered: list[int] = []
    for block in plan.blocks:
        bits = block.table in BIT_TABLES
        most = min(MOST_BITS, plan.options.coils_per_request) if bits else min(
            MOST_REGISTERS, plan.options.registers_per_request
        )  # fmt: skip
        assert 1 <= block.count <= most, f"{spec.id}: {block.words}"
        assert block.address + block.count <= 65_536, f"{spec.id}: {block.words}"
        if plan.options.even_start and not bits:
            assert block.address % 2 == block.count % 2 == 0, f"{spec.id}: {block.words}"
        for range_ in plan.options.forbidden:
            apart = block.address + block.count <= range_.address or range_.address + range_.count <= block.address
            assert range_.table != block.table or apart, f"{spec.id}: {block.words} touches what is forbidden"
        for member in block.members:
            point = plan.points[member]
            assert point.table == block.table
            assert block.address <= point.address
            assert point.address + point.count <= block.address + block.count
        covered += block.members
    assert sorted(covered) == list(range(len(plan.points))), f"{spec.id}: each point once"
