"""Encrypted M-Bus answers, pure: mode 5 of EN 13757-3 (AES-128, CBC), as gas and water meters of OMS have it.

The last two bytes of the header say how: the mode in the low five bits of the second one, the number of blocks of 16
bytes that are encrypted in the high half of the first one. The initial vector is manufacturer, identification,
version, medium and eight times the access number. What was encrypted begins with 2F 2F, which tells a wrong key.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import BadReply

NO_MODE, CBC_MODE = 0, 5
BLOCK = 16
OPENED = b"\x2f\x2f"


def mode(configuration: bytes) -> int:
    """How the records are encrypted; 0: they are not."""
    return configuration[1] & 0x1F


def opened(identity: bytes, access: int, configuration: bytes, data: bytes, key: bytes | None) -> bytes:
    """The records in plain text; `identity` as the long header has it. Raises BadReply."""
    how = mode(configuration)
    if how == NO_MODE:
        return data
    if how != CBC_MODE:
        raise BadReply(f"encrypted (mode {how}); mode {CBC_MODE} is known here", "encrypted")
    if key is None:
        raise BadReply(f"encrypted (mode {how}), and there is no key: `options: {{key_file: …}}`", "encrypted")
    if len(identity) != 8:
        raise BadReply("encrypted, and without the identification that opens it", "encrypted")
    size = (configuration[0] >> 4) * BLOCK
    if size > len(data):
        raise BadReply(f"{size} bytes are encrypted and {len(data)} are there", "wrong_count")
    if size == 0:
        return data
    plain = _cipher(identity, access, key).decryptor().update(data[:size])
    if plain[:2] != OPENED:
        raise BadReply("encrypted with another key than that of `key_file`", "encrypted")
    return plain + data[size:]


def closed(identity: bytes, access: int, data: bytes, key: bytes) -> tuple[bytes, bytes]:
    """(configuration, encrypted records), filled up with 2F; for simulators. At most 15 blocks."""
    plain = OPENED + data
    plain += OPENED[:1] * (-len(plain) % BLOCK)
    assert len(plain) <= 15 * BLOCK
    sent = _cipher(identity, access, key).encryptor().update(plain)
    return bytes([len(plain) // BLOCK << 4, CBC_MODE]), sent


def _cipher(identity: bytes, access: int, key: bytes) -> "Cipher[modes.CBC]":
    vector = identity[4:6] + identity[:4] + identity[6:8] + bytes([access]) * 8
    return Cipher(algorithms.AES(key), modes.CBC(vector))
