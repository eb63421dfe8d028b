"""When to connect again. Pure: time and chance are passed in.

1 s doubling to 20 s with jitter, back to 1 s after 60 s of good connection. Two exceptions (docs/decisions):
a refusal that comes at once (a broker on this machine or in this network that is being restarted) costs nobody
anything, so it does not lengthen the wait and is repeated within 0.6 s; and after the third takeover of the client
id in a row there is one attempt a minute. Attempts are always at least 0.5 s apart.
"""

from random import Random
from typing import Protocol

AT_ONCE_S = 0.1
"""A refusal within this time comes from nearby."""
NEARBY_S = 0.6
"""Longest wait after such a refusal: with 0.4 s to connect, introduce itself and read the log on a machine that is
busy, the first message is out within 1 s of the broker's start."""
LEAST_S = 0.5
"""Never more than 2 attempts a second."""
JITTER = 0.25
"""Share by which a wait may be shorter, so that gateways do not come back in step; never longer than the step."""
SHORT_S = 10.0
"""A connection that the broker ends within this time, while it goes on accepting others, was taken over."""
TAKEOVERS = 3
HEALED_S = 28.0
"""contract.md §2: live data again within 30 s of the end of a fault. What it took to notice the loss of a connection
(20 s without an acknowledgement) is spent already, so the wait after it is shorter by that."""


class Waits(Protocol):
    """The settings that matter here."""

    @property
    def reconnect_min_s(self) -> float:
        """First wait."""

    @property
    def reconnect_max_s(self) -> float:
        """Longest wait."""

    @property
    def stable_after_s(self) -> float:
        """Age of a good connection."""

    @property
    def takeover_wait_s(self) -> float:
        """Wait after the third takeover in a row."""


class Reconnection:
    """The state between attempts; `wait_s` is how long to wait now, `takeovers` how many there were in a row."""

    def __init__(self, waits: Waits, random: Random) -> None:
        self.wait_s = 0.0
        self.takeovers = 0
        self._waits = waits
        self._random = random
        self._step_s = waits.reconnect_min_s

    @property
    def taken_over(self) -> bool:
        """Whether another client is known to use this client id."""
        return self.takeovers >= TAKEOVERS

    def failed(self, refused: bool, took_s: float) -> None:
        """An attempt gave no connection; `refused`: by the machine, not by the broker."""
        if self.taken_over:
            self.wait_s = self._waits.takeover_wait_s
        elif refused and took_s <= AT_ONCE_S:
            self.wait_s = max(LEAST_S, self._jittered(min(self._step_s, NEARBY_S)))
        else:
            self._next_step()

    def lost(self, lived_s: float, taken_over: bool) -> None:
        """A connection ended; `taken_over`: the signs are that another client took the id."""
        if lived_s >= self._waits.stable_after_s:
            self._step_s = self._waits.reconnect_min_s
        if taken_over:
            self.takeovers += 1
        elif lived_s >= SHORT_S:
            self.takeovers = 0
        if self.taken_over:
            self.wait_s = self._waits.takeover_wait_s
        else:
            self._next_step()
            self.wait_s = min(self.wait_s, max(self._waits.reconnect_min_s, HEALED_S - lived_s))

    def lives(self, lived_s: float) -> None:
        """The connection is so old by now."""
        if lived_s >= SHORT_S:
            self.takeovers = 0

    def _next_step(self) -> None:
        self.wait_s = max(LEAST_S, self._jittered(self._step_s))
        self._step_s = min(2 * self._step_s, self._waits.reconnect_max_s)

    def _jittered(self, wait_s: float) -> float:
        return wait_s * (1.0 - JITTER * self._random.random())
