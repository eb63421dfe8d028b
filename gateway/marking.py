"""A mark that is set on the status page: what the command `mark` does, checked alike, with `source` in its event."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.actions import Actions
from gateway.clock import Clock, ClockState
from gateway.health.asking import MarkRefused
from gateway.uplink import Denied
from gateway.uplink.form import arguments

COMMIT_S = 10.0
"""Longest wait for the log; a person stands before the page."""
STATUS = {"invalid": HTTPStatus.BAD_REQUEST, "instrument": HTTPStatus.NOT_FOUND}
"""Of what is refused for what it says; everything else is a matter of the moment."""


class PageMarking:
    """`taken_up`: whether the log has said which marks stood; `save` returns once the marks are committed."""

    def __init__(
        self,
        actions: Actions,
        clock: Clock,
        taken_up: Callable[[], bool],
        save: Callable[[], Awaitable[None]],
        commit_s: float = COMMIT_S,
    ) -> None:
        self._actions = actions
        self._clock = clock
        self._taken_up = taken_up
        self._save = save
        self._commit_s = commit_s

    async def __call__(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """The mark as it stands now, committed with its event. Raises MarkRefused."""
        try:
            checked = arguments("mark", args, self._clock.now_ms())
            if self._clock.state() is ClockState.UNSET:
                raise Denied("clock", "the gateway's clock is not set, so it cannot tell when a mark ends")
            if not self._taken_up():
                raise Denied("log", "the log cannot be opened yet, so it is not known which marks stand")
            told = self._actions.marked(checked, source="page")
        except Denied as denied:
            raise MarkRefused(STATUS.get(denied.code, HTTPStatus.CONFLICT), str(denied)) from denied
        try:
            async with asyncio.timeout(self._commit_s):
                await self._save()
        except TimeoutError as error:
            text = "the mark is set, and the log could not write it down yet: a power cut would lose it"
            raise MarkRefused(HTTPStatus.SERVICE_UNAVAILABLE, text) from error
        return told
