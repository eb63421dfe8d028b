"""The checksums of Modbus over serial line (V1.02 §2.5.1.2 and §2.5.2.2), fast in plain Python.

CRC-16 divides by P = x^16 + x^15 + x^2 + 1 = (x + 1)(x^15 + x + 1). A table walk costs about 20 ns a byte in
Python. Here the frame is one big integer, and whole halves of it are folded at once:

- Bit i of the little-endian integer stands for y^i with y = 1/x, because the CRC is "reflected".
- Modulo Q = x^15 + x + 1 we have 1 = y^14 + y^15, and squared k times 1 = y^14K + y^15K for K = 2^k.
  So the lowest 14K bits may be taken off and added again at 14K and 15K: the integer loses 14K bits.
- Modulo x + 1 a polynomial is its number of ones, even or odd. Adding Q flips that and leaves the value modulo
  Q as it is; so one addition at the end corrects it, and the result is right modulo P.

What remains has at most 28 bits and goes through the usual table. Measured: `tests/benchmarks/decode.py`.
"""

_FOLDS = tuple((29 << k, 14 << k, (1 << (14 << k)) - 1, 1 << k) for k in range(7, -1, -1))
"""(shortest input in bits, bits taken off, their mask, distance of the second copy), longest first."""
_Q = 0xC001
"""x^15 + x + 1 as y^0 + y^14 + y^15."""


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(map(_table_entry, range(256)))


def crc16(data: bytes | bytearray | memoryview) -> int:
    """CRC of two or more bytes; its low byte goes on the wire first. Over a whole right frame it is 0."""
    rest = int.from_bytes(data, "little") ^ 0xFFFF
    length = len(data) * 8
    odd = rest.bit_count() & 1
    for shortest, span, mask, distance in _FOLDS:
        while length >= shortest:
            low = rest & mask
            rest = (rest >> span) ^ low ^ (low << distance)
            length -= span
    if rest.bit_count() & 1 != odd:
        rest ^= _Q
    rest <<= 32 - length  # leading zeros of the message do not change the remainder
    rest = (rest >> 8) ^ _TABLE[rest & 0xFF]
    rest = (rest >> 8) ^ _TABLE[rest & 0xFF]
    rest = (rest >> 8) ^ _TABLE[rest & 0xFF]
    return (rest >> 8) ^ _TABLE[rest & 0xFF]


def lrc(data: bytes | bytearray) -> int:
    """Two's complement of the sum of all bytes."""
    return -sum(data) & 0xFF
