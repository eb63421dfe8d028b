"""A second gateway on a port that another one has: it says who, and ends with exit code 1."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.system.harness import write_site
from tests.system.sites import local

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_second_instance_on_a_port_ends_and_says_who_holds_it(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    point = {"id": "value", "table": "holding", "address": 0, "type": "uint16"}
    site = {
        "gateway": {"id": "second", "timezone": "Asia/Shanghai"},
        "lines": {"bus": {"serial": path}},
        "instruments": [{"id": "one", "line": "bus", "protocol": "modbus", "address": 1, "every": "1s",
                         "points": [point]}],
    }  # fmt: skip
    file = write_site(tmp_path / "site.yaml", local(site, tmp_path, 1))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "run", str(file)], capture_output=True, text=True, timeout=50
        )
        holder.communicate(b"")
    for end in (master, slave):
        os.close(end)
    assert ended.returncode == 1
    assert f"line bus: {path}: held by python" in ended.stderr
    assert f"(pid {holder.pid})" in ended.stderr
