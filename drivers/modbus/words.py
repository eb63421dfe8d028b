"""Registers and bits as values: one decoder for each block, built once, working on the reply's bytes. Pure.

The four byte orders on the float32 12.31 = 41 44 F5 C3, as they stand on the wire:

    ABCD  41 44 F5 C3     high word first, high byte first
    CDAB  F5 C3 41 44     low word first
    BADC  44 41 C3 F5     high word first, bytes of each word swapped
    DCBA  C3 F5 44 41     low word first, bytes swapped

For any width, CDAB with the bytes of each word swapped is DCBA, and BADC is ABCD. So every order is read by one
`struct` call, little or big endian, on the bytes as they came or swapped. Values of a block that share order and
treatment form a **lane**: one unpack, one vectorised treatment, one pass of checks. Only a lane in which a check
fails is looked at value by value.
"""

from array import array
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Protocol

from drivers.contract import Value
from drivers.modbus.lane import NO_MARKS, Lane, Marks, layers, picker
from drivers.modbus.place import Place
from drivers.modbus.source import BIT_TABLES, ModbusPoint


class Decoder(Protocol):
    """Turns the payload of one block into the values of its points."""

    members: tuple[int, ...]
    """Which point each value belongs to, in the order of the decoded tuple."""

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """Values in the order of `members`, and what is to be said of them."""


def decoder(points: Sequence[tuple[int, ModbusPoint]], table: str, start: int, order: str) -> Decoder:
    """Decoder of the (index, point) pairs that a read of `table` from `start` covers; `order` is the default order.

    Raises ValueError for a point whose unit conversion does not exist.
    """
    if table in BIT_TABLES:
        return BitDecoder(points, start)
    return WordDecoder(points, start, order)


_EIGHT = tuple(tuple(byte >> bit & 1 == 1 for bit in range(8)) for byte in range(256))


class BitDecoder:
    """Coils or discrete inputs: the lowest bit of the first byte is the first one (V1.1b3 §6.1)."""

    __slots__ = ("_pick", "members")

    def __init__(self, points: Sequence[tuple[int, ModbusPoint]], start: int) -> None:
        self.members = tuple(index for index, _ in points)
        self._pick = picker([point.address - start for _, point in points])

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """See Decoder."""
        return self._pick(tuple(chain.from_iterable(map(_EIGHT.__getitem__, payload)))), NO_MARKS


class WordDecoder:
    """Registers."""

    __slots__ = ("_lanes", "_swapped", "members")

    def __init__(self, points: Sequence[tuple[int, ModbusPoint]], start: int, order: str) -> None:
        groups: dict[Hashable, list[Place]] = {}
        for index, point in points:
            place = Place(index, point, 2 * (point.address - start), order)
            groups.setdefault((place.treatment, place.little, place.swapped), []).append(place)
        self._lanes = [Lane(layer) for group in groups.values() for layer in layers(group)]
        self._swapped = any(lane.swapped for lane in self._lanes)
        self.members = tuple(place.index for lane in self._lanes for place in lane.places)

    def decode(self, payload: bytes) -> tuple[Sequence[Value], Marks]:
        """See Decoder."""
        swapped = swap_bytes(payload) if self._swapped else payload
        lanes = self._lanes
        if len(lanes) == 1:
            return lanes[0].decode(swapped if lanes[0].swapped else payload)
        values: list[Value] = []
        marks = NO_MARKS
        for lane in lanes:
            part, remarks = lane.decode(swapped if lane.swapped else payload)
            if remarks:
                first = len(values)
                marks = {**marks, **{first + at: mark for at, mark in remarks.items()}}
            values += part
        return values, marks


def swap_bytes(payload: bytes) -> bytes:
    """The same registers with the two bytes of each exchanged."""
    words = array("H", payload)
    words.byteswap()
    return words.tobytes()
