"""SM4 in HJ 212-2025: the data area between `CP=&&` and the closing `&&`, pure.

ECB with a key of 16 bytes; whole groups of 16 bytes are encrypted and written as `{0xE4,0x3E,…}`, the rest (fewer than
16 bytes) stays as it is behind them. LEN counts what is sent, the CRC is that of the plain text. From public code that
was written after the standard, not from its text.
"""

import re

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import BadReply

GROUP = 16
_AREA = re.compile(rb"(CP=&&)(.*)(&&)\s*$", re.DOTALL)
_HIDDEN = re.compile(rb"\s*\{\s*((?:0[xX][0-9A-Fa-f]{1,2}\s*,?\s*)+)\}(.*)", re.DOTALL)
_MARK = b"CP=&&{0x"


def is_hidden(data: bytes) -> bool:
    """Whether the data area is encrypted."""
    return _MARK in data or _MARK.replace(b"x", b"X") in data


def hidden(data: bytes, key: bytes) -> bytes:
    """DATA with its area encrypted; an area of less than one group stays as it is."""
    found = _AREA.search(data)
    if found is None:
        return data
    plain = found[2]
    whole = len(plain) // GROUP * GROUP
    if not whole:
        return data
    encryptor = _cipher(key).encryptor()
    secret = encryptor.update(plain[:whole]) + encryptor.finalize()
    listed = b"{" + b",".join(b"0x%02X" % byte for byte in secret) + b"}"
    return data[: found.start(2)] + listed + plain[whole:] + data[found.end(2) :]


def shown(data: bytes, key: bytes) -> bytes:
    """DATA with its area in plain text. Raises BadReply for what is no encrypted area."""
    found = _AREA.search(data)
    listed = _HIDDEN.fullmatch(found[2]) if found is not None else None
    if found is None or listed is None:
        raise BadReply("its data area is neither plain nor encrypted", "encrypted")
    secret = bytes(int(part, 16) for part in re.findall(rb"0[xX]([0-9A-Fa-f]{1,2})", listed[1]))
    if len(secret) % GROUP:
        raise BadReply(f"{len(secret)} encrypted bytes are no whole groups of {GROUP}", "encrypted")
    decryptor = _cipher(key).decryptor()
    return data[: found.start(2)] + decryptor.update(secret) + decryptor.finalize() + listed[2] + data[found.end(2) :]


def _cipher(key: bytes) -> "Cipher[modes.ECB]":
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305  # the standard asks for ECB
