"""A tap on a Modbus TCP line: passes everything on and notes each request that goes to the slave."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

WRITES = frozenset({5, 6, 15, 16, 22, 23})
"""Functions that write (Modbus Application Protocol V1.1b3 §6)."""


@dataclass
class Tap:
    """Listens on `port` and passes on to `slave_port`. `requests` are the function codes in their order."""

    slave_port: int
    requests: list[int] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    """When each of them came, on the true wall clock."""
    port: int = 0

    def writes(self) -> int:
        """How many of the requests write."""
        return sum(function in WRITES for function in self.requests)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._ends:
            with_shutdown(end)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                gateway, _ = self._listener.accept()
            except OSError:
                return
            slave = socket.create_connection(("127.0.0.1", self.slave_port))
            self._ends += [gateway, slave]
            for source, target, noting in ((gateway, slave, True), (slave, gateway, False)):
                thread = threading.Thread(target=self._pass, args=(source, target, noting), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, noting: bool) -> None:
        waiting = bytearray()
        try:
            while data := source.recv(4096):
                if noting:
                    waiting += data
                    # MBAP: 7 bytes, of which 4 and 5 are the length of what follows them; then the function
                    while len(waiting) >= 8 and len(waiting) >= (end := 6 + int.from_bytes(waiting[4:6], "big")):
                        self.requests.append(waiting[7])
                        self.at_s.append(time.time())
                        del waiting[:end]
                target.sendall(data)
        except OSError:
            pass
        with_shutdown(target)


def with_shutdown(end: socket.socket) -> None:
    """Close so that whoever reads from it is woken."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
