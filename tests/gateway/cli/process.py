"""`fieldgate` from outside: a process, its exit code, and what it said on which channel."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.__main__ import main
from gateway.cli import COMMANDS

ROOT = Path(__file__).parents[3]
SITES = ROOT / "config" / "sites"
PATIENCE_S = 50.0
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [__name__, "rich.table", "gateway.settings", *(f"gateway.cli.{name}" for name in COMMANDS)]
)


@dataclass(frozen=True, slots=True)
class Ended:
    """One command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON: nothing else may be on it."""
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """The tests' own environment, with warnings as errors and none of the settings that a shell may bring."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FIELDGATE", "COLUMNS", "NO_"))}
    return {**kept, "PYTHONWARNINGS": "error", "PYTHONPATH": str(ROOT), **changes}


def start(
    *arguments: str | Path, cwd: Path | None = None, stdout: int = subprocess.PIPE, **changes: str
) -> "subprocess.Popen[str]":
    """The command, started; both channels are pipes, unless another is given."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=environment(**changes), cwd=cwd or ROOT,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]", patience_s: float = PATIENCE_S) -> Ended:
    """Wait for its end; what does not end is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {patience_s:g} s; said: {out[-2000:]} {err[-2000:]}") from None
    return Ended(process.returncode, out, err)


def fieldgate(*arguments: str | Path, cwd: Path | None = None) -> Ended:
    """Run one command to its end."""
    return together(arguments, cwd=cwd)[0]


def together(*commands: tuple[str | Path, ...], cwd: Path | None = None) -> list[Ended]:
    """Several commands at the same time, in the order given.

    Each is a process of its own with its own arguments, channels and exit code. They are forked from a server that
    has imported what they need, which takes three quarters of the time of a fresh interpreter.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for number, arguments in enumerate(commands):
            channels = (Path(folder, f"{number}.out"), Path(folder, f"{number}.err"))
            child = SERVER.Process(target=_run, args=(list(map(str, arguments)), cwd or ROOT, *channels))
            child.start()
            started.append((child, channels))
        return [_ended(child, *channels) for child, channels in started]


def _run(arguments: list[str], cwd: Path, out: Path, err: Path) -> None:
    """In the new process: what a shell would have set up, then the command."""
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in [name for name in os.environ if name not in environment()]:
        del os.environ[name]
    warnings.simplefilter("error")
    os.chdir(cwd)
    sys.argv = ["fieldgate", *arguments]
    main()


def _ended(child: "multiprocessing.context.ForkServerProcess", out: Path, err: Path) -> Ended:
    child.join(PATIENCE_S)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError(f"still running after {PATIENCE_S:g} s; said: {out.read_text()[-2000:]}")
    code = child.exitcode
    child.close()
    return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))
