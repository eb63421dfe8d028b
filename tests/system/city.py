"""The city platform as far as commands go: signs, publishes with mosquitto_pub, reads the answers and events."""

import itertools
import json
import subprocess
import time
from typing import Any

from gateway.signing import Signer, command_text
from tests.system.harness import Message, Mosquitto, Subscriber, until

GATEWAY = "test-1"


class City:
    """One platform. `signer` signs what is asked to be signed."""

    def __init__(self, broker: Mosquitto, feed: Subscriber, signer: Signer, gateway: str = GATEWAY) -> None:
        self.broker = broker
        self.feed = feed
        self.signer = signer
        self.root = f"fieldgate/v1/{gateway}"
        self._numbers = itertools.count(1)

    def command(self, name: str, *, signed: bool | Signer = False, **more: Any) -> dict[str, Any]:
        """A command with a new id that is valid for a minute; `more` replaces its keys."""
        made = {
            "v": 1,
            "id": f"{name}-{next(self._numbers)}",
            "name": name,
            "args": {},
            "expires": now_ms() + 60_000,
        } | more
        if signed:
            made["signature"] = (self.signer if signed is True else signed).sign(command_text(made))
        return made

    def publish(self, command: dict[str, Any] | bytes, *options: str) -> None:
        """Send it; returns when the broker has it."""
        payload = command if isinstance(command, bytes) else json.dumps(command).encode()
        subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-q", "1", "-V", "5",
             "-t", f"{self.root}/command", "-s" if payload else "-n", *options],
            input=payload, check=True, timeout=30,
        )  # fmt: skip

    def ask(self, command: dict[str, Any], *options: str) -> dict[str, Any]:
        """Send it and wait for the answer that is not there yet."""
        before = len(self.replies(command["id"]))
        self.publish(command, *options)
        return until(
            lambda: self.replies(command["id"])[before:], f"the answer to {command['id']} ({command['name']})"
        )[0]

    def replies(self, identity: str) -> list[dict[str, Any]]:
        """All answers to one id."""
        found = [message.body for message in self.feed.messages() if message.lane == "reply"]
        return [body for body in found if body["id"] == identity]

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Every event of the feed once, in the order of the log."""
        return events(self.feed.batches(), kind)


def events(messages: list[Message], kind: str = "") -> list[dict[str, Any]]:
    """Every event of the messages once, in the order of the log."""
    bodies: dict[tuple[str, int], dict[str, Any]] = {}
    for message in messages:
        body = message.body
        bodies.setdefault((body["stream"], body["seq"]), body)
    return [event for name in sorted(bodies) for event in bodies[name]["events"] if event["kind"].startswith(kind)]


def now_ms() -> int:
    """UTC in ms."""
    return time.time_ns() // 1_000_000
