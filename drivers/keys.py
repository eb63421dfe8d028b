"""Secrets that a site file names by a file: passwords and keys of instruments. Read once, when a driver is made."""

from pathlib import Path

KEY_BYTES = 16
"""Of SM4 and AES-128."""


def secret(path: str | None) -> str | None:
    """What a file holds, without white space around it. Raises ValueError when it cannot be read."""
    if path is None:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


def hex_key(path: str | None) -> bytes | None:
    """16 bytes from a file with 32 hexadecimal digits. Raises ValueError."""
    text = secret(path)
    if text is None:
        return None
    key = _from_hex(text)
    if key is None:
        raise ValueError(f"{path} holds no key: 32 hexadecimal digits")
    return key


def sm4_key(path: str | None) -> bytes | None:
    """16 bytes from a file with 16 characters or 32 hexadecimal digits. Raises ValueError."""
    text = secret(path)
    if text is None:
        return None
    key = text.encode() if len(text.encode()) == KEY_BYTES else _from_hex(text)
    if key is None:
        raise ValueError(f"{path} holds no SM4 key: 16 characters or 32 hexadecimal digits")
    return key


def _from_hex(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
