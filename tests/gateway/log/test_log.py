"""The log from outside: what is added comes out committed, chained, once, and stays until it is settled."""

import asyncio
from pathlib import Path

import pytest

from gateway.batch import FIRST_PREV
from gateway.clock import ClockState
from gateway.errors import LogLocked, LogMisplaced
from gateway.log.mark import Mark, Noted
from gateway.reading import Event, Window
from gateway.signing import checkpoint_text, verify
from tests.fakes.feed import signer
from tests.fakes.log import (
    BOOT,
    GATEWAY,
    Readings,
    TurnedClock,
    body,
    committed,
    crc,
    events,
    everything,
    killed,
    opened,
    running,
    unchained,
    values,
)


async def test_a_new_log_begins_a_stream_and_says_so(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        (first,) = await committed(log)
        assert (first.seq, first.stream) == (1, log.stream)
        assert body(first)["prev"] == FIRST_PREV
        assert events([first])[0]["kind"] == "log.started"
        assert events([first])[0]["data"] == {"reason": "new", "previous": None}


@pytest.mark.parametrize("compression", ["none", "zlib"])
async def test_readings_windows_and_events_come_out_once_and_chained(
    path: Path, clock: TurnedClock, compression: str
) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, compression=compression)) as log:
        await committed(log)
        for _ in range(5):
            log.add(readings.next())
            log.add(readings.next("cems-2"))
            log.add_window(Window("cems-1", "1m", 60_000, 0, {"p0": {"n": 1}}))
            await committed(log)
        log.add_event(Event(1, "limit.exceeded", instrument="cems-1"))
        await committed(log)
        batches = await everything(log)
    assert values(batches) == list(range(1, 11))
    assert not unchained(batches)
    assert len([window for batch in batches for window in body(batch)["windows"]]) == 5
    assert [event["kind"] for event in events(batches)] == ["log.started", "limit.exceeded"]
    assert {body(batch)["gateway"] for batch in batches} == {GATEWAY}


async def test_what_is_added_together_is_one_batch_and_an_event_does_not_wait(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, commit_every_s=30.0)) as log:
        await committed(log)
        for _ in range(7):
            log.add(readings.next())
        log.add_event(Event(1, "gateway.started"))
        (batch,) = await committed(log)
    assert values([batch]) == list(range(1, 8))


async def test_a_batch_spans_at_most_a_second_of_readings(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, commit_every_s=30.0)) as log:
        await committed(log)
        for _ in range(10):
            log.add(readings.next())
            clock.turn(0.4)
        log.add_event(Event(1, "gateway.started"))
        batches = await committed(log, 4)
    stamps = [[sample["ts"] for sample in body(batch)["samples"]] for batch in batches]
    assert [len(each) for each in stamps] == [3, 3, 3, 1]
    assert [batch.seq for batch in batches] == [2, 3, 4, 5]


async def test_an_idle_log_does_not_wake_up(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        await committed(log)
        commits = log.commit_seconds.count
        await asyncio.sleep(0.1)  # twenty times commit_every
        assert log.commit_seconds.count == commits


async def test_a_restart_goes_on_where_it_stood(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    for start in range(3):
        async with running(await opened(path, clock)) as log:
            assert log.newest() == start
            log.add(readings.next())
            await committed(log)
            stream = log.stream
    async with running(await opened(path, clock)) as log:
        batches = await everything(log)
        assert log.stream == stream
    assert values(batches) == [1, 2, 3]
    assert not unchained(batches)
    assert len(events(batches, "log.started")) == 1


async def test_after_a_kill_everything_committed_is_there_and_the_stream_goes_on(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock), close=False) as log:
        for _ in range(20):
            log.add(readings.next())
            await committed(log)
        stream, seq = log.stream, log.seq
    async with running(await opened(path, clock)) as log:
        assert (log.stream, log.seq) == (stream, seq)
        assert values(await everything(log)) == list(range(1, 21))
        log.add(readings.next())
        await committed(log)
        assert not unchained(await everything(log))


async def test_each_uplink_is_offered_what_it_has_not_settled(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, uplinks=("city", "county"))) as log:
        await committed(log)
        for _ in range(9):
            log.add(readings.next())
            await committed(log)
        newest = log.newest()
        assert log.backlog("city")[0] == 10
        for position in (newest, 1, 2, 3, 5):
            log.settle("city", position)
        offered = [batch.position for batch in await log.undelivered("city", newest + 1)]
        assert offered == [4, 6, 7, 8, 9]
        assert [batch.position for batch in await log.undelivered("city", 8, after=4, limit=2)] == [6, 7]
        assert len(await log.undelivered("county", newest + 1)) == 10
        assert log.backlog("city") == (5, clock.wall_ms)
    async with running(await opened(path, clock, uplinks=("city", "county"))) as log:
        offered = [batch.position for batch in await log.undelivered("city", newest + 1)]
        assert offered == [4, 6, 7, 8, 9]
        assert log.backlog("county")[0] == log.newest()


async def test_a_repeat_is_byte_for_byte_the_same(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, compression="zlib")) as log:
        log.add(readings.next())
        live = await committed(log)
    async with running(await opened(path, clock, compression="none")) as log:
        assert await log.undelivered("city", live[-1].position + 1) == list(live)


async def test_a_batch_refused_for_good_is_not_offered_again_and_told(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        log.add(readings.next())
        (batch,) = await committed(log)
        log.set_aside("city", batch.position, "0x95 packet too large")
        (told,) = await committed(log)
        assert [other.position for other in await log.undelivered("city", told.position)] == []
        (event,) = events([told], "log.evicted")
    assert event["data"] == {
        "stream": batch.stream, "first": batch.seq, "last": batch.seq, "batches": 1, "from": batch.created_ms,
        "to": batch.created_ms, "uplinks": ["city"], "reason": "refused", "detail": "0x95 packet too large",
    }  # fmt: skip


async def test_a_clean_stop_ends_with_a_signed_checkpoint_of_the_batch_before(path: Path, clock: TurnedClock) -> None:
    key = signer()
    readings = Readings(clock)
    async with running(await opened(path, clock, signer=key)) as log:
        log.add(readings.next())
        await committed(log)
    async with running(await opened(path, clock), close=False) as log:
        batches = await everything(log)
    assert not unchained(batches)
    (event,) = events(batches[-1:])
    assert event["kind"] == "log.checkpoint"
    said = event["data"]
    assert (said["seq"], said["key"]) == (batches[-2].seq, key.key)
    assert said["head"] == body(batches[-1])["prev"]
    text = checkpoint_text(GATEWAY, batches[-1].stream, said["seq"], said["head"])
    assert verify(key.key, text, said["signature"])


async def test_a_sealed_log_is_signed_before_it_is_closed_and_not_once_more(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, signer=signer())) as log:
        log.add(readings.next())
        await committed(log)
        log.seal()
        (last,) = await committed(log)
        assert [event["kind"] for event in events([last])] == ["log.checkpoint"]
    async with running(await opened(path, clock, signer=None)) as log:
        assert log.newest() == last.position
        log.add(readings.next())
        await committed(log)


async def test_what_comes_after_the_seal_is_signed_when_the_log_is_closed(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock, signer=signer())) as log:
        await committed(log)
        log.seal()
        await committed(log)
        log.add_event(Event(1, "uplink.takeover"))
        (last,) = await committed(log)
    async with running(await opened(path, clock, signer=None)) as log:
        assert log.newest() == last.position + 1


async def test_checkpoints_are_signed_hourly(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, signer=signer())) as log:
        await committed(log)
        signed = []
        for _ in range(12):
            clock.turn(900)
            log.add(readings.next())
            signed.append(len(events(await committed(log), "log.checkpoint")))
    assert signed == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]


async def test_state_is_kept_with_the_batch_it_counts(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock), close=False) as log:
        log.add(readings.next())
        log.keep("completeness", b"one")
        (batch,) = await committed(log)
        log.add(readings.next())
        await committed(log)
    async with running(await opened(path, clock)) as log:
        kept = log.kept("completeness")
        assert kept == (batch.position, b"one")
        assert log.kept("other") is None
        assert values([later async for later in log.replay(kept[0])]) == [2]


async def test_a_second_instance_is_refused_and_told_who_holds_the_log(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        with pytest.raises(LogLocked, match=r"process \d+ \(.*python"):
            await opened(path, clock)
        log.add_event(Event(1, "gateway.started"))  # the first one goes on
        await committed(log)
    async with running(await opened(path, clock)):
        pass


async def test_a_missing_folder_is_named(tmp_path: Path, clock: TurnedClock) -> None:
    with pytest.raises(LogMisplaced, match="nowhere"):
        await opened(tmp_path / "nowhere" / "log.db", clock)


async def test_what_is_no_json_is_left_out_and_told(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        await committed(log)
        log.add(readings.next())
        log.add_event(Event(1, "wrong", {"set": {1, 2}}))
        (batch,) = await committed(log)
    assert values([batch]) == [1]
    assert [event["kind"] for event in events([batch])] == ["log.lost"]


async def test_an_unclean_stop_without_its_wal_begins_a_new_stream_and_tells_what_is_missing(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock)) as log:
        log.add(readings.next())
        await committed(log)
        stream, kept = log.stream, log.seq
    async with running(await opened(path, clock), close=False) as log:
        for _ in range(5):
            log.add(readings.next())
            await committed(log)
        lost = log.seq
    path.with_name("log.db-wal").unlink()
    async with running(await opened(path, clock)) as log:
        batches = await committed(log)
        assert log.stream != stream
        started, evicted = events(batches)
        assert started["data"] == {"reason": "tail", "previous": {"stream": stream, "last": lost}}
        assert {name: evicted["data"][name] for name in ("stream", "first", "last", "reason", "uplinks")} == {
            "stream": stream, "first": kept + 1, "last": lost, "reason": "damage", "uplinks": ["city"],
        }  # fmt: skip
        assert values(await everything(log)) == [1]


async def test_a_log_lost_with_its_wal_begins_a_new_stream_and_tells_what_is_missing(
    path: Path, clock: TurnedClock
) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock), close=False) as log:
        for _ in range(5):
            log.add(readings.next())
            await committed(log)
        stream, seq = log.stream, log.seq
    path.with_name("log.db-wal").unlink()
    async with running(await opened(path, clock)) as log:
        batches = list(await committed(log))
        async with asyncio.timeout(20):
            while not events(batches, "log.evicted"):  # told when what is left has been looked through
                batches += await log.committed_after(batches[-1].position)
        started, evicted = events(batches)
        assert started["data"] == {"reason": "damage", "previous": {"stream": stream, "last": seq}}
        assert (evicted["data"]["stream"], evicted["data"]["first"], evicted["data"]["last"]) == (stream, 1, seq)


async def test_a_log_without_its_mark_begins_a_new_stream(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock)) as log:
        await committed(log)
        stream = log.stream
    path.with_name("log.db-mark").unlink()
    log = await opened(path, clock)
    await killed(log)  # before the new stream has a batch: the next start must not go on with the old one
    async with running(await opened(path, clock)) as log:
        batches = await committed(log)
        assert log.stream != stream
        assert events(batches)[0]["kind"] == "log.started"


async def test_another_gateway_id_begins_a_new_stream(path: Path, clock: TurnedClock) -> None:
    from gateway.log import Log
    from tests.fakes.log import Settings

    async with running(await opened(path, clock)) as log:
        await committed(log)
    log = await Log.open(Settings(str(path)), "another", ("city",), clock, None, boot=BOOT)
    async with running(log):
        batches = await committed(log)
    assert events(batches)[0]["data"]["reason"] == "gateway"


async def test_what_is_kept_counts_no_reading_that_was_added_after_it(path: Path, clock: TurnedClock) -> None:
    readings = Readings(clock)
    async with running(await opened(path, clock, commit_every_s=30.0), close=False) as log:
        await committed(log)
        log.add(readings.next())
        log.keep("account", b"1")
        log.add(readings.next())
        log.keep("account", b"2")
        log.add(readings.next())
        log.add_event(Event(1, "gateway.started"))
        await committed(log, 3)
        position, value = log.kept("account") or (0, b"")
        assert value == b"2"
        assert values([batch async for batch in log.replay(position)]) == [3]
    async with running(await opened(path, clock)) as log:
        assert log.kept("account") == (position, b"2")


async def test_state_that_is_saved_is_there_after_a_kill(path: Path, clock: TurnedClock) -> None:
    async with running(await opened(path, clock, commit_every_s=30.0), close=False) as log:
        await log.save("commands", b"id 1")
    async with running(await opened(path, clock)) as log:
        assert (log.kept("commands") or (0, b""))[1] == b"id 1"


async def test_a_kill_does_not_lengthen_the_time_that_readings_are_held_back(path: Path, clock: TurnedClock) -> None:
    clock.known = ClockState.UNSET
    readings = Readings(clock)
    for seconds in (400.0, 190.0):  # two lives of one boot, each ended by a kill, all within hold_s
        async with running(await opened(path, clock, hold_s=600.0), close=False) as log:
            log.add(readings.next())
            log.add_event(Event(1, "gateway.started"))
            await committed(log)
            assert log.holding
            clock.turn(seconds)
    clock.turn(20.0)
    async with running(await opened(path, clock, hold_s=600.0)) as log:
        log.add(readings.next())
        log.add_event(Event(1, "gateway.started"))
        await committed(log)
        assert not log.holding, "610 s after the first reading of this boot"
        async with asyncio.timeout(20):
            while len(values(batches := await everything(log))) < 3:  # the held ones go first
                await log.committed_after(batches[-1].position)
    assert values(batches) == [1, 2, 3]


@pytest.mark.parametrize("lost", ["file", "header", "older copy", "nothing"])
async def test_how_long_something_saved_matters_outlives_the_file(path: Path, clock: TurnedClock, lost: str) -> None:
    until_ms = clock.wall_ms + 90_000
    async with running(await opened(path, clock)) as log:
        await log.save("commands", b"none", 0)
        older = path.read_bytes()
        assert log.saved_until_ms == 0
    async with running(await opened(path, clock), close=False) as log:
        await log.save("commands", b"one", until_ms)
        await log.save("commands", b"two", until_ms - 5)
    if lost != "nothing":
        path.with_name("log.db-wal").unlink()
        path.write_bytes(older if lost == "older copy" else bytes(100) + older[100:])
    if lost == "file":
        path.unlink()
    for _ in range(2):  # it is not forgotten at the start after that
        async with running(await opened(path, clock)) as log:
            assert log.saved_until_ms == until_ms
            kept = log.kept("commands")
            assert (kept is not None and kept[1] == b"two") == (lost == "nothing")


async def test_without_its_mark_what_was_saved_in_a_damaged_log_may_matter_for_an_hour(
    path: Path, clock: TurnedClock
) -> None:
    async with running(await opened(path, clock)) as log:
        await log.save("commands", b"one", clock.wall_ms + 90_000)
    path.with_name("log.db-mark").unlink()
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    async with running(await opened(path, clock)) as log:
        assert log.saved_until_ms == clock.wall_ms + 3_600_000
    assert Mark(path.with_name("log.db-mark")).read().saved_until_ms == clock.wall_ms + 3_600_000


def test_a_mark_of_an_older_release_is_read(tmp_path: Path) -> None:
    words = ["open", "01JD9QAAAA", "7", "9", "b00t"]
    text = " ".join([*words, f"{crc(' '.join(words).encode()):08x}"])
    (tmp_path / "mark").write_text(text.ljust(255) + "\n")
    assert Mark(tmp_path / "mark").read() == Noted(True, "01JD9QAAAA", 7, 9, "b00t", 0)
