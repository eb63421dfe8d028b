"""What the check reads: one message of a feed, wherever it was kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One message. `body` is as received, compressed or not; `place` says where it stood ("line 17").

    `exact` is False where the record kept the JSON but not its bytes: they were written again in the key order
    received, which gives the gateway's bytes unless another tool has changed a number's spelling.
    `stream` and `seq` are what the storage says beside the body (the log's columns), if it does.
    """

    topic: str | None
    body: bytes
    place: str
    exact: bool = True
    stream: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """All items of this record stand in files that are signed by `key` (hex); the source has checked it."""

    key: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong (a finding) or worth knowing (a note): a `kind` of words.py and what its sentence names."""

    kind: str
    gateway: str | None = None
    stream: str | None = None
    first: int | None = None
    last: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The finding without what it does not have."""
        row: dict[str, Any] = {"kind": self.kind}
        for name in ("gateway", "stream", "first", "last"):
            if (value := getattr(self, name)) is not None:
                row[name] = value
        return row | dict(self.details)
