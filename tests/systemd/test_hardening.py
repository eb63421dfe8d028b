"""What the unit forbids is tried on the real code: no memory both writable and executable, no forbidden system call."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/fieldgate.service"
PR_SET_MDWE = 65
"""prctl(2), Linux 6.3: what MemoryDenyWriteExecute= asks for; children and their programs inherit it."""
EVERYTHING = """
import asyncio, ctypes
import gateway.run, gateway.health.web, gateway.broker, gateway.signing, gateway.settings, gateway.cli.check
from gateway.clock import kernel_synced
kernel_synced()
ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
Ed25519PrivateKey.generate().sign(b"x")
print("all loaded")
"""
REFUSES = """
import mmap
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    print("refused")
"""


def without_writable_code(program: str) -> subprocess.CompletedProcess[str]:
    start = (
        "import ctypes, os, sys\n"
        f"if ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) != 0: sys.exit(77)\n"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    command = [sys.executable, "-c", start, program]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, cwd=ROOT)


@pytest.fixture(scope="module", autouse=True)
def kernel_can() -> None:
    answer = without_writable_code(REFUSES)
    if answer.returncode == 77:
        pytest.skip("this kernel knows no PR_SET_MDWE")
    assert answer.stdout.strip() == "refused"


def test_everything_loads_and_signs_without_writable_code() -> None:
    answer = without_writable_code(EVERYTHING)
    assert answer.stdout.strip() == "all loaded", answer.stderr


@pytest.mark.skipif(
    shutil.which("strace") is None or shutil.which("systemd-analyze") is None,
    reason="strace or systemd-analyze is not installed",
)
def test_only_the_question_for_the_clock_is_a_forbidden_system_call(tmp_path: Path) -> None:
    counted = tmp_path / "calls"
    command = ["strace", "-f", "-c", "-o", str(counted), sys.executable, "-c", EVERYTHING]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False, cwd=ROOT)
    if "ptrace" in answer.stderr.lower():
        pytest.skip("strace may not trace here")
    assert answer.returncode == 0, answer.stderr
    made = {line.split()[-1] for line in counted.read_text().splitlines() if re.match(r"\s*[\d.]+\s+[\d.]+\s", line)}
    assert "openat" in made
    forbidden = sorted(made - allowed() - {"total"})
    # the kernel's clock state may not be asked inside the unit: it is then unknown, and the time service is asked
    assert forbidden in (["adjtimex"], ["clock_adjtime"]), forbidden


def allowed() -> set[str]:
    """The unit's SystemCallFilter=, worked out as systemd does: the first line allows, `~` takes away."""
    calls: set[str] = set()
    for line in UNIT.read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            value = line.partition("=")[2]
            named = set().union(*(members(name) for name in value.removeprefix("~").split()))
            calls = calls - named if value.startswith("~") else calls | named
    return calls


def members(name: str) -> set[str]:
    """A group of system calls, groups within it included."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    inside = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(members(one) for one in inside))
