"""A line of so many bytes a second between a client and a server on this machine; what comes back is not slowed."""

import asyncio
from types import TracebackType
from typing import Self

PIECE = 4096
"""What is on the line at once; a modem's buffer is no larger than this, the rest waits at the sender."""


class SlowLine:
    """Listens on `port`. Use as an async context manager."""

    def __init__(self, to_port: int, bytes_per_s: float) -> None:
        self.port = 0
        self._to_port = to_port
        self._bytes_per_s = bytes_per_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=PIECE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._to_port)
        for way in (self._carry(reader, forth, self._bytes_per_s), self._carry(back, writer, None)):
            task = asyncio.create_task(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bytes_per_s: float | None
    ) -> None:
        now = asyncio.get_running_loop().time
        free_at = now()
        try:
            while data := await reader.read(PIECE):
                if bytes_per_s is not None:
                    free_at = max(free_at, now()) + len(data) / bytes_per_s
                    await asyncio.sleep(free_at - now())  # the time that the bytes take: what is modelled
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
