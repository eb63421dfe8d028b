"""How fast the backlog may go so that live batches do not feel it. Pure: time is passed in.

Three bounds, none of which the backlog of a short outage meets for long:
- The machine's: a batch of the backlog goes at most every `SHARE` times as long as handing one over takes, so that a
  drain leaves time of the event loop to polling, committing and live batches, on a small board as on a large one: a
  third where batches are large, an eighth where they are small (docs/decisions/0010).
- The line's and the broker's: what a slow line has in its buffers delays the next live batch, so the number of
  messages on their way grows by one with each acknowledgement as quick as the quickest seen, and is halved by one
  that is slow (as TCP does; a new connection starts with one).
- The consumers': the site's setting, where one is given. MQTT has no word with which a consumer could slow a gateway.
"""

SHARE = 4.0
"""Handing one over is a sixth to a third of what a batch costs the event loop; writing it to the socket, taking its
acknowledgement and reading it from the log is the rest. With more, each goes by itself, which costs as much again."""
FIRST_S = 0.001
"""What the first one took counts as so much at most: a process that has just started is slow in everything."""
MEAN_OVER = 16
"""Batches over which the time of sending is averaged."""
ODD = 4.0
"""A time so many times the mean is cut to that: the machine was busy elsewhere in the middle of it."""
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
        self._least_s = 0.0 if rate is None else 1.0 / rate
        self._most = max(1, most)
        self._quickest_s = float("inf")
        self._halved_at = now
        self._sending_s = 0.0
        self._next_at = now

    @property
    def interval_s(self) -> float:
        """From one batch to the next, on average, at least."""
        return max(self._least_s, SHARE * self._sending_s)

    def wait_s(self, now: float) -> float:
        """Seconds until the next batch may go."""
        return max(0.0, self._next_at - now - BURST_S)

    def sent(self, began: float, now: float) -> None:
        """A batch of the backlog was handed to the connection, from `began` to `now`."""
        took_s = now - began
        if self._sending_s > 0.0:
            self._sending_s += (min(took_s, ODD * self._sending_s) - self._sending_s) / MEAN_OVER
        else:
            self._sending_s = min(took_s, FIRST_S)
        self._next_at = max(self._next_at, began) + self.interval_s

    def acknowledged(self, elapsed_s: float, now: float) -> None:
        """A batch of the backlog was acknowledged after `elapsed_s`."""
        self._quickest_s = min(self._quickest_s, elapsed_s)
        if elapsed_s <= self._quickest_s + QUICK_S:
            self.allowance = min(self.allowance + 1, self._most)
        elif elapsed_s > self._quickest_s + SLOW_S and now - self._halved_at >= elapsed_s:
            self.allowance = max(1, self.allowance // 2)
            self._halved_at = now
