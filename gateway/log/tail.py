"""The end of the log: the newest batch, to which the next one is linked, and how the mark beside the log names it."""

import logging
from dataclasses import replace
from typing import Any

from gateway.batch import FIRST_PREV, digest
from gateway.log.mark import Noted
from gateway.log.opening import Opening
from gateway.log.stream import new_stream
from gateway.log.times import MOST_TURNS, TURNS, read_turns
from gateway.log.work import End

logger = logging.getLogger("fieldgate.log")


class Tail:
    """`end` is the newest batch, `started` what the first event of its stream says, `turns` as in times.py."""

    def __init__(self, boot: str) -> None:
        self.end = End(0, "", 0, FIRST_PREV)
        self.started: dict[str, Any] = {}
        self.turns: list[int] = []
        self.saved_until_ms = 0
        self._boot = boot
        self._before = Noted(True, "", 0, 0, boot)

    def adopt(self, opening: Opening, before: Noted, now_ms: int) -> None:
        """Go on from what was found; `before` is the mark that was written for it."""
        newest, states = opening.standing.newest, opening.standing.states
        self.turns = read_turns(states[TURNS][1]) if TURNS in states else []
        self._before = before
        self.saved_until_ms = before.saved_until_ms
        if opening.reason is not None:
            created_ms = newest.created_ms if newest is not None else 0
            self.end = End(opening.position, new_stream(now_ms), 0, FIRST_PREV, created_ms)
            self.started = {"reason": opening.reason, "previous": opening.previous}
            logger.info("stream %s begins: %s", self.end.stream, opening.reason)
        elif newest is not None and not opening.begun:
            self.end = End(newest.position, newest.stream, newest.seq, digest(newest.body), newest.created_ms)

    def noted(self, running: bool) -> Noted:
        """The mark for the newest batch."""
        if self.end.seq == 0:
            return replace(self._before, saved_until_ms=self.saved_until_ms)
        return Noted(
            running, self.end.stream, self.end.seq, self.end.position, self._boot, self.saved_until_ms
        )  # fmt: skip

    def turned(self, now_ms: int) -> bool:
        """Whether the next batch begins a run of rising times; it is among `turns` then."""
        position = self.end.position + 1
        if self.turns and (now_ms >= self.end.created_ms or self.turns[-1] == position):
            return False
        self.turns = [*self.turns, position][-MOST_TURNS:]
        return True
