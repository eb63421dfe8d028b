"""The mark beside the log: whether it is open, and the newest batch that was committed.

It tells three things that the database cannot: that a stop was unclean (so that a missing WAL means missing
batches), that the log's tail has been lost, and until when something matters that was in a lost file (the memory of
commands). It is made durable when the log is opened and closed, and before the last of these rises. Between these it
follows each commit without an fsync: after a kill it is exact, after a power cut it may be some seconds old, and it
never names a batch that was not durable before.
"""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

LENGTH = 256
"""The mark is one record of this length, padded with spaces: less than a sector, so that it is not torn."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a mark says. `running`: the log was not closed since. `boot` is the boot in which it was written.
    `saved_until_ms`: the latest time until which anything matters that was saved in the log."""

    running: bool
    stream: str
    seq: int
    position: int
    boot: str
    saved_until_ms: int = 0


class Mark:
    """The file `log.db-mark`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def read(self) -> Noted | None:
        """What the last process left; None if there is no mark or it cannot be read. Raises OSError but for absence."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        words = text[:LENGTH].decode("ascii", "replace").split()
        # marks of older releases have no fifth word
        if len(words) not in (6, 7) or words[-1] != _check(words[:-1]) or words[0] not in ("open", "closed"):
            return None
        stream, boot = words[1].strip("-"), words[4].strip("-")
        saved_until_ms = int(words[5]) if len(words) == 7 else 0
        return Noted(words[0] == "open", stream, int(words[2]), int(words[3]), boot, saved_until_ms)

    def write(self, noted: Noted, durable: bool) -> None:
        """Replace the mark in place; with `durable` it and its name survive a power cut. Raises OSError."""
        if self._handle is None:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        words = ["open" if noted.running else "closed", noted.stream or "-", str(noted.seq), str(noted.position)]
        words += [noted.boot or "-", str(noted.saved_until_ms)]
        words.append(_check(words))
        os.pwrite(self._handle, " ".join(words).ljust(LENGTH - 1).encode("ascii") + b"\n", 0)
        if durable:
            os.fsync(self._handle)
            sync_directory(self._path.parent)

    def close(self) -> None:
        """Let the file go; what it says stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _check(words: list[str]) -> str:
    return f"{zlib.crc32(' '.join(words).encode()):08x}"


def sync_directory(directory: Path) -> None:
    """Make the names of new, renamed and removed files durable. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
