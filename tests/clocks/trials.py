"""What is done to the wall clock, and what must hold."""

import random
import sqlite3
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.clocks.setting import PERIOD_MS, Setting, setting, sound, unmeasured
from tests.clocks.turned import FREE, SYNCHRONISED
from tests.system.harness import until

HOUR_S, YEAR_S = 3600.0, 365.25 * 86400.0
STEPS_S = (HOUR_S, -HOUR_S, 10 * YEAR_S, -10 * YEAR_S)
EPOCH_S = -1_764_000_000.0
"""So far back the clock stands in January 1970."""
TOLERANCE_MS = 300


def steps(folder: Path, count: int, chance: random.Random, told: Callable[[str], None]) -> list[str]:
    """Step the clock while running: an event each, and polling, order and delivery go on as if nothing were."""
    wrong: list[str] = []
    with setting(folder) as on:
        on.more(10)
        quiet = load(on)
        for number in range(count):
            before = len(on.events("clock.stepped"))
            here = on.clock.offset_s
            # there and back, and there from anywhere: years do not add up to a clock that no file system takes
            there = chance.choice([step for step in (*STEPS_S, 0.0) if step != here])
            on.clock.set(there)
            seen = until(lambda n=before: on.events("clock.stepped")[n:], "the step as an event")
            by_ms = seen[0]["data"]["by_ms"]
            if abs(by_ms - 1000 * (there - here)) > TOLERANCE_MS:
                wrong.append(f"a step of {there - here:.0f} s was told as {by_ms} ms")
            on.more(10)
            wrong += state_after(on, there)
            if (number + 1) % 10 == 0:
                told(f"{number + 1} of {count} steps")
        stepped = load(on)
        if stepped > 3 * quiet + 0.2:
            wrong.append(f"busy: {stepped:.2f} of a core after the steps, {quiet:.2f} before")
        if on.births() != 1:
            wrong.append(f"{on.births()} connections of the uplink")
        requests = list(on.tap.at_s)
        assert on.gateway.stop() == 0
        wrong += sound(on)
        wrong += missed(requests)
        given = [sample for sample in on.readings() if not sample["flags"]]
        if abs(len(given) - len(requests)) > 5:
            wrong.append(f"{len(given)} readings of {len(requests)} polls")
        told(f"{count} steps, {len(given)} readings, {len(wrong)} findings")
    return wrong


def state_after(on: Setting, offset_s: float) -> list[str]:
    """The clock's state in the newest batch: before this release's date nothing is believed."""
    state = on.feed.batches()[-1].body["clock"]
    wanted = "unset" if offset_s <= -10 * YEAR_S else "holdover"
    return [] if state == wanted else [f"clock {state!r} instead of {wanted!r} at {offset_s:.0f} s"]


def load(on: Setting, seconds: float = 1.5) -> float:
    """Share of a core that the gateway takes."""
    began_s, cpu_s = time.monotonic(), on.cpu_s()
    time.sleep(seconds)  # what is measured is time
    return (on.cpu_s() - cpu_s) / (time.monotonic() - began_s)


def missed(at_s: list[float]) -> list[str]:
    """Pauses of the polling, as the slave saw it: the wall clock's steps are none of its business."""
    longest = max((other - one for one, other in pairwise(at_s)), default=0.0)
    return [f"a pause of {longest:.2f} s in the polling"] if longest > 20 * PERIOD_MS / 1000 else []


def unset_at_boot(folder: Path, killed: bool, told: Callable[[str], None]) -> list[str]:
    """Start in 1970, be killed while readings are held if `killed`, then set the clock: all are re-dated exactly."""
    with setting(folder, EPOCH_S) as on:
        until(lambda: len(on.tap.requests) >= 15 and on.status()["log"]["holding"], "held readings")
        if killed:
            on.gateway.kill()
            on.gateway.start()
            have = len(on.tap.requests)
            until(lambda: len(on.tap.requests) >= have + 15, "more held readings")
        wrong = [f"{len(on.readings())} readings went out under an unset clock"] if on.readings() else []
        held = len(on.tap.requests)
        on.clock.set(0.0, SYNCHRONISED)
        released = until(lambda: on.events("log.released"), "the release")
        on.more(10)
        until(lambda: on.feed.batches()[-1].body["clock"] == "synced", "the state of the clock")
        assert on.gateway.stop() == 0
        released = on.events("log.released")
        wrong += sound(on)
        samples = on.readings()
        if not all(event["data"]["redated"] for event in released):
            wrong.append("readings of this boot were released as they were")
        count = sum(event["data"]["readings"] for event in released)
        # a kill takes what was not committed yet: 50 ms of readings
        if not held - 3 - 2 * killed <= count <= held + 10:
            wrong.append(f"{count} re-dated of {held} polls")
        wrong += unmeasured(on, samples)
        wrong += [
            f"due {other['ts'] - other['lag']} after {one['ts'] - one['lag']}"
            for one, other in pairwise(samples)
            if other["ts"] - other["lag"] <= one["ts"] - one["lag"] - TOLERANCE_MS
        ]
        told(f"unset at boot{', killed' if killed else ''}: {count} of {held} re-dated, {len(wrong)} findings")
    return wrong


def unset_and_rebooted(folder: Path, told: Callable[[str], None]) -> list[str]:
    """Held readings found after a reboot have no boot clock any more: they go out as they are, and say so."""
    with setting(folder, EPOCH_S, environment={"FIELDGATE_BOOT_ID": "first"}) as on:
        until(lambda: len(on.tap.requests) >= 15 and on.status()["log"]["holding"], "held readings")
        on.gateway.kill()
        held = len(on.tap.requests)
        on.gateway.environment["FIELDGATE_BOOT_ID"] = "second"
        on.clock.set(0.0)
        on.gateway.start()
        until(lambda: on.events("log.released"), "the release")
        on.more(5)
        assert on.gateway.stop() == 0
        wrong = sound(on)
        released = on.events("log.released")
        if any(event["data"]["redated"] for event in released):
            wrong.append("readings of another boot were re-dated")
        old = [s for m in on.feed.batches() if m.body["clock"] == "unset" for s in m.body["samples"]]
        if not held - 3 <= len(old) <= held:
            wrong.append(f"{len(old)} of {held} held readings were released")
        wrong += unmeasured(on, old, round(EPOCH_S * 1000))
        told(f"rebooted: {len(old)} of {held} released as they were, {len(wrong)} findings")
    return wrong


def never_set(folder: Path, told: Callable[[str], None]) -> list[str]:
    """The clock stays wrong: when the hold ends, everything goes out as it is, and further readings at once."""
    with setting(folder, EPOCH_S, hold="2s") as on:
        until(lambda: on.readings() and on.events("log.released"), "the end of the hold")
        on.more(10)
        assert on.gateway.stop() == 0
        wrong = sound(on)
        wrong += unmeasured(on, on.readings(), round(EPOCH_S * 1000))
        if {m.body["clock"] for m in on.feed.batches()} != {"unset"}:
            wrong.append("a batch that says more of the clock than is known")
        if any(event["data"]["redated"] for event in on.events("log.released")):
            wrong.append("re-dated without a time")
        told(f"never set: {len(on.readings())} readings, {len(wrong)} findings")
    return wrong


def behind_the_log(folder: Path, told: Callable[[str], None]) -> list[str]:
    """A restart with the clock an hour back: not believed unless it is confirmed."""
    with setting(folder) as on:
        on.more(10)
        assert on.gateway.stop() == 0
        seen = len(on.readings())
        on.clock.set(-HOUR_S, FREE)
        on.gateway.start()
        until(lambda: on.births() == 2 and on.status()["log"]["holding"], "readings held behind the log")
        wrong = [] if on.status()["clock"]["state"] == "unset" else ["a clock behind the log was believed"]
        on.clock.set(-HOUR_S, SYNCHRONISED)  # confirmed after all: the log's end was wrong
        until(lambda: len(on.readings()) > seen, "readings under the confirmed clock", 40)
        on.more(5)
        if on.status()["clock"]["state"] != "synced":
            wrong.append("a confirmed clock was not believed")
        assert on.gateway.stop() == 0
        wrong += sound(on)
        told(f"behind the log: {len(on.readings()) - seen} readings after the confirmation, {len(wrong)} findings")
    return wrong


def years_ahead(folder: Path, told: Callable[[str], None]) -> list[str]:
    """A clock ten years ahead that says it is synchronised, at a start and while running, takes nothing away."""
    with setting(folder) as on:
        on.more(10)
        assert on.gateway.stop() == 0
        on.clock.set(10 * YEAR_S, SYNCHRONISED)
        on.gateway.start()
        until(lambda: on.feed.batches()[-1].body["clock"] == "synced", "the state of the clock")
        on.more(10)
        if on.feed.batches()[-1].body["created"] < time.time() * 1000 + 9 * YEAR_S * 1000:
            return ["the clock was not turned"]
        on.clock.set(0.0)
        on.more(5)
        assert on.gateway.stop() == 0
        wrong = sound(on) + [f"told as evicted: {event['data']}" for event in on.events("log.evicted")]
        database = sqlite3.connect(folder / "log.db")
        rows = database.execute("SELECT seq FROM batches ORDER BY position").fetchall()
        database.close()
        if [seq for (seq,) in rows] != list(range(1, len(rows) + 1)):
            wrong.append(f"the log holds {len(rows)} batches, from {rows[0]} to {rows[-1]}")
        told(f"years ahead: {len(rows)} batches kept, {len(wrong)} findings")
    return wrong
