"""The files of the log on disk: their names, their size together, and moving damaged ones out of the way."""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from gateway.log.mark import sync_directory
from gateway.log.wal import beside

DAMAGED = "-damaged-"  # moved aside, still to be salvaged
SALVAGED = "-salvaged-"  # nothing more to be had from it; kept as evidence while there is room


class Files:
    """`log.db` with its WAL and index, its lock and mark, and what was moved aside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wal = beside(path, "-wal")
        self.shm = beside(path, "-shm")
        self.lock = beside(path, "-lock")
        self.mark = beside(path, "-mark")

    def aside(self, kind: str) -> list[Path]:
        """Files moved aside (without their WALs), oldest first; a WAL whose file is gone stands for it."""
        found = {
            path.with_name(path.name.removesuffix("-wal"))
            for path in self.path.parent.glob(self.path.name + kind + "*")
            if not path.name.endswith("-shm")
        }
        return sorted(found)

    def bytes(self) -> int:
        """Everything together, as the file system names its length. Raises OSError."""
        total = 0
        with os.scandir(self.path.parent) as entries:
            for entry in entries:
                if entry.name == self.path.name or entry.name.startswith(self.path.name + "-"):
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat().st_size
        return total

    def quarantine(self, now_ms: int) -> Path:
        """Move the database and its WAL aside, durably; both keep one name. Raises OSError."""
        unfinished = [path for path in self.aside(DAMAGED) if not path.exists()]  # its WAL was moved, then came a kill
        if unfinished:
            target = unfinished[0]
        else:
            stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
            target = beside(self.path, DAMAGED + stamp)
            number = 1
            while target.exists() or beside(target, "-wal").exists():
                number += 1
                target = beside(self.path, f"{DAMAGED}{stamp}-{number}")
        for source, moved in ((self.wal, beside(target, "-wal")), (self.path, target)):
            with contextlib.suppress(FileNotFoundError):
                source.rename(moved)
        self.shm.unlink(missing_ok=True)
        sync_directory(self.path.parent)
        return target

    def salvaged(self, damaged: Path) -> None:
        """Nothing more can be had from it. Raises OSError."""
        target = damaged.with_name(damaged.name.replace(DAMAGED, SALVAGED))
        for ending in ("-wal", ""):
            with contextlib.suppress(FileNotFoundError):
                beside(damaged, ending).rename(beside(target, ending))
        beside(damaged, "-shm").unlink(missing_ok=True)
        sync_directory(self.path.parent)

    def drop_salvaged(self) -> int:
        """Remove the oldest salvaged file and say how many bytes that gave, 0 if there is none. Raises OSError."""
        for path in self.aside(SALVAGED):
            freed = 0
            for file in (path, beside(path, "-wal")):
                with contextlib.suppress(FileNotFoundError):
                    freed += file.stat().st_size
                    file.unlink()
            return freed
        return 0
