"""Who may send next: a bounded number of unacknowledged messages, live ones before the backlog."""

import asyncio
from collections import deque
from enum import IntEnum

from gateway.uplink.pace import Pace


class Lane(IntEnum):
    """In order of precedence."""

    CONTROL = 0  # replies to commands, status
    LIVE = 1
    BACKLOG = 2


LANES = tuple(Lane)


class Window:
    """`size` slots for messages on their way; the backlog has at most as many as its pace allows."""

    def __init__(self, size: int, pace: Pace) -> None:
        self.size = size
        self.taken = 0
        self.backlog_taken = 0
        self._pace = pace
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in Lane)

    def try_take(self, lane: Lane) -> bool:
        """Take a slot if one is free and nobody of the same or a higher precedence waits for it."""
        if any(self._waiting[: lane + 1]) or not self._free(lane):
            return False
        self._take(lane)
        return True

    async def take(self, lane: Lane) -> None:
        """Wait for a slot and take it."""
        if self.try_take(lane):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        await turn

    def release(self, lane: Lane) -> None:
        """Give a slot back; whoever waits first gets it."""
        self.taken -= 1
        if lane is Lane.BACKLOG:
            self.backlog_taken -= 1
        for waiting_lane in LANES:
            waiting = self._waiting[waiting_lane]
            while waiting and self._free(waiting_lane) and (waiting_lane is not Lane.BACKLOG or self._half_free()):
                turn = waiting.popleft()
                if not turn.done():
                    self._take(waiting_lane)
                    turn.set_result(None)
            if waiting and waiting_lane is not Lane.BACKLOG:
                return

    def _free(self, lane: Lane) -> bool:
        if self.taken >= self.size:
            return False
        return lane is not Lane.BACKLOG or self.backlog_taken < self._pace.allowance

    def _half_free(self) -> bool:
        """The backlog goes on when half of its slots are free, so that many of its messages leave in one go."""
        return self.backlog_taken <= self._pace.allowance // 2

    def _take(self, lane: Lane) -> None:
        self.taken += 1
        if lane is Lane.BACKLOG:
            self.backlog_taken += 1
