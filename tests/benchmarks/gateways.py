"""The gateways that are compared, each as a command, a topic and a reader of its messages."""

import compileall
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import orjson

from tests.benchmarks import shared
from tests.benchmarks.process import Process
from tests.benchmarks.scene import Scene
from tests.system.harness import free_port, plain, write_site

Values = Iterable[tuple[int, int, list[Any]]]
"""Device, first point, and the values of that point and those behind it."""


class Gateway(Protocol):
    """One of them."""

    name: str
    topic: str
    written_as: str
    """How mosquitto_sub writes a message down: as text (%p) or in hex (%x)."""

    def start(self, scene: Scene) -> Process:
        """Start it in this scene."""

    def values(self, topic: str, payload: bytes) -> Values:
        """What a message carries."""


@cache
def as_installed() -> None:
    """Compile the gateway's modules, as pip does with what it installs; a checkout may be told never to."""
    for package in ("gateway", "drivers"):
        assert compileall.compile_dir(shared.ROOT / package, quiet=1)


class Fieldgate:
    """`fieldgate run` with everything on: durable log, chain, JSON, QoS 1, metrics and status page."""

    topic = "fieldgate/v1/bench/+"

    def __init__(self, commit_every: str = "100ms", in_flight: int = 1, uvloop: bool = False, **log: Any) -> None:
        self.name = "fieldgate"
        self._log = {"commit_every": commit_every, **log}
        self.written_as = "%x" if log.get("compression") else "%p"
        self._in_flight = in_flight
        self._module = "tests.benchmarks.with_uvloop" if uvloop else "gateway"
        self.health_port = 0

    def start(self, scene: Scene) -> Process:
        """See Gateway."""
        as_installed()
        self.health_port = free_port()
        site = self.written(scene)
        return Process([sys.executable, "-m", self._module, "run", str(site)], scene.folder / "gateway.said")

    def written(self, scene: Scene) -> Path:
        """The site file, and beside it the profile of the farm's instruments."""
        points = [
            {"id": f"p{at}", "table": "holding", "address": 2 * at, "type": "float32"}
            for at in range(scene.load.points)
        ]
        folder = scene.folder / "profiles" / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        profile = {
            "title": "Farm", "maker": "bench", "model": "floats", "protocol": "modbus", "points": points,
            "sources": ["tests/benchmarks/farm"], "confidence": "code",
        }  # fmt: skip
        (folder / "floats.yaml").write_text(json.dumps(profile), "utf-8")
        return write_site(scene.folder / "site.yaml", self.site(scene))

    def site(self, scene: Scene) -> dict[str, Any]:
        """The site file's content."""
        load = scene.load
        period = f"{round(load.period_s * 1000)}ms"
        numbered = {"in_flight": self._in_flight} if self._in_flight > 1 else {}
        return {
            "gateway": {"id": "bench", "timezone": "Asia/Shanghai"},
            "lines": {
                f"l{device}": {"tcp": f"127.0.0.1:{scene.base_port + device}", "timeout": "3s", **numbered}
                for device in range(load.devices)
            },
            "instruments": [
                {"id": f"d{device}", "line": f"l{device}", "profile": "bench/floats", "address": 1, "every": period}
                for device in range(load.devices)
            ],
            "uplinks": {"city": {"mqtt": f"mqtt://127.0.0.1:{scene.broker.port}"}},
            "log": {"path": str(scene.folder / "log.db"), **self._log},
            "health": {"listen": f"127.0.0.1:{self.health_port}"},
        }  # fmt: skip

    def values(self, topic: str, payload: bytes) -> Values:
        """See Gateway."""
        if topic.endswith(("/data", "/backfill")):
            body = payload if payload[:1] == b"{" else plain(bytes.fromhex(payload.decode()))
            for sample in orjson.loads(body)["samples"]:
                yield int(sample["instrument"][1:]), 0, list(sample["values"].values())


class Yardstick:
    """ref_gw.py of the shared benchmark: `lib` on the usual libraries, `raw` on uvloop and frames made by hand."""

    topic = "gw/#"
    written_as = "%p"

    def __init__(self, mode: str, tick_s: float = 0.1) -> None:
        self.name = f"ref-{mode}"
        self._mode, self._tick_s = mode, tick_s

    def start(self, scene: Scene) -> Process:
        """See Gateway."""
        load = scene.load
        settings = scene.folder / "ref.json"
        told = {
            "devices": load.devices, "points": load.points, "period": load.period_s, "base_port": scene.base_port,
            "mqtt_port": scene.broker.port, "db": str(scene.folder / "buffer.db"), "mode": self._mode,
        }  # fmt: skip
        settings.write_text(json.dumps(told), "utf-8")
        return Process(
            [sys.executable, str(shared.BENCH / "ref_gw.py"), str(settings)],
            Path(scene.folder / "gateway.said"),
            {"REF_TICK": str(self._tick_s)},
        )

    def values(self, topic: str, payload: bytes) -> Values:
        """See Gateway."""
        for device, _, first, values in orjson.loads(payload):
            yield device, first, values
