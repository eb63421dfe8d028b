"""A mark from the page is refused where it could not be kept, or where nobody could tell when it ends."""

import asyncio
from http import HTTPStatus
from typing import Any

import pytest

from gateway.actions import Actions, Asked
from gateway.clock import ClockState
from gateway.health.asking import MarkRefused
from gateway.marking import PageMarking
from gateway.pipeline.marks import Marks
from gateway.reading import Event
from gateway.told import Told
from tests.fakes.parts import FakeClock

CLOCK: Any = FakeClock()
MARK = {"instrument": "plc", "flag": "M", "who": "Li Wei", "until": CLOCK.now_ms() + 1}


class Setting:
    """One instrument; what the log was told and asked to keep."""

    def __init__(self, clock: FakeClock, taken_up: bool = True) -> None:
        self.told: list[Event] = []
        self.marks = Marks()
        self.can_commit = asyncio.Event()
        asked: Any = {"plc": Asked(None, None)}  # type: ignore[arg-type]  # a mark asks nothing of the instrument
        fake: Any = clock
        actions = Actions(
            asked, lambda: self.marks, fake, Told(lambda: None), self.told.append, lambda: None, dict  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        self.marking = PageMarking(actions, fake, lambda: taken_up, self.save, commit_s=0.01)

    async def save(self) -> None:
        await self.can_commit.wait()


async def refusal(setting: Setting, **more: Any) -> HTTPStatus:
    """How the mark was refused."""
    with pytest.raises(MarkRefused) as found:
        await setting.marking(MARK | more)
    return found.value.status


async def test_it_is_told_where_it_came_from_and_answered_once_it_is_committed() -> None:
    setting = Setting(FakeClock())
    setting.can_commit.set()
    assert await setting.marking(MARK | {"source": "elsewhere"}) == {
        "instrument": "plc", "flag": "M", "until": MARK["until"]
    }  # fmt: skip
    (event,) = setting.told
    assert (event.kind, event.data["source"], event.data["who"]) == ("mark.set", "page", "Li Wei")


async def test_a_clock_that_is_not_set_or_a_log_that_is_not_open_refuses_and_tells_nothing() -> None:
    for setting in (Setting(FakeClock(known=ClockState.UNSET)), Setting(FakeClock(), taken_up=False)):
        assert await refusal(setting) is HTTPStatus.CONFLICT
        assert (setting.told, dict(setting.marks.as_dict())) == ([], {})


async def test_wrong_arguments_are_400_and_another_instrument_404() -> None:
    setting = Setting(FakeClock())
    now_ms = CLOCK.now_ms()
    for wrong in ({"flag": "D"}, {"who": None}, {"until": now_ms}, {"until": now_ms * 2}, {"until": True}):
        assert await refusal(setting, **wrong) is HTTPStatus.BAD_REQUEST, wrong
    assert await refusal(setting, instrument="other") is HTTPStatus.NOT_FOUND
    assert setting.told == []


async def test_a_log_that_cannot_commit_is_said_and_not_taken_for_kept() -> None:
    setting = Setting(FakeClock())
    assert await refusal(setting) is HTTPStatus.SERVICE_UNAVAILABLE
    assert "plc" in setting.marks
