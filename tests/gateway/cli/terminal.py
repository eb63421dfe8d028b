"""A command on a real terminal: a pseudo-terminal is its controlling one, so that Ctrl-C is a key press."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil

from tests.gateway.cli.process import ROOT, environment

CONTROL_C = b"\x03"
_STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One command with keyboard and screen of its own."""

    def __init__(self, *arguments: str | Path, columns: int = 120, **changes: str) -> None:
        self._screen = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        take_terminal = (
            "import fcntl, runpy, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); sys.argv[0] = 'fieldgate'"
        )
        run = "; runpy.run_module('gateway', run_name='__main__')"
        self.process = subprocess.Popen(
            [sys.executable, "-c", take_terminal + run,
             *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=ROOT,
            env=environment(TERM="xterm-256color", **changes),
        )  # fmt: skip
        os.close(theirs)

    @property
    def raw(self) -> str:
        """Everything shown so far, with its escape sequences."""
        return self._screen.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Everything shown so far, as words."""
        return _STYLING.sub("", self.raw)

    def until(self, words: str, patience_s: float = 50.0) -> None:
        """Wait until these words (a regular expression) have been shown."""
        deadline_s = time.monotonic() + patience_s
        while not re.search(words, self.text):
            assert time.monotonic() < deadline_s, f"never shown: {words}; shown: {self.text[-3000:]}"
            assert self._look(0.5) or self.process.poll() is None, (
                f"ended before {words} was shown: {self.text[-3000:]}"
            )

    def press(self, key: bytes) -> None:
        """One key."""
        os.write(self._ours, key)

    def family(self) -> list[psutil.Process]:
        """The command and every process that it has started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def ended(self, patience_s: float = 30.0) -> int:
        """Its exit code, when it has ended."""
        deadline_s = time.monotonic() + patience_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, f"still running; shown: {self.text[-3000:]}"
            self._look(0.05)
        while self._look(0.0):
            pass
        return self.process.returncode

    def close(self) -> None:
        """Whatever is left of it goes."""
        if self.process.poll() is None:
            for one in self.family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process.wait(10)
        os.close(self._ours)

    def _look(self, patience_s: float) -> bool:
        """Take what the screen has; False when nothing came."""
        if not select.select([self._ours], [], [], patience_s)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            time.sleep(min(patience_s, 0.05))
            return False
        self._screen += data
        return bool(data)
