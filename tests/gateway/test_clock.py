"""The state of the wall clock, and its steps as events."""

import asyncio
import ctypes
import os
import stat
from pathlib import Path

import pytest

from gateway import clock as clocks
from gateway.clock import RELEASE_MS, ClockState, ClockWatch, SystemClock, chrony_synced
from gateway.reading import Event
from tests.fakes import virtual_time

DAY_MS = 86_400_000


class TurnedClock(SystemClock):
    """The machine's clock with its wall turned by hand, and what the machine would say of it."""

    def __init__(self, now_ms: int = RELEASE_MS + DAY_MS) -> None:
        super().__init__()
        self.ahead_ms = now_ms - 1_000_000  # where virtual time begins
        self.said: bool | None = None
        self.looks = self.glances = 0

    def now_ms(self) -> int:
        return self.ahead_ms + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def look(self) -> None:
        self.looks += 1
        self._learn(self.said)

    def glance(self) -> None:
        self.glances += 1
        if self.said:
            self._learn(True)


async def test_a_clock_before_this_release_is_unset_whatever_anybody_says() -> None:
    clock = TurnedClock(RELEASE_MS - 30 * DAY_MS)
    clock.said = True
    await clock.look()
    assert clock.state() is ClockState.UNSET


async def test_a_plausible_clock_is_holdover_until_somebody_confirms_it() -> None:
    clock = TurnedClock()
    assert clock.state() is ClockState.HOLDOVER
    clock.said = True
    clock.glance()
    assert clock.state() is ClockState.SYNCED
    clock.said = False
    clock.glance()
    assert clock.state() is ClockState.SYNCED  # only a full look takes it back
    await clock.look()
    assert clock.state() is ClockState.HOLDOVER


async def test_a_clock_before_the_last_batch_is_unset_at_the_start_only() -> None:
    clock = TurnedClock()
    clock.not_before(clock.now_ms() + 3_600_000)
    assert clock.state() is ClockState.UNSET
    clock.ahead_ms += 3_600_000
    assert clock.state() is ClockState.HOLDOVER
    clock.ahead_ms -= 7_200_000
    assert clock.state() is ClockState.HOLDOVER
    confirmed = TurnedClock()
    confirmed.not_before(confirmed.now_ms() + 3_600_000)
    confirmed.said = True
    await confirmed.look()
    assert confirmed.state() is ClockState.SYNCED
    confirmed.said = False
    await confirmed.look()
    assert confirmed.state() is ClockState.HOLDOVER


def watched(*steps_ms: int, unset: bool = False, said: bool | None = None) -> tuple[TurnedClock, list[Event]]:
    """A watch over steps ten seconds apart, in virtual time."""
    events: list[Event] = []

    async def watch() -> TurnedClock:
        clock = TurnedClock(RELEASE_MS - DAY_MS if unset else RELEASE_MS + DAY_MS)
        watching = asyncio.create_task(ClockWatch(clock, events.append).run())
        clock.said = said
        await asyncio.sleep(2.5)
        for by_ms in steps_ms:
            clock.ahead_ms += by_ms
            await asyncio.sleep(10)
        watching.cancel()
        return clock

    return virtual_time.run(watch()), events


@pytest.mark.parametrize("by_ms", [3_600_000, -3_600_000, 315_576_000_000, 250, -250])
def test_a_step_is_one_event(by_ms: int) -> None:
    clock, events = watched(by_ms)
    assert [(event.kind, event.data) for event in events] == [("clock.stepped", {"by_ms": by_ms})]
    assert clock.steps == 1


def test_slewing_is_no_step() -> None:
    clock, events = watched(*[5] * 20)
    assert not events
    assert clock.steps == 0


def test_a_change_of_state_is_an_event_and_an_unset_start_too() -> None:
    _, events = watched(2 * DAY_MS, unset=True)
    assert [event.kind for event in events] == ["clock.unset", "clock.stepped", "clock.holdover"]
    _, events = watched(-2 * DAY_MS)
    assert [event.kind for event in events] == ["clock.stepped", "clock.unset"]


def test_a_confirmation_is_noticed_within_a_second_and_then_nobody_is_asked_every_second() -> None:
    clock, events = watched(0, 0, said=True)
    assert [event.kind for event in events] == ["clock.synced"]
    assert clock.glances == 1
    assert clock.looks == 2


CHRONY = {  # chronyc -c tracking of chrony 4.3, one CSV line; the last field is the leap status
    "synchronised": "C0A80101,192.0.2.1,3,1764000000.1,0.0001,0.0001,0.0002,-1.2,0.0,0.1,0.02,0.001,64.2,Normal",
    "free": "7F7F0101,,0,0.000000000,0.000000000,0.0,0.0,0.000,0.000,0.000,1.0,1.0,0.0,Not synchronised",
}


@pytest.mark.parametrize(
    ("script", "known"),
    [
        (f"echo '{CHRONY['synchronised']}'", True),
        (f"echo '{CHRONY['free']}'", False),
        ("echo '506 Cannot talk to daemon'; exit 1", None),
        ("exit 0", None),
        ("exec sleep 60", None),
    ],
    ids=["synchronised", "free", "no daemon", "silent", "hangs"],
)
async def test_chrony_is_believed_when_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, known: bool | None
) -> None:
    program = tmp_path / "chronyc"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(clocks, "CHRONYC_LIMIT_S", 0.5 if known is None and "sleep" in script else 10.0)
    assert await chrony_synced() is known


def test_the_mark_of_timesyncd_counts_where_the_kernel_does_not_say_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "synchronized"
    monkeypatch.setattr(clocks, "TIMESYNCD_MARK", mark)
    for said in (None, False):
        monkeypatch.setattr(clocks, "kernel_synced", lambda said=said: said)
        assert clocks.machine_synced() is said
    mark.touch()
    assert clocks.machine_synced() is True


def test_the_kernel_is_asked_without_changing_anything() -> None:
    assert clocks.kernel_synced() in (True, False, None)


def test_the_kernel_is_asked_again_without_loading_the_library_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = clocks.kernel_synced()

    def refused(*_: object, **__: object) -> object:
        raise AssertionError("loaded again")

    monkeypatch.setattr(ctypes, "CDLL", refused)
    assert clocks.kernel_synced() is first


def test_a_glance_at_the_machine_learns_of_timesyncd_s_mark_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "synchronized"
    monkeypatch.setattr(clocks, "TIMESYNCD_MARK", mark)
    monkeypatch.setattr(clocks, "kernel_synced", lambda: False)
    monkeypatch.setattr(clocks, "RELEASE_MS", 0)  # whatever the clock of this machine says
    clock = SystemClock()
    clock.glance()  # no loop runs here: nothing is awaited and no thread is asked
    assert clock.state() is ClockState.HOLDOVER
    mark.touch()
    clock.glance()
    assert clock.state() is ClockState.SYNCED
    mark.unlink()
    clock.glance()
    assert clock.state() is ClockState.SYNCED
