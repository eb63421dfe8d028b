"""mbpoll, somebody else's master, reads and writes our simulated slaves: on a pseudo-terminal and over TCP."""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.simulator.ports import PtyPort, TcpPort
from drivers.simulator.slave import Slave
from drivers.simulator.slave_framing import FRAMINGS
from drivers.simulator.unit import Memory

FLOAT = struct.unpack(">2H", struct.pack(">f", 12.5))


def memory() -> Memory:
    return Memory(
        {
            1: {3: 1, 4: 0, 5: 1},
            2: {0: 0, 1: 1, 2: 1},
            3: {at: at * 500 for at in range(100)},
            4: dict(enumerate(FLOAT)),
        }
    )


@asynccontextmanager
async def simulated(kind: str, unit: Memory) -> AsyncIterator[list[str]]:
    """mbpoll's arguments for a slave of that unit as number 7."""
    slave = Slave({7: unit})
    if kind == "rtu":
        async with PtyPort(slave, FRAMINGS["rtu"], 11 / 19200) as pty:
            yield ["-m", "rtu", "-b", "19200", "-P", "none", pty.path]
    else:
        async with TcpPort(slave, FRAMINGS["tcp"]) as tcp:
            yield ["-m", "tcp", "-p", str(tcp.port), "127.0.0.1"]


async def mbpoll(*arguments: str) -> str:
    """What it prints, asked once with a generous timeout."""
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-1", "-0", "-a", "7", "-o", "10", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(50):
        said, _ = await process.communicate()
    return said.decode()


def values(said: str) -> list[float]:
    """The numbers of lines such as `[3]: \t1500`."""
    return [float(text) for text in re.findall(r"^\[\d+\]:\s+(\S+)", said, re.MULTILINE)]


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_every_table_is_read_as_it_is(kind: str) -> None:
    async with simulated(kind, memory()) as where:
        assert values(await mbpoll("-t", "0", "-r", "3", "-c", "3", *where)) == [1, 0, 1]
        assert values(await mbpoll("-t", "1", "-r", "0", "-c", "3", *where)) == [0, 1, 1]
        assert values(await mbpoll("-t", "4", "-r", "0", "-c", "60", *where)) == [at * 500 for at in range(60)]
        assert values(await mbpoll("-t", "3:float", "-B", "-r", "0", *where)) == [12.5]


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_what_it_writes_is_there(kind: str) -> None:
    unit = memory()
    async with simulated(kind, unit) as where:
        assert "Written 1 reference" in await mbpoll("-t", "4", "-r", "10", *where, "4321")
        assert "Written 2 reference" in await mbpoll("-t", "4", "-r", "20", *where, "7", "8")
        assert "Written 1 reference" in await mbpoll("-t", "0", "-r", "4", *where, "1")
    assert (unit.tables[3][10], unit.tables[3][20], unit.tables[3][21], unit.tables[1][4]) == (4321, 7, 8, 1)


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_what_is_not_there_is_refused(kind: str) -> None:
    async with simulated(kind, memory()) as where:
        assert "Illegal data address" in await mbpoll("-t", "4", "-r", "99", "-c", "2", *where)
