"""The shipped sites with their lines at the peers' endpoints and their uplink at the test's broker."""

import struct
from pathlib import Path
from typing import Any

from gateway.settings.document import read
from tests.system.harness import free_port

CONFIG = Path(__file__).parents[2] / "config"


def shipped(name: str) -> dict[str, Any]:
    """The site sample as plain values."""
    document = read(CONFIG / "sites" / f"{name}.yaml").plain()
    assert isinstance(document, dict)
    return document


def local(document: dict[str, Any], folder: Path, broker_port: int, **log: Any) -> dict[str, Any]:
    """Log, key and health in `folder` and on loopback, one uplink to the broker."""
    return {
        **document,
        "uplinks": {"city": {"mqtt": f"mqtt://127.0.0.1:{broker_port}"}},
        "log": {"path": str(folder / "log.db"), "commit_every": "200ms", **log},
        "health": {"listen": f"127.0.0.1:{free_port()}"},
    }


def counters(tcp_ports: dict[str, int], every: str = "100ms", registers: int = 20) -> dict[str, Any]:
    """A plain site: one instrument of `registers` uint16 on each TCP line."""
    return {
        "gateway": {"id": "test-1", "timezone": "Asia/Shanghai"},
        "lines": {name: {"tcp": f"127.0.0.1:{port}", "timeout": "500ms"} for name, port in tcp_ports.items()},
        "instruments": [
            {
                "id": name,
                "line": name,
                "protocol": "modbus",
                "address": 1,
                "every": every,
                "points": [
                    {"id": f"r{index}", "table": "holding", "address": index, "type": "uint16"}
                    for index in range(registers)
                ],
            }
            for name in tcp_ports
        ],
    }


def words(value: float, order: str = "ABCD") -> list[int]:
    """A float32 as two registers."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [high, low] if order == "ABCD" else [low, high]
