"""One simulated Modbus unit: its memory, and its answers to read, write and identity requests. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3

BIT_READS = (1, 2)
WORD_READS = (3, 4)
_MOST_BITS, _MOST_WORDS = 2000, 125
_MOST_BITS_WRITTEN, _MOST_WORDS_WRITTEN = 1968, 123  # Modbus Application Protocol V1.1b3 §6.11, §6.12


class Refusal(Exception):
    """The unit answers with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Unit(Protocol):
    """What stands behind one address of a line."""

    def answer(self, pdu: bytes) -> bytes:
        """The reply PDU to a request PDU, an exception reply included."""


class Memory:
    """A unit with four tables, kept by the function that reads them (1 coils, 2 discrete, 3 holding, 4 input).

    A table may be read from its first to its last address; between them what was never set reads as 0, as in
    most instruments. `check` may refuse a read for the instrument's own reasons: it raises Refusal. `served` is
    told of every answered read: function, first address, values.
    """

    def __init__(
        self,
        tables: Mapping[int, Mapping[int, int]],
        check: Callable[[int, int, int], None] | None = None,
        served: Callable[[int, int, tuple[int, ...]], None] | None = None,
        identity: Mapping[int, str] | None = None,
    ) -> None:
        self.tables = {function: dict(tables.get(function, {})) for function in (1, 2, 3, 4)}
        self._check = check
        self._served = served
        self._identity = identity or {}

    def put(self, function: int, address: int, values: Iterable[int]) -> None:
        """Set values in a row, in the table that `function` reads."""
        self.tables[function].update(enumerate(values, address))

    def refresh(self) -> None:
        """Called before each read, for memory that changes with time."""

    def answer(self, pdu: bytes) -> bytes:
        """The reply PDU to a request PDU, an exception reply included."""
        function = pdu[0]
        try:
            if function in BIT_READS or function in WORD_READS:
                return self._read(pdu)
            if function in (5, 6, 15, 16, 22):
                return self._write(pdu)
            if function == 23:
                self._store(3, int.from_bytes(pdu[5:7]), words(pdu[10:]))
                return bytes([23]) + self._read(bytes([3]) + pdu[1:5])[1:]
            if function == 43 and pdu[1:2] == b"\x0e" and self._identity:
                return self._identify(pdu)
            raise Refusal(ILLEGAL_FUNCTION)
        except Refusal as refusal:
            return bytes([function | 0x80, refusal.code])

    def _read(self, pdu: bytes) -> bytes:
        if len(pdu) != 5:
            raise Refusal(ILLEGAL_VALUE)
        function, first, count = pdu[0], int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        if not 1 <= count <= (_MOST_BITS if function in BIT_READS else _MOST_WORDS):
            raise Refusal(ILLEGAL_VALUE)
        self.refresh()
        if self._check is not None:
            self._check(function, first, count)
        table = self.tables[function]
        if not table or first < min(table) or first + count - 1 > max(table):
            raise Refusal(ILLEGAL_ADDRESS)
        values = tuple(table.get(address, 0) for address in range(first, first + count))
        if self._served is not None:
            self._served(function, first, values)
        data = packed_bits(values) if function in BIT_READS else b"".join(value.to_bytes(2) for value in values)
        return bytes([function, len(data)]) + data

    def _write(self, pdu: bytes) -> bytes:
        function, first = pdu[0], int.from_bytes(pdu[1:3])
        if function in (5, 6, 22) and len(pdu) != (7 if function == 22 else 5):
            raise Refusal(ILLEGAL_VALUE)
        if function == 5:
            if pdu[3:5] not in (b"\xff\x00", b"\x00\x00"):
                raise Refusal(ILLEGAL_VALUE)
            self._store(1, first, (int(pdu[3] == 0xFF),))
        elif function == 6:
            self._store(3, first, words(pdu[3:5]))
        elif function == 22:
            kept, added = words(pdu[3:7])
            self._store(3, first, (self.tables[3].get(first, 0) & kept | added & ~kept & 0xFFFF,))
        else:
            count = int.from_bytes(pdu[3:5])
            most, size = (_MOST_BITS_WRITTEN, -(-count // 8)) if function == 15 else (_MOST_WORDS_WRITTEN, 2 * count)
            if not 1 <= count <= most or len(pdu) != 6 + size or pdu[5] != size:
                raise Refusal(ILLEGAL_VALUE)
            self._store(
                1 if function == 15 else 3,
                first,
                unpacked_bits(pdu[6:], count) if function == 15 else words(pdu[6:]),
            )
        return pdu if function == 22 else pdu[:5]

    def _store(self, function: int, first: int, values: tuple[int, ...]) -> None:
        table = self.tables[function]
        if not all(address in table for address in range(first, first + len(values))):
            raise Refusal(ILLEGAL_ADDRESS)
        self.put(function, first, values)

    def _identify(self, pdu: bytes) -> bytes:
        """Function 43/14, one answer for all objects (V1.1b3 §6.21)."""
        objects = b"".join(
            bytes([number, len(text)]) + text
            for number, text in ((number, text.encode()) for number, text in sorted(self._identity.items()))
        )
        return bytes([43, 14, pdu[2], 0x01, 0x00, 0x00, len(self._identity)]) + objects


def words(data: bytes) -> tuple[int, ...]:
    """Registers of big-endian bytes."""
    return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def packed_bits(values: Iterable[int]) -> bytes:
    """Bits as Modbus sends them: the first one is the lowest of the first byte."""
    bits = tuple(values)
    return bytes(
        sum((1 << at) for at, bit in enumerate(bits[start : start + 8]) if bit) for start in range(0, len(bits), 8)
    )


def unpacked_bits(data: bytes, count: int) -> tuple[int, ...]:
    """The first `count` bits of bytes that came from `packed_bits`."""
    return tuple(data[at // 8] >> (at % 8) & 1 for at in range(count))
