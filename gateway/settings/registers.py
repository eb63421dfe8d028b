"""What only Modbus knows: unit addresses, registers that two instruments read differently."""

from collections.abc import Sequence
from dataclasses import replace

from drivers.modbus.source import MASKED, ModbusOptions, ModbusPoint
from drivers.profile import InstrumentSpec, LineSpec
from gateway.settings.document import Node
from gateway.settings.placed import Placed, PlacedPoint
from gateway.settings.problem import Problem

HIGHEST_UNIT = 247
"""Modbus over serial line V1.02 §2.2; 248 to 255 are reserved, 0 is the broadcast that nobody answers."""
HIGHEST_UNIT_TCP = 255
"""Modbus messaging on TCP/IP V1.0b §4.4.2.2: 0 and 255 address the server itself."""


def address(spec: InstrumentSpec, line: LineSpec, node: Node, problems: list[Problem]) -> None:
    """A unit address that no unit can have."""
    place = node.get("address") or node
    numbered = line.kind != "serial" and line.framing in (None, "tcp")
    lowest, highest = (0, HIGHEST_UNIT_TCP) if numbered else (1, HIGHEST_UNIT)
    if not isinstance(spec.address, int) or not lowest <= spec.address <= highest:
        advice = f"a Modbus unit on this line has {lowest} to {highest}"
        problems.append(place.problem(f"address of instrument {spec.id} is {spec.address!r}", advice))


_TAGS = {"holding": range(40001, 50000), "input": range(30001, 40000), "discrete": range(10001, 20000)}
"""The tags by which manuals name the first 9999 of a table."""


def tags(placed: Placed, problems: list[Problem]) -> None:
    """An address that looks like the tag of a manual, which is another number on the wire; once for an instrument."""
    for name, entry in placed.points.items():
        point = entry.point
        assert isinstance(point, ModbusPoint)
        tag = point.address
        if point.modicon is None and tag in _TAGS.get(point.table, ()):
            place = entry.node.get("address") or entry.node
            meant = tag - _TAGS[point.table].start
            found = place.problem(
                f"address {tag} of point {name} of instrument {placed.spec.id} looks like the tag of a manual, "
                f"which is {point.table} address {meant} on the wire",
                f"if so, write `modicon: {tag}` instead of table and address, or `address: {meant}`",
                "warning",
            )
            right = f"`modicon: {tag}` 或 `address: {meant}`"
            zh = f"{tag} 像是手册中的 Modicon 编号，线上地址是 {meant}；若是，请写 {right}"
            problems.append(replace(found, zh=zh))
            return


def clashes(instruments: Sequence[Placed], problems: list[Problem]) -> None:
    """Two instruments that are one, or that give one register of one unit two meanings."""
    units: dict[tuple[str, int | str], list[Placed]] = {}
    for placed in instruments:
        others = units.setdefault((placed.spec.line, placed.spec.address), [])
        for other in others:
            _compare(other, placed, problems)
        others.append(placed)


def _compare(first: Placed, second: Placed, problems: list[Problem]) -> None:
    where = f"unit {second.spec.address} of line {second.spec.line}"
    place = second.node.get("address") or second.node
    known = {_registers(entry, first): (name, entry) for name, entry in first.points.items()}
    if all(_registers(entry, second) in known for entry in second.points.values()):
        message = f"instrument {second.spec.id} is {where} again, like {first.spec.id}"
        problems.append(place.problem(message, "give it its own address, or remove it"))
        return
    taken = {register: found for cells, found in known.items() for register in _cells(cells)}
    for name, entry in second.points.items():
        mine = _registers(entry, second)
        found = next((taken[register] for register in _cells(mine) if register in taken), None)
        if found is not None and _registers(found[1], first) != mine:
            message = f"{name} and {found[0]} of instrument {first.spec.id} read one register of {where} differently"
            problems.append(entry.node.problem(message, "one of the two addresses or types is wrong"))


Registers = tuple[str, int, int, str, str]


def _registers(entry: PlacedPoint, owner: Placed) -> Registers:
    """What is read and how: table, first address, count, how the bits count, order of the bytes."""
    point = entry.point
    options = owner.spec.options
    assert isinstance(point, ModbusPoint)
    assert isinstance(options, ModbusOptions)
    kind = "unsigned" if point.type in MASKED else point.type
    order = point.order or (options.order if point.count > 1 else "")
    return (point.table, point.address, point.count, kind, order)


def _cells(registers: Registers) -> list[tuple[str, int]]:
    table, first, count, _, _ = registers
    return [(table, first + offset) for offset in range(count)]
