"""The real thing from outside: `fieldgate run` as a process, a real mosquitto, mosquitto_sub writing down the feed."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 30.0


def free_port() -> int:
    """A loopback TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(met: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait for a condition of the outside world that sends no event; fails the test by name when it never comes."""
    deadline = time.monotonic() + patience_s
    while not (result := met()):
        assert time.monotonic() < deadline, f"after {patience_s:.0f} s still waiting for {what}"
        time.sleep(0.02)
    return result


class Mosquitto:
    """One broker on a port of its own, with persistence, so that a restart keeps its subscribers' sessions."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self._folder = folder
        self.config = folder / "mosquitto.conf"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nlog_dest none\n"
            + ("user root\n" if os.getuid() == 0 else "")
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        self._process = subprocess.Popen(["mosquitto", "-c", str(self.config)])

        def listening() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, "mosquitto ended at its start"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(listening, f"mosquitto on port {self.port}")

    def cpu_s(self) -> float:
        """CPU time it has used since its start."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it: SIGTERM saves its sessions, SIGKILL does not."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def halt(self) -> None:
        """Stand still with all connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After halt()."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@dataclass
class Message:
    """One MQTT message as the subscriber saw it."""

    at_s: float
    topic: str
    payload: bytes

    @property
    def lane(self) -> str:
        """data, backfill, status, points, reply."""
        return self.topic.rsplit("/", 1)[1]

    @property
    def body(self) -> dict[str, Any]:
        """The decoded JSON."""
        return json.loads(plain(self.payload))


def plain(payload: bytes) -> bytes:
    """Uncompressed bytes of a payload."""
    return zlib.decompress(payload) if payload[:1] == b"\x78" else payload


class Subscriber:
    """mosquitto_sub with a persistent session, writing every message to a file."""

    def __init__(self, broker: Mosquitto, out: Path, topic: str = "fieldgate/v1/#") -> None:
        self._out = out
        self._read = 0
        self._messages: list[Message] = []
        self._batches: list[Message] = []
        self._file = out.open("wb")
        self._process = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-c", "-i", f"city-{out.stem}",
             "-t", topic, "-F", "%U %t %x"],
            stdout=self._file, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def messages(self) -> list[Message]:
        """All that has come so far, in order."""
        self._look()
        return list(self._messages)

    def batches(self) -> list[Message]:
        """Messages of the two lanes."""
        self._look()
        return list(self._batches)

    def _look(self) -> None:
        """Take what has come since the last look, up to the last whole line."""
        with self._out.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._read += end
        for message in recorded(data[:end]):
            self._messages.append(message)
            if message.lane in ("data", "backfill"):
                self._batches.append(message)

    def stop(self) -> None:
        """End the subscriber."""
        self._process.terminate()
        self._process.wait(10)
        self._file.close()


def recorded(data: bytes) -> Iterator[Message]:
    """The messages of whole lines that a subscriber wrote."""
    for line in data.splitlines():
        at, topic, payload = line.split(b" ")
        yield Message(float(at), topic.decode(), bytes.fromhex(payload.decode()))


class Fieldgate:
    """`fieldgate run SITE` as a process."""

    def __init__(self, site: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self.site = site
        self._log = log
        self.environment = {**os.environ, "PYTHONWARNINGS": "error", **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, under: Sequence[str] = ()) -> None:
        """Start, `under` another command that runs it (strace); returns at once."""
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                [*under, sys.executable, "-m", "gateway", "run", str(self.site)],
                stdout=out, stderr=subprocess.STDOUT, env=self.environment, cwd=Path(__file__).parents[2],
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; returns the exit code, which must come within 10 s (contract.md §4)."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)

    def output(self) -> str:
        """Everything it said."""
        return self._log.read_text("utf-8", errors="replace")

    @contextmanager
    def running(self) -> Iterator["Fieldgate"]:
        """Started on entry, stopped on exit; its output is shown when the test fails."""
        self.start()
        try:
            yield self
        except BaseException:
            print(self.output()[-8000:])
            raise
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait(10)


@dataclass
class Findings:
    """What an independent look at a recorded feed found; everything empty means that the promises were kept."""

    missing: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    batches: int = 0
    repeats: int = 0

    @property
    def clean(self) -> bool:
        """No finding of any kind."""
        return not (self.missing or self.altered or self.unordered or self.broken)


def look_at(messages: list[Message]) -> Findings:
    """P1, P2 and the chain, written anew from the contract and not with the project's own `verify`."""
    findings = Findings()
    bodies: dict[tuple[str, int], bytes] = {}
    highest_live: dict[str, int] = defaultdict(int)
    for message in messages:
        text = plain(message.payload)
        body = json.loads(text)
        name = (body["stream"], body["seq"])
        findings.batches += 1
        if name in bodies:
            findings.repeats += 1
            if bodies[name] != text:
                findings.altered.append(f"{name} came with two bodies")
            continue
        bodies[name] = text
        if message.lane == "data":
            if body["seq"] <= highest_live[body["stream"]]:
                findings.unordered.append(f"{name} live after seq {highest_live[body['stream']]}")
            highest_live[body["stream"]] = body["seq"]
    for stream in {stream for stream, _ in bodies}:
        numbers = sorted(seq for other, seq in bodies if other == stream)
        findings.missing += [f"{stream} {seq}" for seq in set(range(1, numbers[-1] + 1)) - set(numbers)]
        for seq in numbers:
            before = bodies.get((stream, seq - 1))
            wanted = hashlib.sha256(before).hexdigest() if before else "0" * 64
            if (before or seq == 1) and json.loads(bodies[stream, seq])["prev"] != wanted:
                findings.broken.append(f"{stream} {seq} does not follow {seq - 1}")
    return findings


def readings(messages: list[Message]) -> list[dict[str, Any]]:
    """Every sample of the feed once, by due time, in the order of the log."""
    seen: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for message in messages:
        body = message.body
        seen.setdefault((body["stream"], body["seq"]), body["samples"])
    return [sample for name in sorted(seen) for sample in seen[name]]


def write_site(path: Path, document: dict[str, Any]) -> Path:
    """A site file; JSON is YAML 1.2."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    return path
