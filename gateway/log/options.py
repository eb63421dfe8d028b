"""What the log is told: its section of the site file, and what stands elsewhere."""

from dataclasses import dataclass
from typing import Protocol


class LogSettings(Protocol):
    """The keys of the site file's `log` section that the log reads."""

    @property
    def path(self) -> str:
        """The database."""

    @property
    def max_size(self) -> int:
        """Bytes of all files together."""

    @property
    def max_age_s(self) -> float:
        """Older batches are removed."""

    @property
    def commit_every_s(self) -> float:
        """Longest wait of a reading for its commit."""

    @property
    def compression(self) -> str:
        """none or zlib."""


class Signer(Protocol):
    """Signs checkpoints: `key` is the public key in hex."""

    @property
    def key(self) -> str:
        """64 hex digits."""

    def sign(self, data: bytes) -> str:
        """The signature in hex."""


@dataclass(frozen=True, slots=True)
class Options:
    """What does not stand in the log's own section of the site file."""

    gateway: str
    uplinks: tuple[str, ...]
    release_ms: int
    hold_s: float
    hold_until: str
    pending_bytes: int
    boot: str
