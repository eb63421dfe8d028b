"""What a process costs: CPU time, memory, bytes written. Read from outside, exact to the nanosecond where Linux is."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

END_S = 12.0


class Process:
    """A child process; `log` takes what it says."""

    def __init__(self, argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                argv, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
            )
        self.pid = self._popen.pid
        self.log = log

    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far, ended ones included (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def resident_bytes(self) -> int:
        """Memory in use now."""
        return self._status("VmRSS:")

    def peak_bytes(self) -> int:
        """Most memory in use so far."""
        return self._status("VmHWM:")

    def written_bytes(self) -> int:
        """Bytes it caused to be written to the disk (`write_bytes` of /proc/PID/io)."""
        for line in Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise OSError("this kernel keeps no account of written bytes")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise OSError(f"no {name} of process {self.pid}")

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def ended(self, began: float) -> tuple[float, float]:
        """Wait for its end: seconds since `began` (monotonic), and its CPU seconds."""
        _, status, usage = os.wait4(self.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        return time.monotonic() - began, usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """kill -9."""
        self._popen.kill()
        self._popen.wait(END_S)

    def end(self) -> int:
        """SIGTERM, and SIGKILL if that is not heard; the exit code."""
        self._popen.terminate()
        try:
            return self._popen.wait(END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait(END_S)
