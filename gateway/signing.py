"""Ed25519 signatures: the gateway's own key, and the exact bytes that are signed (contract.md §2).

The private key is a PKCS #8 PEM file (RFC 5958), which `openssl pkey` reads, made at the first start. Whoever
holds it can sign for the gateway; whoever loses it begins a new identity, so it is backed up (docs/operate.md).
"""

import base64
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # cryptography costs 10 MB and 60 ms: it is imported when a signature is first needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE_LIMIT = 4096
"""A PEM Ed25519 key is 119 bytes; a longer file than this is something else, and is not read."""
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\r?\n([A-Za-z0-9+/]{64})\r?\n-----END PRIVATE KEY-----\s*")
_DER = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 §7, the example of §10.3)."""


class KeyDamaged(Exception):
    """The key file is there and holds no usable key. It is never replaced: that would be a change of identity."""


class Signer:
    """Signs as one gateway. `key` is the public key, 64 hex digits."""

    __slots__ = ("_private", "key")

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.key = private.public_key().public_bytes_raw().hex()

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The key in `path`, made there (mode 0600, durable, all or nothing) if the file is absent.

        Raises KeyDamaged, and OSError naming the file where it cannot be read or made.
        """
        try:
            return cls.load(path)
        except FileNotFoundError:
            _create(path)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key in `path`. Raises KeyDamaged, FileNotFoundError and other OSError."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        with path.open("rb") as file:
            data = file.read(KEY_FILE_LIMIT)
        if (usual := _usual(data)) is not None:
            return cls(Ed25519PrivateKey.from_private_bytes(usual))

        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            private = load_pem_private_key(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyDamaged(_advice(path, f"no private key can be read from its {len(data)} bytes")) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyDamaged(_advice(path, f"it holds a {type(private).__name__}, not an Ed25519 key"))
        return cls(private)

    def sign(self, data: bytes) -> str:
        """The signature of `data`, 128 hex digits."""
        return self._private.sign(data).hex()


def _usual(data: bytes) -> bytes | None:
    """The 32 bytes of a key file as this program and `openssl genpkey` write it; None for any other.

    The library's reader of key files knows all kinds of keys: 1.5 MB that would stay in memory for this one.
    """
    found = _PEM.fullmatch(data)
    der = base64.b64decode(found[1]) if found is not None else b""
    return der.removeprefix(_DER) if der.startswith(_DER) and len(der) == len(_DER) + 32 else None


def verify(key_hex: str, data: bytes, signature_hex: str) -> bool:
    """Whether the signature of `data` is by `key_hex`. False for anything that is no key or no signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_hex))
        key.verify(bytes.fromhex(signature_hex), data)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def checkpoint_text(gateway: str, stream: str, seq: int, head: str) -> bytes:
    """What a checkpoint signs: the batch `seq` of `stream` has the SHA-256 `head` (hex)."""
    return f"fieldgate-checkpoint-1\n{gateway}\n{stream}\n{seq}\n{head}\n".encode()


def command_text(body: Mapping[str, Any]) -> bytes:
    """What a command's `signature` signs: the command as JSON without it, UTF-8, no spaces, keys sorted at every level.

    Raises ValueError for what JSON cannot say (NaN, infinity, half a surrogate pair).
    """
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _create(path: Path) -> None:
    """A new key at `path`, linked into place only when its bytes are on the disk; an existing file is kept."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    data = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return  # another start made it first: that one counts
        except OSError:  # a file system without hard links (FAT, some network shares)
            fresh.rename(path)
        _sync_directory(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make the file's name durable, not only its bytes."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _advice(path: Path, seen: str) -> str:
    return (
        f"{path}: {seen}. Restore the key from its back-up; or move the file away, and the gateway begins with a "
        f"new key, which consumers who pinned the old one will report"
    )
