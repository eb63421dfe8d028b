"""One log, one process: an exclusive flock on a file beside the log, which a crash releases by itself."""

import fcntl
import os
from pathlib import Path

from gateway.errors import LogLocked, LogMisplaced


class Lock:
    """Held from `take` to `release`; the file names its holder for whoever comes second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Raises LogLocked naming the holder, LogMisplaced, and OSError for a full or failing disk."""
        if self._handle is not None:
            return
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError) as error:
            raise LogMisplaced(
                f"{self._path}: {error.strerror}; the log's folder must exist and belong to the gateway's user"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 4096, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            raise LogLocked(f"{self._path}: the log is in use by {holder}; stop that one first") from None
        except OSError:
            os.close(handle)
            raise
        self._handle = handle
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} ({_command()})\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds all the same, only nameless

    def release(self) -> None:
        """The file stays: removing it would let two newcomers lock two different files."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _command() -> str:
    """This process' command line, as `ps` shows it."""
    try:
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "unknown command"
    return " ".join(word.decode("utf-8", "replace") for word in words if word)[:1000]
