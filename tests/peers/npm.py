"""Slaves by npm's modbus-serial and jsmodbus, installed when first needed into a folder outside the checkout."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.process import HERE, PATIENCE_S, Slave, Tables, kept, running

VERSIONS = {"modbus-serial": "8.0.25", "jsmodbus": "5.0.0"}


def why_not() -> str | None:
    """Why npm's slaves cannot be had here; None when they can."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    return f"{' and '.join(missing)} not installed (apt install npm)" if missing else None


@contextmanager
def npm(package: str, tables: Tables) -> Iterator[Slave]:
    """One Modbus TCP slave of that package, answering to every unit address: `port` on loopback."""
    with running(package, ["node", HERE / "npm_slave.js", package], installed()) as slave:
        slave.serve(1, tables)
        yield slave


def installed() -> Path:
    """The folder with node_modules. Serial bindings are left out: only TCP is used, and they need a compiler."""
    wanted = json.dumps({"private": True, "dependencies": VERSIONS})
    folder = kept("npm", wanted.encode())
    if not (folder / "complete").exists():
        (folder / "package.json").write_text(wanted)
        subprocess.run(
            ["npm", "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder, check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (folder / "complete").touch()
    return folder
