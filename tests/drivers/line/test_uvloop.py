"""The optional event loop uvloop carries the lines as asyncio's own does."""

import asyncio

import pytest

from drivers.line.wire import open_network
from drivers.profile import LineSpec

uvloop = pytest.importorskip("uvloop")


def test_bytes_go_out_and_come_in_on_uvloop() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        spec = LineSpec(name="plc", kind="tcp", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        wire = await open_network(spec, came.set_result, lambda why: None)
        try:
            wire.write(b"asked")
            async with asyncio.timeout(20):
                return await came
        finally:
            wire.close()
            server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == b"asked"
