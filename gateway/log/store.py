"""The log's one connection to its database, and the thread it lives in."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import aiosqlite

from gateway.log.database import connect

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Everything that touches the database goes through `call`, one after the other."""

    def __init__(self, connection: aiosqlite.Connection, written: "Written") -> None:
        self._connection = connection
        self.written = written

    @classmethod
    async def open(cls, path: Path, wal_bytes: int) -> "Store":
        """Raises sqlite3.Error."""
        connection = aiosqlite.Connection(partial(connect, path, wal_bytes), iter_chunk_size=64)
        store = cls(await connection, Written())
        await store.call(store.written.begin)
        return store

    async def call(self, job: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `job(connection, …)` in the database's thread. A cancelled caller does not stop the job.

        aiosqlite's public methods cost one thread hop a statement; a commit here is one hop in all (its `_execute`
        and `_tx` are private, therefore aiosqlite is pinned to a minor version and tests/gateway/log/test_store.py
        holds it to this).
        """
        execute = cast("Callable[..., Awaitable[T]]", self._connection._execute)
        return await execute(job, self._connection._conn, *args, **kwargs)

    def begin(
        self, job: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        """As `call`, begun at once and without a task: the future is done when the job is. Not after `close`."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._connection._tx.put_nowait((done, partial(job, self._connection._conn, *args, **kwargs)))
        return done

    async def close(self) -> None:
        """Close the connection and end its thread. Raises sqlite3.Error."""
        await self._connection.close()

    async def abandon(self) -> None:
        """Close what may be broken: an error on the way is of no interest any more."""
        with contextlib.suppress(sqlite3.Error, OSError):
            await asyncio.shield(self._connection.close())


class Written:
    """Bytes that the database's thread has caused to be written to the disk: WAL, checkpoints, blocks and all.

    Linux accounts them by thread (`write_bytes` of /proc/thread-self/io: whole blocks of the page cache made dirty,
    which is what reaches flash, without the file system's own journal). On a kernel without that account, and on
    tmpfs, it stays 0.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._handle: int | None = None
        self._start = 0

    def begin(self, _: sqlite3.Connection) -> None:
        """To be called in the thread that is measured."""
        with contextlib.suppress(OSError):
            self._handle = os.open("/proc/thread-self/io", os.O_RDONLY | os.O_CLOEXEC)
            self._start = self._read()

    def update(self) -> int:
        """What was written since `begin`."""
        if self._handle is not None:
            self.bytes = self._read() - self._start
        return self.bytes

    def end(self) -> None:
        """Let the account go."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _read(self) -> int:
        assert self._handle is not None
        for line in os.pread(self._handle, 1024, 0).split(b"\n"):
            if line.startswith(b"write_bytes:"):
                return int(line[12:])
        return 0
