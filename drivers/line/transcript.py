"""What went over a wire, written down: `>>` sent, `<<` received, hex, seconds since the transcript began."""

import time
from collections.abc import Callable
from typing import TextIO


class Transcript:
    """Writes lines such as `12.345678 >> 01 03 00 00 00 02 c4 0b`."""

    def __init__(self, out: TextIO, seconds: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._seconds = seconds
        self._began_s = seconds()

    def sent(self, data: bytes) -> None:
        """One write."""
        self._write(">>", data)

    def received(self, data: bytes) -> None:
        """One arrival, as the operating system handed it over."""
        self._write("<<", data)

    def _write(self, direction: str, data: bytes) -> None:
        self._out.write(f"{self._seconds() - self._began_s:.6f} {direction} {data.hex(' ')}\n")
