"""Who may have what done: the site file's list of commands, and signatures for those that change something."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.signing import command_text, verify

NAMES = frozenset({"status", "read", "backfill", "mark", "write", "reload"})
SIGNED = frozenset({"mark", "write", "reload"})
"""These change something, so they must be signed (contract.md §2)."""


class Denied(Exception):
    """The command is not carried out. `code` is one word, the text says why to whoever sent it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """One request, its form checked. `body` is the whole JSON object, which the signature covers."""

    id: str
    name: str
    args: Mapping[str, Any]
    expires_ms: int
    body: Mapping[str, Any]

    @property
    def changes(self) -> bool:
        """Whether it changes something: then it must be signed, and is never carried out twice."""
        return self.name in SIGNED


class Permission:
    """`allowed` are names of commands, `keys` the public keys (hex) that may sign."""

    def __init__(self, allowed: Iterable[str], keys: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)
        self._keys = tuple(keys)

    def check(self, command: Command) -> str:
        """Whose command it is: the key that signed it, "" for those that need no signature. Raises Denied."""
        if command.name not in self._allowed:
            raise Denied("denied", f"the site file does not allow the command {command.name}")
        if not command.changes:
            return ""
        signature = command.body.get("signature")
        if not isinstance(signature, str):
            raise Denied("unsigned", f"the command {command.name} must be signed")
        try:
            text = command_text(command.body)
        except ValueError as error:
            raise Denied("signature", f"what is signed cannot be told: {error}") from error
        for key in self._keys:
            if verify(key, text, signature):
                return key
        raise Denied("signature", "the signature is by no key that the site file lists")
