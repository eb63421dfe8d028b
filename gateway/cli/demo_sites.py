"""One site of `fieldgate demo`: its instruments simulated, its gateway a real `fieldgate run` process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers.simulator import simulate
from gateway.cli.demo_broker import Broker, free_port
from gateway.cli.simulated import moved
from gateway.settings import load
from gateway.settings.document import read
from gateway.settings.shipped import folders

STOP_LIMIT_S = 12.0


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A gateway that runs."""

    gateway: str
    health_port: int


@asynccontextmanager
async def running(name: str, folder: Path, broker: Broker, seed: int) -> AsyncIterator[DemoSite]:
    """The shipped site `name`, simulated and polled, delivering to `broker`."""
    shipped = next(file for place in folders() if (file := place / "sites" / f"{name}.yaml").is_file())
    site = load(shipped)
    async with simulate(site.lines, site.instruments, seed=seed) as lines:
        health_port = free_port()
        own = folder / name
        own.mkdir()
        document = moved(read(shipped).plain(), lines)
        document["uplinks"] = {"demo": {"mqtt": f"mqtt://127.0.0.1:{broker.port}", "protocol": broker.protocol}}
        document["log"] = {"path": str(own / "log.db"), "compression": "zlib"}
        document["health"] = {"listen": f"127.0.0.1:{health_port}"}
        # a board without a battery clock waits for the time; the machine of a demo has one
        document.pop("clock", None)
        file = own / "site.yaml"
        file.write_text(json.dumps(document, ensure_ascii=False), "utf-8")  # JSON is YAML 1.2
        with (own / "gateway.log").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", str(file), "--log-level", "warning"),
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its gateways in order
            )
        try:
            yield DemoSite(site.gateway_id, health_port)
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
