"""A wall clock for another process that is turned from here (shim.c)."""

import os
import struct
import subprocess
import time
from pathlib import Path

from tests.peers.process import kept

SOURCE = Path(__file__).with_name("shim.c")
AS_THE_MACHINE, SYNCHRONISED, FREE = 0, 1, 2


def library() -> Path:
    """The compiled shim."""
    folder = kept("clock", SOURCE.read_bytes())
    made = folder / "clock.so"
    if not made.exists():
        fresh = folder / f"clock-{os.getpid()}.so"
        subprocess.run(
            ["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", fresh, SOURCE, "-ldl"], check=True, timeout=60
        )
        fresh.rename(made)
    return made


class TurnedClock:
    """`environment` is for the process; `offset_s` is what its wall clock is ahead of the true one."""

    def __init__(self, file: Path, offset_s: float = 0.0, known: int = FREE) -> None:
        self._file = file
        self.offset_s = offset_s
        file.write_bytes(struct.pack("=qq", round(offset_s * 1e9), known))
        self.environment = {"LD_PRELOAD": str(library()), "FIELDGATE_CLOCK": str(file)}

    def set(self, offset_s: float, known: int | None = None) -> None:
        """From now on so far ahead."""
        self.offset_s = offset_s
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", round(offset_s * 1e9)))
            if known is not None:
                file.write(struct.pack("=q", known))

    def now_ms(self) -> int:
        """What the process sees now."""
        return time.time_ns() // 1_000_000 + round(self.offset_s * 1000)
