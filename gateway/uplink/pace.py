"""How fast the backlog may go so that live batches do not feel it. Pure: time is passed in.

Two bounds. The rate is for the broker and its consumers: a setting, or 20 times the intake, so that a backlog
shrinks at more than 10 times the speed at which it grew. The number of messages on their way is for the line: what
a slow line has in its buffers delays the next live batch, so the number grows by one with each acknowledgement as
quick as the quickest seen, and is halved by one that is slow (as TCP does; a new connection starts with one).
"""

LEAST_RATE = 500.0
"""Batches per second without a setting: about 3 % of a core of a small board."""
INTAKE_FACTOR = 20.0
INTAKE_OVER_S = 30.0
"""Over how long the intake is averaged."""
QUICK_S = 0.1
"""An acknowledgement is quick within so much of the quickest seen."""
SLOW_S = 0.4
"""An acknowledgement is slow when it takes so much longer than the quickest seen; live latency stays below it."""
BURST_S = 0.02
"""Batches of so much time may go at once, because timers are not finer than a millisecond or so."""


class Pace:
    """`rate` in batches per second or None; `most` is the largest number on their way at once."""

    def __init__(self, rate: float | None, most: int, now: float) -> None:
        self.allowance = 1
        self._setting = rate
        self._most = max(1, most)
        self._quickest_s = float("inf")
        self._halved_at = now
        self._intake = 0.0
        self._intake_at = now
        self._next_at = now

    @property
    def rate(self) -> float:
        """Batches per second at most."""
        if self._setting is not None:
            return self._setting
        return max(LEAST_RATE, INTAKE_FACTOR * self._intake)

    def committed(self, batches: int, now: float) -> None:
        """So many batches came in."""
        elapsed = max(now - self._intake_at, 0.0)
        share = min(1.0, elapsed / INTAKE_OVER_S)
        self._intake_at = now
        if elapsed > 0:
            self._intake += share * (batches / elapsed - self._intake)

    def wait_s(self, now: float) -> float:
        """Seconds until the next batch may go."""
        return max(0.0, self._next_at - now - BURST_S)

    def sent(self, now: float) -> None:
        """A batch of the backlog went."""
        self._next_at = max(self._next_at, now) + 1.0 / self.rate

    def acknowledged(self, elapsed_s: float, now: float) -> None:
        """A batch of the backlog was acknowledged after `elapsed_s`."""
        self._quickest_s = min(self._quickest_s, elapsed_s)
        if elapsed_s <= self._quickest_s + QUICK_S:
            self.allowance = min(self.allowance + 1, self._most)
        elif elapsed_s > self._quickest_s + SLOW_S and now - self._halved_at >= elapsed_s:
            self.allowance = max(1, self.allowance // 2)
            self._halved_at = now
