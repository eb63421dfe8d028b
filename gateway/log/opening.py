"""What is found when a log is opened, and what follows from it: go on, or begin a new stream.

A stream goes on only where it is certain that none of its batches can be missing at the end. Otherwise a new one
begins, whose first event `log.started` says why: `new` (there was no log), `damage` (the file was damaged or lost;
it has been moved aside and is salvaged), `tail` (the newest batches may be missing: the WAL of an unclean stop is
gone, or ends in something that is no whole commit, or the mark names a later batch), `unmarked` (the log came
without its mark: a copy or a restored back-up), `gateway` (the gateway was given another id).
"""

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.batch import Batch, plain
from gateway.errors import LogMisplaced
from gateway.log.database import Standing, inspect, is_damage, save
from gateway.log.eviction import Report
from gateway.log.files import DAMAGED, Files
from gateway.log.intervals import Intervals
from gateway.log.mark import Mark, Noted
from gateway.log.row import Damaged
from gateway.log.store import Store
from gateway.log.stream import began_ms
from gateway.log.work import GONE, End

ORIGIN = "origin"
"""State: where the positions of this file begin, why it was made, and which stream was before."""

SHORT_LIVED_MS = 3_600_000
"""Commands are to expire within minutes; one that is valid for longer than this is not protected without the mark."""

GENERATION = 1 << 40
"""Positions of a file made after damage begin at the next multiple: above all old ones, whatever they were."""


@dataclass(slots=True)
class Opening:
    """A log ready for its next batch. `reason` is why a new stream begins; None if the newest batch's goes on, or the
    one that this process has begun, which has no batch yet (`begun`)."""

    store: Store
    standing: Standing
    noted: Noted | None
    reason: str | None
    previous: Mapping[str, Any] | None
    origin: Mapping[str, Any]
    begun: bool = False

    @property
    def position(self) -> int:
        """Position of the newest batch; before the first, the one from which positions are counted."""
        newest = self.standing.newest
        return newest.position if newest is not None else int(self.origin["begins"]) - 1


async def open_store(
    files: Files,
    mark: Mark,
    wal_bytes: int,
    gateway: str,
    boot: str,
    now_ms: int,
    running: End | None,
    damaged: bool,
) -> Opening:
    """Open the database, moved aside and made anew if it is damaged or `damaged` says so.

    `running` is the newest batch as this process knows it, None at start. Raises LogTooNew, LogMisplaced,
    sqlite3.Error and OSError: then nothing was changed that another attempt would not take up.
    """
    noted, wal_gone = await asyncio.to_thread(_look, files, mark)
    if running is not None:
        noted, wal_gone = Noted(True, running.stream, running.seq, running.position, boot), False
    lost = await asyncio.to_thread(_lost, files)
    if damaged or lost:
        await asyncio.to_thread(files.quarantine, now_ms)
    try:
        store, standing = await _opened(files, wal_bytes, noted)
    except (Damaged, sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error) and not _forbids(error, files):
            _explain(files)
            raise
        await asyncio.to_thread(files.quarantine, now_ms)
        store, standing = await _opened(files, wal_bytes, None)
    try:
        origin = await _origin(store, standing, noted, running, bool(files.aside(DAMAGED)), now_ms)
        begun = running is not None and running.seq == 0 and _same_end(standing, running)
        reason = None if begun else _reason(standing, noted, origin, wal_gone, boot, gateway, running is not None)
    except BaseException:
        await store.abandon()
        raise
    return Opening(store, standing, noted, reason, _previous(standing, noted, origin), origin, begun)


def _same_end(standing: Standing, running: End) -> bool:
    return standing.newest is not None and standing.newest.position == running.position


def mark_at_opening(opening: Opening, boot: str, saved_until_ms: int) -> Noted:
    """The newest batch; before a stream's first one, a mark with which the next start would begin it anew."""
    newest, noted = opening.standing.newest, opening.noted
    if opening.reason is None and not opening.begun and newest is not None:
        return Noted(True, newest.stream, newest.seq, newest.position, boot, saved_until_ms)
    if newest is not None and noted is not None and noted.position > newest.position:
        return replace(noted, running=True, saved_until_ms=saved_until_ms)  # it knows of batches that are missing
    return Noted(True, "", 0, opening.position, boot, saved_until_ms)


def saved_until_ms(opening: Opening, now_ms: int) -> int:
    """Until when something matters that was saved in this log and may be lost with it; `now_ms` of a clock that is
    not behind the log. Without the mark nobody knows: so long after now as what is short-lived may matter."""
    if opening.noted is not None:
        return opening.noted.saved_until_ms
    return 0 if opening.reason in (None, "new") else now_ms + SHORT_LIVED_MS


def missing_tail(opening: Opening, uplinks: tuple[str, ...], now_ms: int) -> list[Report]:
    """Batches that the mark knows and the file has not."""
    noted, newest = opening.noted, opening.standing.newest
    if noted is None or not noted.seq or not uplinks:
        return []
    if newest is None or newest.position < opening.origin["begins"]:
        return [_lacking(noted.stream, 1, noted.seq, began_ms(noted.stream), now_ms, uplinks)]
    if newest.position >= noted.position:
        return []
    if newest.stream == noted.stream:
        return [_lacking(noted.stream, newest.seq + 1, noted.seq, newest.created_ms, now_ms, uplinks)]
    # all of the stream that the mark names is gone, and what was between it and the newest batch
    began = began_ms(noted.stream)
    lost = [_lacking(noted.stream, 1, noted.seq, began, now_ms, uplinks)]
    between = noted.position - noted.seq - newest.position
    if between > 0:
        lost.append(_lacking(newest.stream, newest.seq + 1, newest.seq + between, newest.created_ms, began, uplinks))
    return lost


def _lacking(stream: str, first: int, last: int, from_ms: int, to_ms: int, uplinks: tuple[str, ...]) -> Report:
    return Report(stream, first, last, last - first + 1, from_ms, max(to_ms, from_ms), uplinks, "damage")


def _look(files: Files, mark: Mark) -> tuple[Noted | None, bool]:
    return mark.read(), not files.wal.exists()


def _lost(files: Files) -> bool:
    """Whether there is a WAL to an absent or empty database: SQLite would throw it away."""
    length = files.path.stat().st_size if files.path.exists() else 0
    return length == 0 and files.wal.exists() and files.wal.stat().st_size > 0


def _forbids(error: Exception, files: Files) -> bool:
    """Whether the file itself forbids writing (a number in its header does) though the disk allows it: damage."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_READONLY and os.access(files.path, os.W_OK)


def _explain(files: Files) -> None:
    """Raise LogMisplaced where the file is there and not ours to write: that is no fault that heals."""
    if files.path.is_dir() or (files.path.exists() and not os.access(files.path, os.R_OK | os.W_OK)):
        writable_disk = os.access(files.path.parent, os.W_OK)
        if writable_disk or files.path.is_dir():
            raise LogMisplaced(f"{files.path}: this is not a file that the gateway's user may read and write")


async def _opened(files: Files, wal_bytes: int, noted: Noted | None) -> tuple[Store, Standing]:
    store = await Store.open(files.path, wal_bytes)
    try:
        standing = await store.call(inspect, files.path)
        if standing.states:  # else it was made just now
            _agree(standing.newest, noted)
        return store, standing
    except BaseException:
        await store.abandon()
        raise


def _agree(newest: Batch | None, noted: Noted | None) -> None:
    """Position and seq rise together in a stream. Raises Damaged where the newest batch is not where the mark's one
    puts it (going on from there would give a seq twice), and where one is missing that a clean stop left there."""
    if noted is None or not noted.seq:
        return
    if newest is None or (not noted.running and noted.position > newest.position):
        raise Damaged(f"batch {noted.stream} {noted.seq} is not there, which the mark names")
    if newest.stream == noted.stream and newest.position - newest.seq != noted.position - noted.seq:
        raise Damaged(f"batch {newest.stream} {newest.seq} at position {newest.position}, which the mark denies")


async def _origin(
    store: Store, standing: Standing, noted: Noted | None, running: End | None, damaged: bool, now_ms: int
) -> Mapping[str, Any]:
    """The file's origin, written into it before its first batch."""
    if ORIGIN in standing.states:
        origin: Mapping[str, Any] = orjson.loads(standing.states[ORIGIN][1])
        return origin
    before = max(noted.position if noted else 0, running.position if running else 0)
    begins = 1
    if damaged or noted is not None:
        begins = (before // GENERATION + 1) * GENERATION
    origin = {
        "begins": begins,
        "reason": "damage" if damaged or noted is not None else "new",
        "stream": noted.stream if noted else "",
        "seq": noted.seq if noted else 0,
        "position": before,
        "since": began_ms(noted.stream) if noted and noted.stream else now_ms,  # when the first batch of all was made
        # readings of a batch whose commit had no known outcome go into the new stream: it must not be salvaged
        "believed": running is not None,
    }
    gone = Intervals([(1, begins - 1)])
    await store.call(save_all, {ORIGIN: orjson.dumps(origin), GONE: gone.written()})
    standing.states[ORIGIN] = (0, orjson.dumps(origin))
    standing.states[GONE] = (0, gone.written())
    return origin


def save_all(connection: sqlite3.Connection, states: Mapping[str, bytes | None]) -> None:
    """Save in a transaction of its own. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        save(connection, states, 0)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _reason(
    standing: Standing,
    noted: Noted | None,
    origin: Mapping[str, Any],
    wal_gone: bool,
    boot: str,
    gateway: str,
    live: bool,
) -> str | None:
    newest = standing.newest
    if newest is None or newest.position < origin["begins"]:
        return str(origin["reason"])
    if noted is None:
        return "unmarked"
    if noted.position > newest.position:
        return "tail"
    if noted.position == newest.position and (noted.stream, noted.seq) != (newest.stream, newest.seq):
        return "tail"
    if live:
        return None
    if noted.running and wal_gone:
        return "tail"
    if noted.running and standing.torn and (not boot or noted.boot != boot):
        return "tail"
    return None if orjson.loads(plain(newest.body))["gateway"] == gateway else "gateway"


def _previous(standing: Standing, noted: Noted | None, origin: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The stream before a new one, with the last seq that is known of it."""
    newest = standing.newest
    if newest is not None and newest.position >= origin["begins"]:
        if noted is not None and noted.stream and noted.position >= newest.position:
            return {"stream": noted.stream, "last": noted.seq}
        return {"stream": newest.stream, "last": newest.seq}
    return {"stream": origin["stream"], "last": origin["seq"]} if origin["stream"] else None
