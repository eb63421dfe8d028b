"""A process whose wall clock is ahead of the machine's by a fixed time; its monotonic clocks are the machine's."""

import time
from pathlib import Path

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def ahead_by(seconds: float) -> dict[str, str]:
    """Environment for the process (libfaketime, a Debian package that tests/run installs)."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"+{seconds:.3f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def until_midnight(utc_offset_h: float) -> float:
    """Seconds until the next midnight of a zone that is so many hours ahead of UTC."""
    return 86400 - (time.time() + utc_offset_h * 3600) % 86400
