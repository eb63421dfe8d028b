"""Talking to systemd (sd_notify(3), sd_watchdog_enabled(3)); silent where there is none."""

import asyncio
import os
import socket
from collections.abc import Callable

STATUS_EVERY_S = 10.0


class ServiceManager:
    """READY, STATUS, WATCHDOG, STOPPING over $NOTIFY_SOCKET. The watchdog means only that the loop is alive."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        watchdog_us = os.environ.get("WATCHDOG_USEC", "")
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() and for_us else None

    def ready(self, status: str) -> None:
        """The start (or the reload) is done."""
        self._say(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._say("STOPPING=1")

    def extend_start(self, seconds: float) -> None:
        """The start goes on and needs so much longer."""
        self._say(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    async def run(self, status: Callable[[], str]) -> None:
        """Feed the watchdog at a third of its time, and say how it goes."""
        every_s = min(STATUS_EVERY_S, self._watchdog_s / 3) if self._watchdog_s else STATUS_EVERY_S
        while self._address:
            self._say(f"WATCHDOG=1\nSTATUS={status()}")
            await asyncio.sleep(every_s)
        await asyncio.Event().wait()

    def _say(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto(text.encode(), address)
        except OSError:
            pass  # a service manager that does not listen must not stop the measuring
