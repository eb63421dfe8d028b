"""Modbus slaves by other people's libraries, as processes. All are driven alike: one line on stdin sets one value.

    "UNIT FUNCTION ADDRESS VALUE"    FUNCTION (1 to 4) is the one that reads the table
    "sync TEXT"                      answered with the same line once all before it is done

They print "ready ENDPOINT" when they serve. Synchronous on purpose: tests with and without a loop use them.
"""

import hashlib
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_S = 60.0  # npm and gcc on a slow machine

Tables = Mapping[int, Mapping[int, int]]
"""Read function -> address -> value."""


class Slave:
    """A running slave; `endpoint` is its pseudo-terminal's path or its loopback port."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self._process = process
        self.pid = process.pid
        self._name = name
        self._said = bytearray()
        self._syncs = 0
        self.endpoint = self._answer("ready ")

    @property
    def port(self) -> int:
        """The loopback TCP port."""
        return int(self.endpoint)

    @property
    def path(self) -> str:
        """The pseudo-terminal."""
        return self.endpoint

    def serve(self, unit: int, tables: Tables) -> None:
        """Set values; returns when they are what the slave serves."""
        lines = [
            f"{unit} {function} {address} {int(value)}\n"
            for function, values in tables.items()
            for address, value in values.items()
        ]
        self._syncs += 1
        lines.append(f"sync {self._syncs}\n")
        assert self._process.stdin is not None
        self._process.stdin.write("".join(lines).encode())
        self._process.stdin.flush()
        self._answer(f"sync {self._syncs}")

    def _answer(self, start: str) -> str:
        """The rest of the next line, which must begin so."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._said:
                assert selector.select(deadline - time.monotonic()), f"{self._name} does not say {start!r}"
                said = os.read(self._process.stdout.fileno(), 4096)
                assert said, f"{self._name} ended with {self._process.wait()}"
                self._said += said
        line, _, rest = bytes(self._said).partition(b"\n")
        self._said = bytearray(rest)
        text = line.decode()
        assert text.startswith(start), f"{self._name} said {text!r} instead of {start!r}"
        return text.removeprefix(start)


@contextmanager
def running(name: str, command: Sequence[str | Path], folder: Path | None = None) -> Iterator[Slave]:
    """The process while the block lasts; it ends with its input."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
    try:
        yield Slave(process, name)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kept(name: str, *made_from: bytes) -> Path:
    """A folder outside the checkout for what is built or installed once, named by what it is made from."""
    key = hashlib.sha256(b"\0".join(made_from)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fieldgate-peers-{os.getuid()}" / f"{name}-{key}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
