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


def starting() -> None:
    """What is made from here on stays for long, or the process ends soon."""
    gc.set_threshold(*STARTING)


class Memory:
    """Told by `run.py` when a site runs and when the next one is being started."""

    def __init__(self) -> None:
        import ctypes

        self._again = False
        with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)

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
