"""What this process tells Python's garbage collector and the C library about its memory.

A start makes 250,000 objects that stay: looking through them for garbage again and again is a twentieth of its CPU
time, and later a pause of 30 ms now and then, in which no poll is punctual.
"""

import contextlib
import gc

STARTING = (50_000, 20, 100)
"""How rarely garbage is searched while what is made is there to stay (gc.set_threshold)."""
RUNNING = (700, 10, 10)
"""Python 3.11's own numbers."""
_M_ARENA_MAX = -8
"""mallopt(3): how many heaps glibc keeps for threads that allocate at the same time."""
ARENAS = 1
"""One: threads here wait for the disk and the network and hardly allocate. The default is 8 for each core."""
_M_MMAP_THRESHOLD = -3
"""mallopt(3): from which size on a block is mapped by itself and given back to the system at once."""
MAPPED_BYTES = 256 << 10
"""Larger than a usual batch. Left to itself glibc raises it to the largest block that was ever given back, to 32 MiB at
most: after one large batch, when the machine has stalled, the process keeps as much for good."""


def starting() -> None:
    """What is made from here on stays for long, or the process ends soon."""
    gc.set_threshold(*STARTING)


class Memory:
    """Told by `run.py` when a site runs and when the next one is being started."""

    def __init__(self) -> None:
        import ctypes

        self._again = False
        with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_ARENA_MAX, ARENAS)
            mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)

    def starting(self) -> None:
        """The site before has ended."""
        gc.unfreeze()
        starting()
        self._again = True

    def settled(self) -> None:
        """All that is there now stays; garbage is searched among what is made from here on."""
        if self._again:
            gc.collect()  # the site before
        gc.freeze()
        gc.set_threshold(*RUNNING)
