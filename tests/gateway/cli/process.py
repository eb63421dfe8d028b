"""`fieldgate` from outside: a process, its exit code, and what it said on which channel."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SITES = ROOT / "config" / "sites"
PATIENCE_S = 50.0


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


def start(*arguments: str | Path, cwd: Path | None = None, **changes: str) -> "subprocess.Popen[str]":
    """The command, started; both channels are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
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


def fieldgate(*arguments: str | Path, cwd: Path | None = None, **changes: str) -> Ended:
    """Run one command to its end."""
    return ended(start(*arguments, cwd=cwd, **changes))


def together(*commands: tuple[str | Path, ...], cwd: Path | None = None) -> list[Ended]:
    """Several commands at the same time, in the order given: they cost most of their time starting."""
    return [ended(process) for process in [start(*arguments, cwd=cwd) for arguments in commands]]
