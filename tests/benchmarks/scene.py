"""Around the gateway that is measured: instruments (a farm in C), a real mosquitto, a subscriber that writes down when
each message came."""

import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import shared
from tests.benchmarks.process import Process
from tests.system.harness import free_port, until

PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections."""


@dataclass(frozen=True)
class Load:
    """`devices` instruments of `points` float32 each, every `period_s`; whole numbers, or with decimals."""

    devices: int = 20
    points: int = 100
    period_s: float = 1.0
    decimals: bool = False

    @property
    def rate(self) -> float:
        """Points a second."""
        return self.devices * self.points / self.period_s


class Broker:
    """mosquitto with the shared settings; sessions survive its stop."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir()
        (folder / "mosquitto.conf").write_text(shared.broker_settings(self.port, folder), "utf-8")
        self.start()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        self.process = Process(["mosquitto", "-c", str(self._folder / "mosquitto.conf")], self._folder / "said")
        until(lambda: _answers(self.port), f"mosquitto on port {self.port}")

    def stop(self) -> None:
        """SIGTERM: it saves its sessions."""
        self.process.end()


class Scene:
    """Instruments, broker and subscriber for one gateway, in `folder`."""

    def __init__(self, folder: Path, load: Load, topic: str, written_as: str = "%p") -> None:
        self.folder, self.load = folder, load
        self.base_port = _ports(load.devices)
        self.served_file = folder / "served.bin"
        self.feed_file = folder / "feed.txt"
        self.broker = Broker(folder / "broker")
        self._topic, self._written_as = topic, written_as
        self.listen()
        self.farm = Process(self._farm_command(), folder / "farm.said")
        until(lambda: _answers(self.base_port + load.devices - 1), "the farm")

    def listen(self) -> None:
        """Start the subscriber; started again, it goes on with its session at once instead of in its own second."""
        self.subscriber = Process(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-q", "1", "-c", "-i", "measuring",
             "-t", self._topic, "-F", f"%U %t {self._written_as}"],
            self.feed_file,
        )  # fmt: skip

    def _farm_command(self) -> list[str]:
        ports = [str(self.base_port), str(self.load.devices)]
        if self.load.decimals:
            return [str(shared.compiled(shared.OWN_FARM, self.folder.parent)), *ports, str(self.served_file)]
        program = shared.compiled(shared.BENCH / "farm" / "farm.c", self.folder.parent)
        return [str(program), *ports, "--log", str(self.served_file)]

    def heard(self) -> bool:
        """Whether any batch of readings has arrived."""
        return self.feed_file.stat().st_size > 0

    def end(self) -> None:
        """Stop everything; what was served and what came is complete in its files."""
        for process in (self.subscriber, self.farm, self.broker.process):
            process.end()


@contextlib.contextmanager
def scene(folder: Path, load: Load, topic: str, written_as: str = "%p") -> Iterator[Scene]:
    """A running scene."""
    folder.mkdir(parents=True)
    made = Scene(folder, load, topic, written_as)
    try:
        yield made
    finally:
        made.end()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ports(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = random.randrange(PORTS.start, PORTS.stop - count)
        if all(_free(first + at) for at in range(count)):
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
