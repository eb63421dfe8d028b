"""The broker of `fieldgate demo`: mosquitto where it is installed, an embedded one otherwise."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

START_LIMIT_S = 10.0


class NoBroker(Exception):
    """Neither broker can be had; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it listens; amqtt speaks MQTT 3.1.1 only."""

    name: str
    port: int
    protocol: Literal["5", "3.1.1"]


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def broker(folder: Path, choice: Literal["auto", "mosquitto", "embedded"] = "auto") -> AsyncIterator[Broker]:
    """A running broker on a loopback port. Raises NoBroker with advice when there is none to be had."""
    port = free_port()
    mosquitto = shutil.which("mosquitto", path=_path()) if choice != "embedded" else None
    if choice == "mosquitto" and mosquitto is None:
        raise NoBroker("mosquitto is not installed; --broker embedded needs no other program")
    if mosquitto is not None:
        async with _mosquitto(mosquitto, folder, port):
            yield Broker("mosquitto", port, "5")
        return
    try:
        from amqtt.broker import Broker as Embedded
    except ImportError:
        raise NoBroker("no broker: install mosquitto, or the extra: pip install 'fieldgate[demo]'") from None
    embedded = Embedded(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            # without any plugin it authorises nobody
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await embedded.start()
    try:
        yield Broker("embedded (amqtt)", port, "3.1.1")
    finally:
        await embedded.shutdown()


def _path() -> str:
    import os

    # Debian keeps daemons where an ordinary user's PATH does not look
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@asynccontextmanager
async def _mosquitto(program: str, folder: Path, port: int) -> AsyncIterator[None]:
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    process = await asyncio.create_subprocess_exec(program, "-c", str(config), start_new_session=True)
    try:
        await _listening(port, process)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_LIMIT_S):
        while True:
            if process.returncode is not None:
                raise NoBroker(f"mosquitto ended with code {process.returncode} at its start")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)  # a process that starts sends no event
                continue
            writer.close()
            await writer.wait_closed()
            return
